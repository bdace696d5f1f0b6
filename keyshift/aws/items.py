"""DynamoDB items: the low-level calls that the bulk load, the replay and verify share.

A call that returns has done all that it was asked; throttles, lost answers and the parts that DynamoDB leaves over
(UnprocessedItems, UnprocessedKeys) are tried again, with jittered pauses and a bound, and count as *not done* until
they are accepted. A failed condition is no error but an outcome, with the item that stood in the way. What a request
says is decided elsewhere (keymap/items): here it is only sent.

Every call here is safe to repeat: puts without a condition write the same item, and a guarded write whose answer was
lost meets its own version at the second try and is refused, which its caller reads as STALE.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from keymap.patch import Item
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code
from keyshift.aws.lean.body import EncodedItem as EncodedItem  # noqa: PLC0414 - what may be put in an item's place
from keyshift.aws.lean.body import encode
from keyshift.aws.lean.body import encode_item as encode_item  # noqa: PLC0414
from keyshift.aws.retry import pause, retried
from keyshift.process.backoff import Backoff
from keyshift.process.stop import NEVER, Stop

WRITES_PER_BATCH_MAX: Final = 25  # DynamoDB's limit
# DynamoDB takes 16 MB of a batch's JSON. 25 items of 400 KB are 10, of bytes 13.4; text that JSON escapes may be 60.
BYTES_PER_BATCH_MAX: Final = 15 * 1024 * 1024
READS_PER_BATCH_MAX: Final = 100  # DynamoDB's limit
T = TypeVar("T")
Request = Mapping[str, Any]  # the keyword arguments of a call of the low-level client


@dataclass(frozen=True, slots=True)
class Written:
    """The condition held and the write is in the table."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The condition failed, and nothing was written. `old` is the item as it was then; empty when there was none."""

    old: Item


Outcome = Written | Refused
WRITTEN: Final = Written()


def batch_put(
    client: DynamoDBClient,
    items_by_table: Mapping[str, Iterable[Item | EncodedItem]],
    backoff: Backoff | None = None,
    *,
    stop: Stop | None = None,
) -> None:
    """Put all items, unconditionally; a return means that every one was accepted.

    No two items may have one key: DynamoDB refuses such a batch, and a larger order would not be kept. Raises
    RetriesExhausted or Stopped with some of the items written, and ClientError for a request that can never succeed.
    """
    backoff, stop = backoff or Backoff(), stop or NEVER
    puts = ((table, item) for table, items in items_by_table.items() for item in items)
    for chunk in _batches(puts):
        _write_all(client, chunk, backoff, stop)


def batch_get(  # noqa: PLR0913 - the call's own arguments
    client: DynamoDBClient,
    table: str,
    keys: Iterable[Item],
    *,
    consistent: bool = True,
    backoff: Backoff | None = None,
    stop: Stop | None = None,
) -> Iterator[Item]:
    """The items that exist among the keys, in any order; a key may be given more than once.

    Raises RetriesExhausted, Stopped, and ClientError for a request that can never succeed.
    """
    backoff, stop = backoff or Backoff(), stop or NEVER
    distinct = {_identity(key): key for key in keys}
    for chunk in _chunks(distinct.values(), READS_PER_BATCH_MAX):
        yield from _read_all(client, table, {"Keys": list(chunk), "ConsistentRead": consistent}, backoff, stop)


def get(client: DynamoDBClient, table: str, key: Item, stop: Stop | None = None) -> Item:
    """The item with a key, read consistently; empty when there is none. Raises as batch_get does."""
    return next(batch_get(client, table, [key], stop=stop), {})


def scan(  # noqa: PLR0913 - the call's own arguments
    client: DynamoDBClient,
    table: str,
    *,
    consistent: bool = True,
    segment: int = 0,
    segments: int = 1,
    options: Request | None = None,
    stop: Stop | None = None,
) -> Iterator[Item]:
    """Every item of the table, or of one of its segments; `options` are further arguments (FilterExpression ...).

    A scan is no snapshot: each item is as it was when its page was read. Raises RetriesExhausted, Stopped, ClientError.
    """
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": consistent, **(options or {})}
    if segments > 1:
        request |= {"Segment": segment, "TotalSegments": segments}
    stop = stop or NEVER
    while True:
        page: Any = retried(lambda: client.scan(**request), Backoff(), stop, f"scanning table {table}")
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def put(
    client: DynamoDBClient, request: Request, *, backoff: Backoff | None = None, stop: Stop | None = None
) -> Outcome:
    """Send one PutItem. A failed condition comes back as data; see the module for what is retried and raised."""
    return _conditional(lambda: client.put_item(**_wants_old(request)), request, backoff, stop)


