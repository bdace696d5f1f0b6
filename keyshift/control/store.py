"""The one place that speaks to the control table: consistent reads, and writes that know their own success.

A conditional write may succeed and lose its answer; the SDK then sends it again and is told that the condition failed.
So each guarded write (`swap`) puts a random nonce into the item, is conditional on the nonce that was read before, and
on a refusal reads the item back: our own nonce there means that it was we who made the condition false. Nonces never
come back, so a copy of a request that the network delivers minutes late is always refused, even where the attributes
went back to an earlier state (phase replay -> closed -> replay).

The item "migration" stands under the migration's name and names the current run's id. All other items stand under that
id, so a process of a destroyed run can neither read nor write anything of a new run of the same name
(docs/decisions/0002).
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from keymap.errors import KeyshiftError
from keyshift.control.record import (
    AT_MS,
    NONCE,
    Changes,
    Check,
    Expected,
    Presence,
    Record,
    check_request,
    decode_item,
    encode,
    update_request,
)

HEAD: Final = "migration"
PHASE: Final = "phase"
CONTENTION_ATTEMPTS_MAX: Final = 12  # a lease renewal beside a transaction on it lasts milliseconds
_PAUSE_SECONDS_FIRST: Final = 0.02
_PAUSE_SECONDS_MAX: Final = 0.5
_DELETES_PER_CALL: Final = 25  # BatchWriteItem's limit
_MISSING: Final = "ResourceNotFoundException"
_REFUSED: Final = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})
_CONTENDED: Final = frozenset(
    {
        "TransactionConflictException",
        "TransactionConflict",
        "TransactionInProgressException",
        "ProvisionedThroughputExceeded",
        "ThrottlingError",
    }
)


class Conflict(Exception):
    """The item is not as it was when it was read, or a check did not hold: read again and decide again."""


class NotInitialised(KeyshiftError):
    """The control table knows nothing of the migration (or no longer)."""


class Store:
    """One migration's items in the control table. May be used by several threads.

    `client` is a low-level DynamoDB client; its errors other than a failed condition reach the caller as they are, and
    then a write may or may not have been done. `draw` makes nonces, `now_ms` is the wall clock shown to people.
    """

    def __init__(  # noqa: PLR0913 - clocks and randomness are handed in
        self,
        client: Any,  # noqa: ANN401 - botocore makes its clients at run time; the door to it is keyshift/aws
        table: str,
        migration: str,
        *,
        draw: Callable[[], str] = lambda: secrets.token_hex(8),
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.table = table
        self.name = migration
        self._client = client
        self._draw = draw
        self._now_ms = now_ms
        self._sleep = sleep
        self._id = ""

    @property
    def id(self) -> str:
        """The id of the run that this store is bound to, since it was first asked. Raises NotInitialised."""
        return self._id or self.require_head().text("id")

    @property
    def now_ms(self) -> int:
        """The wall clock in ms since 1970, for people only."""
        return self._now_ms()

    def head(self) -> Record | None:
        """The item "migration"; the first run that is found is the one that this store is bound to.

        Raises NotInitialised when it is now another run's.
        """
        record = self._read(self.name, HEAD)
        if record is None:
            return None
        self._id = self._id or record.text("id")
        if record.text("id") != self._id:
            message = f"migration {self.name} was destroyed and made anew while this process ran"
            raise NotInitialised(message, "Start this process again")
        return record

    def require_head(self) -> Record:
        """The item "migration". Raises NotInitialised."""
        record = self.head()
        if record is None:
            message = f"control table {self.table} knows no migration {self.name}"
            raise NotInitialised(message, "Run `keyshift init`, or correct `migration` or `control_table`")
        return record

    def get(self, item: str) -> Record | None:
        """An item as it is at this moment."""
        return self.head() if item == HEAD else self._read(self.id, item)

    def query(self, prefix: str, *, names: Sequence[str] = (), descending: bool = False) -> Iterator[Record]:
        """All items whose name begins with `prefix`, in order; `names` limits the attributes."""
        shown = dict.fromkeys(("item", *names)) if names else {}  # each once: DynamoDB refuses a name given twice
        placeholders = {f"#a{number}": name for number, name in enumerate(shown)}
        values = {":pk": encode(self.id), **({":prefix": encode(prefix)} if prefix else {})}
        request: dict[str, Any] = {
            "TableName": self.table,
            "ConsistentRead": True,
            "ScanIndexForward": not descending,
            "KeyConditionExpression": "#pk = :pk" + (" AND begins_with(#sk, :prefix)" if prefix else ""),
            "ExpressionAttributeNames": {"#pk": "migration", **({"#sk": "item"} if prefix else {}), **placeholders},
            "ExpressionAttributeValues": values,
            **({"ProjectionExpression": ", ".join(placeholders)} if names else {}),
        }
        return self._pages(request)

    def swap(self, item: str, before: Record | None, changes: Changes, *, checks: Sequence[Check] = ()) -> Record:
        """Write, if the item is still as `before` (None: it has never been written so) and all checks hold.

        Returns the item as it is then. Raises Conflict: if this write was done nevertheless (its answer was lost),
        somebody has written after it.
        """
        nonce = self._draw()
        stamped: Changes = {**changes, NONCE: nonce, AT_MS: self._now_ms()}
        unchanged: Expected = {NONCE: before.nonce if before and before.nonce else Presence.ABSENT}
        update = {**self._key(item), **update_request(stamped, unchanged)}
        if self._write([{"Update": update}, *map(self._check, checks)], nonce):
            return (before or Record(item, {})).changed(stamped)
        current = self.get(item)
        if current is None or current.nonce != nonce:
            raise Conflict(item)
        return current

    def update(self, item: str, changes: Changes, expected: Expected) -> None:
        """Write under a condition, by a rule that is its own guard (repeating it does no harm). Raises Conflict."""
        if not self._write([{"Update": {**self._key(item), **update_request(changes, expected)}}], ""):
            raise Conflict(item)

    def add(self, item: str, name: str, member: int) -> None:
        """Add to a set of numbers; without a condition, since repeating it changes nothing."""
        self._call(
            self._client.update_item,
            **self._key(item),
            UpdateExpression="ADD #set :member",
            ExpressionAttributeNames={"#set": name},
            ExpressionAttributeValues={":member": {"NS": [str(member)]}},
        )

    def create(self, id: str, items: Mapping[str, Changes]) -> None:  # noqa: A002 - what it is called everywhere
        """Make the first items of a new run, all or none. Raises Conflict when the name is taken."""
        nonce = self._draw()
        actions = [self._put(id, item, {**changes, NONCE: nonce}) for item, changes in items.items()]
        if not self._write(actions, nonce):
            head = self._read(self.name, HEAD)
            if head is None or head.nonce != nonce:
                raise Conflict(HEAD)
        self._id = id

    def delete(self, items: Iterator[str] | Sequence[str]) -> None:
        """Remove items without a condition; some may be gone already."""
        keys = [self._key(item)["Key"] for item in items]
        for begin in range(0, len(keys), _DELETES_PER_CALL):
            self._delete(keys[begin : begin + _DELETES_PER_CALL])

    def purge(self) -> None:
        """Remove all items of the run, the one that names it last, so that a killed purge can be repeated."""
        if self.head() is None:
            return
        self.delete([PHASE])  # first: from now on nobody can acquire a lease
        self.delete(record.item for record in self.query("", names=(NONCE,)))
        self.delete([HEAD])
        self._id = ""

    def _key(self, item: str, id: str = "") -> dict[str, Any]:  # noqa: A002
        partition = self.name if item == HEAD else id or self.id
        return {"TableName": self.table, "Key": {"migration": encode(partition), "item": encode(item)}}

    def _check(self, check: Check) -> dict[str, Any]:
        return {"ConditionCheck": {**self._key(check.item), **check_request(check.expected)}}

    def _put(self, id: str, item: str, changes: Changes) -> dict[str, Any]:  # noqa: A002
        stamped: Changes = {**changes, AT_MS: self._now_ms()}
        return {"Update": {**self._key(item, id), **update_request(stamped, {NONCE: Presence.ABSENT})}}

    def _read(self, partition: str, item: str) -> Record | None:
        key = {"migration": encode(partition), "item": encode(item)}
        answer = self._call(self._client.get_item, TableName=self.table, Key=key, ConsistentRead=True)
        return decode_item(answer["Item"]) if "Item" in answer else None

    def _pages(self, request: dict[str, Any]) -> Iterator[Record]:
        start: dict[str, Any] = {}
        while True:
            answer = self._call(self._client.query, **request, **start)
            yield from map(decode_item, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _write(self, actions: Sequence[dict[str, Any]], token: str) -> bool:
        """Send it; False when a condition failed. Contention is waited out, for a bounded time."""
        for attempt in range(CONTENTION_ATTEMPTS_MAX):
            try:
                self._send(actions, token)
            except self._client.exceptions.ClientError as error:
                codes = _codes(error.response)
                if codes & _REFUSED:
                    return False
                if not codes & _CONTENDED or attempt == CONTENTION_ATTEMPTS_MAX - 1:
                    raise
                pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS_FIRST * 2**attempt)
                self._sleep(random.uniform(0, pause))  # noqa: S311 - jitter, not a secret
            else:
                return True
        raise AssertionError("not reached: the last attempt returns or raises")

    def _send(self, actions: Sequence[dict[str, Any]], token: str) -> None:
        if len(actions) == 1:
            self._call(self._client.update_item, **actions[0]["Update"])
        else:
            self._call(self._client.transact_write_items, TransactItems=actions, ClientRequestToken=token)

    def _delete(self, keys: Sequence[Mapping[str, Any]]) -> None:
        waiting: dict[str, Any] = {self.table: [{"DeleteRequest": {"Key": key}} for key in keys]}
        pause = _PAUSE_SECONDS_FIRST
        while waiting:
            waiting = self._call(self._client.batch_write_item, RequestItems=waiting).get("UnprocessedItems") or {}
            if waiting:
                self._sleep(random.uniform(0, pause))  # noqa: S311
                pause = min(_PAUSE_SECONDS_MAX, 2 * pause)

    def _call(self, call: Callable[..., Any], **request: Any) -> Any:  # noqa: ANN401 - botocore's answers
        try:
            return call(**request)
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != _MISSING:
                raise
            message = f"there is no control table {self.table}"
            raise NotInitialised(
                message, "Run `keyshift init`, or correct `control_table`, region or endpoint"
            ) from error


def _codes(response: Mapping[str, Any]) -> set[str]:
    """The error's code, or the reasons for which a transaction was cancelled."""
    reasons = {str(reason.get("Code", "")) for reason in response.get("CancellationReasons", ())}
    return {str(response["Error"]["Code"]), *reasons}
