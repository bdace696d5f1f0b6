"""What can go wrong with one call to AWS: each fault is a function from the call to the answer its client gets."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

THROTTLED = "ProvisionedThroughputExceededException"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way, with the means to pass it on."""

    operation: str  # "PutRecords": the last part of X-Amz-Target; for S3, which has none, the method: "PUT"
    service: str  # "Kinesis_20131202": the first part
    body: bytes
    chance: random.Random
    forward: Callable[[bytes], Answer]


Fault = Callable[[Call], Answer | None]  # None loses the connection


def throttle(call: Call) -> Answer:
    """Refused for want of capacity; nothing was done."""
    return _error(call, 400, THROTTLED)


def slow_down(call: Call) -> Answer:  # noqa: ARG001 - a fault is given the call
    """S3's throttle; nothing was done."""
    body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    return Answer(503, body, {"content-type": "application/xml"})


def server_error(call: Call) -> Answer:
    """A 500 of the service; nothing was done."""
    return _error(call, 500, "InternalFailure" if "Kinesis" in call.service else "InternalServerError")


def reset_before(call: Call) -> None:
    """The connection is lost on the way there: nothing was done."""


def reset_after(call: Call) -> None:
    """The connection is lost on the way back: all was done, and the client cannot know."""
    call.forward(call.body)


def duplicate(call: Call) -> Answer:
    """The call arrives twice, as after a retry below the client; it gets the second answer."""
    call.forward(call.body)
    return call.forward(call.body)


def forgetful(call: Call) -> Answer:
    """An endpoint of DynamoDB's older API: it refuses a write, and does not return the item that was in the way."""
    answer = call.forward(call.body)
    if answer.status == HTTPStatus.OK:
        return answer
    told = {name: value for name, value in json.loads(answer.body).items() if name != "Item"}
    return Answer(answer.status, _encode(told), answer.headers)


def delay(seconds: float) -> Fault:
    """The answer comes late."""

    def delayed(call: Call) -> Answer:
        time.sleep(seconds)
        return call.forward(call.body)

    return delayed


def partial(share: float = 0.5) -> Fault:
    """About this share of a batch is refused, at least one entry of it, in no particular order; the rest is done."""

    def partially(call: Call) -> Answer:
        if call.operation == "PutRecords":
            return _partial_put_records(call, share)
        if call.operation == "BatchWriteItem":
            return _partial_batch_write_item(call, share)
        return call.forward(call.body)

    return partially


class Capacity:
    """A table of so many write units a second, which refuses what is beyond, and says which items those were.

    An item counts as one unit. The first second's worth is there from the beginning.
    """

    def __init__(self, units_per_second: float) -> None:
        self._units_per_second = self._left = units_per_second
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def limited(self, call: Call) -> Answer:
        """The fault: of BatchWriteItem a part of a batch is refused, of other writes all."""
        writes = json.loads(call.body).get("RequestItems")
        wanted = sum(map(len, writes.values())) if writes else 1
        taken = self._take(wanted)
        if taken == wanted:
            return call.forward(call.body)
        return throttle(call) if not writes or not taken else _without_last(call, wanted - taken)

    def _take(self, wanted: int) -> int:
        with self._lock:
            now = time.monotonic()
            due = (now - self._at) * self._units_per_second
            self._left, self._at = min(self._units_per_second, self._left + due), now
            taken = min(wanted, int(self._left))
            self._left -= taken
            return taken


def _partial_put_records(call: Call, share: float) -> Answer:
    request = json.loads(call.body)
    refused = _choose(call.chance, len(request["Records"]), share)
    kept = [record for place, record in enumerate(request["Records"]) if place not in refused]
    done: list[dict[str, Any]] = []
    if kept:
        answer = call.forward(_encode(request | {"Records": kept}))
        if answer.status != HTTPStatus.OK:
            return answer
        done = json.loads(answer.body)["Records"]
    failure = {"ErrorCode": THROTTLED, "ErrorMessage": "Rate exceeded for shard (injected)"}
    rest = iter(done)
    records = [failure if place in refused else next(rest) for place in range(len(request["Records"]))]
    return _json(
        call, 200, {"FailedRecordCount": sum(bool(record.get("ErrorCode")) for record in records), "Records": records}
    )


def _partial_batch_write_item(call: Call, share: float) -> Answer:
    request = json.loads(call.body)
    writes = [(table, write) for table, some in request["RequestItems"].items() for write in some]
    refused = _choose(call.chance, len(writes), share)
    if len(refused) == len(writes):
        return throttle(call)  # as the service does when it could not write a single item
    return _refusing(call, request, writes, refused)


def _without_last(call: Call, count: int) -> Answer:
    request = json.loads(call.body)
    writes = [(table, write) for table, some in request["RequestItems"].items() for write in some]
    return _refusing(call, request, writes, set(range(len(writes) - count, len(writes))))


def _refusing(call: Call, request: dict[str, Any], writes: list[tuple[str, Any]], refused: set[int]) -> Answer:
    """A batch of which these writes are refused, and the rest is done."""
    kept = _by_table([write for place, write in enumerate(writes) if place not in refused])
    answer = call.forward(_encode(request | {"RequestItems": kept}))
    if answer.status != HTTPStatus.OK:
        return answer
    unprocessed = _by_table([write for place, write in enumerate(writes) if place in refused])
    return _json(call, 200, json.loads(answer.body) | {"UnprocessedItems": unprocessed})


def _choose(chance: random.Random, count: int, share: float) -> set[int]:
    return {place for place in range(count) if chance.random() < share} or {chance.randrange(count)}


def _by_table(writes: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    tables: dict[str, list[Any]] = {}
    for table, write in writes:
        tables.setdefault(table, []).append(write)
    return tables


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _json(call: Call, status: int, value: object) -> Answer:
    version = "1.0" if "DynamoDB" in call.service else "1.1"
    return Answer(status, _encode(value), {"content-type": f"application/x-amz-json-{version}"})


def refusal(code: str, message: str) -> Answer:
    """DynamoDB's own way to say no, with words that matter."""
    text = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return Answer(400, _encode(text), {"content-type": "application/x-amz-json-1.0"})


def _error(call: Call, status: int, code: str) -> Answer:
    prefix = "com.amazonaws.dynamodb.v20120810#" if "DynamoDB" in call.service else ""
    return _json(call, status, {"__type": prefix + code, "message": "injected by the test"})