def update(
    client: DynamoDBClient, request: Request, *, backoff: Backoff | None = None, stop: Stop | None = None
) -> Outcome:
    """Send one UpdateItem. A failed condition comes back as data; see the module for what is retried and raised."""
    return _conditional(lambda: client.update_item(**_wants_old(request)), request, backoff, stop)


def delete(
    client: DynamoDBClient, request: Request, *, backoff: Backoff | None = None, stop: Stop | None = None
) -> Outcome:
    """Send one DeleteItem. A failed condition comes back as data; see the module for what is retried and raised."""
    return _conditional(lambda: client.delete_item(**_wants_old(request)), request, backoff, stop)


def _conditional(call: Callable[[], object], request: Request, backoff: Backoff | None, stop: Stop | None) -> Outcome:
    try:
        retried(call, backoff or Backoff(), stop or NEVER, f"writing an item of table {request['TableName']}")
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        old: Any = error.response.get("Item")  # the modelled member, beside "Error"; the stubs do not know it
        return Refused(old or {})
    return WRITTEN


def _wants_old(request: Request) -> dict[str, Any]:
    wish = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if "ConditionExpression" in request else {}
    return {**wish, **request}


def _batches(puts: Iterable[tuple[str, Item | EncodedItem]]) -> Iterator[list[tuple[str, Item | EncodedItem]]]:
    """The puts, in order, in batches that DynamoDB takes."""
    batch: list[tuple[str, Item | EncodedItem]] = []
    size = 0
    for table, item in puts:
        bytes_ = item.bytes if isinstance(item, EncodedItem) else len(encode(item))
        if batch and (len(batch) == WRITES_PER_BATCH_MAX or size + bytes_ > BYTES_PER_BATCH_MAX):
            yield batch
            batch, size = [], 0
        batch.append((table, item))
        size += bytes_
    if batch:
        yield batch


def _write_all(
    client: DynamoDBClient, puts: Iterable[tuple[str, Item | EncodedItem]], backoff: Backoff, stop: Stop
) -> None:
    waiting: dict[str, list[Any]] = {}
    for table, item in puts:
        waiting.setdefault(table, []).append({"PutRequest": {"Item": item}})
    backoff.reset()
    doing = f"writing a batch to {', '.join(sorted(waiting))}"
    while waiting:
        sent, request = _count(waiting), waiting
        answer = retried(lambda: client.batch_write_item(RequestItems=request), backoff, stop, doing)  # noqa: B023
        waiting = answer.get("UnprocessedItems") or {}
        _pause_for(_count(waiting), sent, backoff, stop, doing)


def _read_all(
    client: DynamoDBClient, table: str, request: dict[str, Any], backoff: Backoff, stop: Stop
) -> Iterator[Item]:
    waiting: dict[str, Any] = {table: request}
    backoff.reset()
    doing = f"reading a batch from {table}"
    while waiting:
        sent, asked = len(waiting[table]["Keys"]), waiting
        answer: Any = retried(lambda: client.batch_get_item(RequestItems=asked), backoff, stop, doing)  # noqa: B023
        yield from answer["Responses"].get(table, ())
        waiting = answer.get("UnprocessedKeys") or {}
        left = len(waiting[table]["Keys"]) if waiting else 0
        _pause_for(left, sent, backoff, stop, doing)


def _pause_for(left: int, sent: int, backoff: Backoff, stop: Stop, doing: str) -> None:
    """Wait when something is left over. A part accepted is progress: the bound is on tries that achieve nothing."""
    if left < sent:
        backoff.reset()
    if left:
        pause(backoff, stop, doing)


def _count(waiting: Mapping[str, Sequence[object]]) -> int:
    return sum(map(len, waiting.values()))


def _identity(key: Item) -> tuple[tuple[str, str, object], ...]:
    return tuple(sorted((name, *next(iter(value.items()))) for name, value in key.items()))


def _chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while chunk := list(islice(iterator, size)):
        yield chunk
