"""A client whose writes wait for the load's budget, and tell it what they cost and when a table throttles.

It stands where a DynamoDB client stood, so that whatever writes (keyshift.aws.items, keyshift.aws.slots) needs to know
nothing of it; a try again is a write like any other. DynamoDB says what a write has consumed, where it is asked to. Not
every endpoint does so: ScyllaDB refuses the finer of the two questions, and others answer neither. What is asked is
found out by the first write of each kind, and where nothing is told, our own estimate stands.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bulkload.load.budget import Budget
from keymap.item_units import TABLE, Units, put_units, update_units
from keymap.targets import Target
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code, is_throttle
from keyshift.aws.items import EncodedItem

UNIT_BYTES: Final = 1024  # of a write unit (AWS's guide)
QUESTIONS: Final = ("INDEXES", "TOTAL", "NONE")  # values of ReturnConsumedCapacity, the best first
_INVALID: Final = "ValidationException"
Document = dict[str, Any]


class Metered:
    """Sends through `client`, in the name of `budget`. For use by several threads. All other calls are the client's."""

    def __init__(self, client: DynamoDBClient, budget: Budget, targets: Mapping[str, Target]) -> None:
        self._client = client
        self._budget = budget
        self._targets = targets
        # By call: an endpoint may answer for one what it refuses for another.
        self._questions: dict[str, tuple[str, ...]] = {}
        self._known: set[tuple[str, str]] = set()  # call and question that the endpoint answers

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        return getattr(self._client, name)

    def batch_write_item(self, *, RequestItems: Mapping[str, list[Any]]) -> Document:  # noqa: N803 - boto3's names
        """BatchWriteItem, of puts only."""
        taken = {table: self._take(table, lambda: self._puts(table, puts)) for table, puts in RequestItems.items()}  # noqa: B023
        answer = self._sent("batch_write_item", {"RequestItems": RequestItems}, taken)
        left = answer.get("UnprocessedItems") or {}
        for table, puts in RequestItems.items():
            told = _told(answer, table, only=len(RequestItems) == 1)
            if told is None and not taken[table]:  # there is no limit: only how fast it went may be asked for later
                told = {TABLE: _roughly(puts) - _roughly(left.get(table, ()))}
            elif told is None:
                told = _less(self._puts(table, puts), self._puts(table, left.get(table, ())))
            told_of = self._budget.throttled if left.get(table) else self._budget.spent
            told_of(table, taken[table], told)
        return answer

    def put_item(self, **request: Any) -> Document:  # noqa: ANN401 - as boto3's calls
        """PutItem."""
        target = self._targets[request["TableName"]]
        return self._one("put_item", request, lambda: put_units(target, request["Item"]))

    def update_item(self, **request: Any) -> Document:  # noqa: ANN401
        """UpdateItem."""
        target = self._targets[request["TableName"]]
        return self._one("update_item", request, lambda: update_units(target, request))

    def _one(self, call: str, request: Document, units: Callable[[], Units]) -> Document:
        table = request["TableName"]
        taken = self._take(table, units)
        answer = self._sent(call, request, {table: taken})
        told = _told(answer, table, only=True)
        self._budget.spent(table, taken, units() if told is None else told)
        return answer

    def _take(self, table: str, units: Callable[[], Units]) -> Units:
        """What was taken: nothing, unweighed, where there is no limit."""
        wanted = units() if self._budget.limited(table) else {}
        self._budget.take(table, wanted)
        return wanted

    def _puts(self, table: str, puts: Iterable[Any]) -> Units:
        units: dict[str, float] = {}
        for put in puts:
            for payer, count in put_units(self._targets[table], put["PutRequest"]["Item"]).items():
                units[payer] = units.get(payer, 0.0) + count
        return units

    def _sent(self, call: str, request: Document, taken: Mapping[str, Units]) -> Document:
        """The answer. A write that was throttled has used nothing; one that failed otherwise counts as taken."""
        try:
            return self._asked(call, request)
        except BaseException as error:
            for table, units in taken.items():
                if is_throttle(error):
                    self._budget.throttled(table, units, {})
                else:
                    self._budget.spent(table, units, units)
            raise

    def _asked(self, call: str, request: Document) -> Document:
        """The answer, with what was consumed in it if the endpoint tells."""
        questions = self._questions.get(call, QUESTIONS)
        try:
            answer: Document = getattr(self._client, call)(**request, ReturnConsumedCapacity=questions[0])
        except ClientError as error:
            if error_code(error) != _INVALID or (call, questions[0]) in self._known:
                raise
            return self._asked_less(call, request, questions[1:], error)
        self._known.add((call, questions[0]))
        return answer

    def _asked_less(self, call: str, request: Document, questions: tuple[str, ...], refused: ClientError) -> Document:
        """The question may have been the fault, and nothing was done: the same with a lesser one."""
        for place, question in enumerate(questions):
            try:
                answer: Document = getattr(self._client, call)(**request, ReturnConsumedCapacity=question)
            except ClientError as error:
                if error_code(error) != _INVALID:
                    raise
            else:
                self._questions[call] = questions[place:]
                self._known.add((call, question))
                return answer
        raise refused


def _roughly(puts: Iterable[Any]) -> float:
    """Write units of puts by the length of their texts, unparsed; of those that are no text yet, one each."""
    items = (put["PutRequest"]["Item"] for put in puts)
    return sum(1.0 + (item.bytes // UNIT_BYTES if isinstance(item, EncodedItem) else 0) for item in items)


def _told(answer: Document, table: str, *, only: bool) -> Units | None:
    """What the answer says was consumed, None where it does not. `only`: there is no other table in the request."""
    told = answer.get("ConsumedCapacity")
    for one in told if isinstance(told, list) else [told]:
        if one and (one.get("TableName") == table or (only and "TableName" not in one)):
            return _by_payer(one)
    return None


def _by_payer(told: Document) -> Units:
    if "Table" not in told:
        return {TABLE: float(told.get("CapacityUnits", 0.0))}
    local = sum(one["CapacityUnits"] for one in told.get("LocalSecondaryIndexes", {}).values())
    indexes = {name: one["CapacityUnits"] for name, one in told.get("GlobalSecondaryIndexes", {}).items()}
    return {TABLE: told["Table"]["CapacityUnits"] + local, **indexes}


def _less(units: Units, others: Units) -> Units:
    return {payer: count - others.get(payer, 0.0) for payer, count in units.items()}
