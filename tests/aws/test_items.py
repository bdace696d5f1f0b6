"""A call that returns has done all it was asked, whatever the service left over or lost on the way."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from keymap.patch import Item
from keyshift.aws import retry
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, error_code
from keyshift.aws.items import (
    WRITES_PER_BATCH_MAX,
    Refused,
    Written,
    batch_get,
    batch_put,
    delete,
    encode_item,
    put,
    scan,
    update,
)
from keyshift.aws.retry import RetriesExhausted
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop, Stopped
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import (
    Answer,
    Call,
    duplicate,
    partial,
    reset_after,
    reset_before,
    server_error,
    throttle,
)

WORST = (
    Rule(throttle, probability=0.1),
    Rule(server_error, probability=0.1),
    Rule(reset_before, probability=0.1),
    Rule(reset_after, probability=0.1),
    Rule(duplicate, probability=0.1),
    Rule(partial(), probability=0.5),
)


def _make_table(clients: Clients) -> str:
    name = unique("items")
    clients.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def table(clients: Clients) -> Iterator[str]:
    name = _make_table(clients)
    yield name
    clients.dynamodb.delete_table(TableName=name)


@pytest.fixture
def other_table(clients: Clients) -> Iterator[str]:
    name = _make_table(clients)
    yield name
    clients.dynamodb.delete_table(TableName=name)


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and short tries of botocore: its own pauses are up to seconds, and are not what is tested here."""
    monkeypatch.setattr("keyshift.aws.clients.ATTEMPTS_MAX", 1)


def _backoff() -> Backoff:
    return Backoff(0.001, 0.01, Random(1))


def _item(number: int, **data: Any) -> Item:
    return {"pk": {"S": f"p{number % 7}"}, "sk": {"N": str(number)}, "data": {"B": b"\x00\xff"}, **data}


def _key(number: int) -> Item:
    item = _item(number)
    return {"pk": item["pk"], "sk": item["sk"]}


def _numbers(items: Iterator[Item]) -> list[int]:
    return sorted(int(item["sk"]["N"]) for item in items)


def test_all_items_of_all_tables_are_put(clients: Clients, table: str, other_table: str) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(103)), other_table: [_item(1)]}, _backoff())
    assert _numbers(scan(clients.dynamodb, table)) == list(range(103))
    assert list(scan(clients.dynamodb, other_table)) == [_item(1)]


def test_nothing_to_put_sends_nothing(faulty: Clients, dynamodb_faults: FaultProxy, table: str) -> None:
    batch_put(faulty.dynamodb, {table: []})
    assert not dynamodb_faults.calls


def test_batches_are_full(faulty: Clients, dynamodb_faults: FaultProxy, table: str, other_table: str) -> None:
    batch_put(faulty.dynamodb, {table: map(_item, range(30)), other_table: map(_item, range(45))})
    assert dynamodb_faults.calls["BatchWriteItem"] == 3
    assert WRITES_PER_BATCH_MAX == 25


def test_what_a_batch_leaves_over_is_not_done_until_it_is_accepted(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    dynamodb_faults.rules = (Rule(partial(0.8), ("BatchWriteItem",), times=20),)
    batch_put(faulty.dynamodb, {table: map(_item, range(100))}, _backoff())
    assert dynamodb_faults.faults["partial"] == 20
    assert _numbers(scan(clients.dynamodb, table)) == list(range(100))


def test_everything_is_put_through_every_kind_of_failure(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    """Encoded ahead or not."""
    dynamodb_faults.rules = WORST
    ahead = [encode_item(_item(number)) if number % 2 else _item(number) for number in range(600)]
    batch_put(faulty.dynamodb, {table: [item for item in ahead if item is not None]}, _backoff())
    assert len(dynamodb_faults.faults) >= 5
    assert _numbers(scan(clients.dynamodb, table)) == list(range(600))


@pytest.mark.parametrize("fault", [throttle, server_error, reset_before])
def test_when_the_tries_are_used_up_it_raises_and_nothing_counts_as_done(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str, fault: Any
) -> None:
    dynamodb_faults.rules = (Rule(fault),)
    with pytest.raises(RetriesExhausted, match=table):
        batch_put(faulty.dynamodb, {table: [_item(1)]}, _backoff())
    assert dynamodb_faults.calls["BatchWriteItem"] == retry.ATTEMPTS_MAX + 1
    assert list(scan(clients.dynamodb, table)) == []


def _leave_all(call: Call) -> Answer:
    body = b'{"UnprocessedItems": ' + call.body.partition(b'"RequestItems":')[2].lstrip()
    return Answer(200, body, {"content-type": "application/x-amz-json-1.0"})


def test_a_batch_of_which_nothing_is_ever_accepted_raises(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str
) -> None:
    dynamodb_faults.rules = (Rule(_leave_all),)
    with pytest.raises(RetriesExhausted, match="never accepted"):
        batch_put(faulty.dynamodb, {table: [_item(1), _item(2)]}, _backoff())


def test_a_request_that_can_never_succeed_is_raised_at_once(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str
) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        batch_put(faulty.dynamodb, {table: [_item(1), _item(1)]}, _backoff())
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        batch_put(faulty.dynamodb, {unique("none"): [_item(1)]}, _backoff())
    assert dynamodb_faults.calls["BatchWriteItem"] == 2


def test_a_wish_to_stop_ends_the_waiting(faulty: Clients, dynamodb_faults: FaultProxy, table: str) -> None:
    dynamodb_faults.rules = (Rule(throttle),)
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        batch_put(faulty.dynamodb, {table: [_item(1)]}, Backoff(60, 60), stop=stop)


def _guarded(table: str, number: int, version: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Item": _item(number, v={"S": version}),
        "ConditionExpression": "attribute_not_exists(pk) OR v < :v",
        "ExpressionAttributeValues": {":v": {"S": version}},
    }


def test_a_condition_that_holds_writes(clients: Clients, table: str) -> None:
    assert put(clients.dynamodb, _guarded(table, 1, "5")) == Written()
    assert put(clients.dynamodb, _guarded(table, 1, "6")) == Written()
    assert list(scan(clients.dynamodb, table)) == [_item(1, v={"S": "6"})]


def test_a_condition_that_fails_is_an_outcome_with_the_item_that_was_there(clients: Clients, table: str) -> None:
    put(clients.dynamodb, _guarded(table, 1, "5"))
    assert put(clients.dynamodb, _guarded(table, 1, "5")) == Refused(_item(1, v={"S": "5"}))
    assert put(clients.dynamodb, _guarded(table, 1, "4")) == Refused(_item(1, v={"S": "5"}))


def test_a_condition_that_fails_on_nothing_gives_an_empty_item(clients: Clients, table: str) -> None:
    request = {"TableName": table, "Item": _item(1), "ConditionExpression": "attribute_exists(pk)"}
    assert put(clients.dynamodb, request) == Refused({})


def _addition(table: str, number: int, version: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Key": _key(number),
        "UpdateExpression": "SET v = :v ADD n :one",
        "ConditionExpression": "attribute_not_exists(pk) OR v < :v",
        "ExpressionAttributeValues": {":v": {"S": version}, ":one": {"N": "1"}},
    }


def test_an_update_behaves_alike(clients: Clients, table: str) -> None:
    assert update(clients.dynamodb, _addition(table, 1, "5")) == Written()
    outcome = update(clients.dynamodb, _addition(table, 1, "5"))
    assert isinstance(outcome, Refused)
    assert outcome.old["n"] == {"N": "1"}


def test_a_delete_behaves_alike(clients: Clients, table: str) -> None:
    put(clients.dynamodb, _guarded(table, 1, "5"))
    request: dict[str, Any] = {"TableName": table, "Key": _key(1), "ConditionExpression": "v = :v"}
    assert isinstance(delete(clients.dynamodb, request | {"ExpressionAttributeValues": {":v": {"S": "4"}}}), Refused)
    assert delete(clients.dynamodb, request | {"ExpressionAttributeValues": {":v": {"S": "5"}}}) == Written()
    assert list(scan(clients.dynamodb, table)) == []


def test_a_guarded_write_lands_exactly_once_through_every_kind_of_failure(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    """A write whose answer was lost is refused at the second try, by its own version: once is once."""
    dynamodb_faults.rules = WORST
    for number in range(100):
        outcome = update(faulty.dynamodb, _addition(table, number, "5"), backoff=_backoff())
        assert isinstance(outcome, Written) or outcome.old["v"] == {"S": "5"}
    items = list(scan(clients.dynamodb, table))
    assert [item["n"] for item in items] == [{"N": "1"}] * 100


def test_other_errors_of_a_guarded_write_are_raised(clients: Clients, table: str) -> None:
    with pytest.raises(ClientError) as caught:
        put(clients.dynamodb, {"TableName": table, "Item": {"pk": {"S": ""}, "sk": {"N": "1"}}})
    assert error_code(caught.value) == "ValidationException"
    with pytest.raises((ClientError, BotoCoreError)):
        put(clients.dynamodb, {"TableName": unique("none"), "Item": _item(1)})


def test_a_batch_of_keys_gives_the_items_that_exist(clients: Clients, table: str) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(150))})
    keys = [_key(number) for number in [*range(0, 300, 2), 0, 0, 2]]  # some twice, which DynamoDB refuses
    assert _numbers(batch_get(clients.dynamodb, table, keys)) == list(range(0, 150, 2))
    assert list(batch_get(clients.dynamodb, table, [])) == []


def test_a_batch_of_keys_is_read_through_failures(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(120))})
    dynamodb_faults.rules = (Rule(throttle, probability=0.3), Rule(reset_before, probability=0.3))
    found = batch_get(faulty.dynamodb, table, map(_key, range(120)), backoff=_backoff())
    assert _numbers(found) == list(range(120))


def _leave_half(call: Call) -> Answer:
    request = json.loads(call.body)
    ((table, asked),) = request["RequestItems"].items()
    half = (len(asked["Keys"]) + 1) // 2
    answer = call.forward(json.dumps({"RequestItems": {table: asked | {"Keys": asked["Keys"][:half]}}}).encode())
    left = {table: asked | {"Keys": asked["Keys"][half:]}} if asked["Keys"][half:] else {}
    body = json.loads(answer.body) | {"UnprocessedKeys": left}
    return Answer(200, json.dumps(body).encode(), {"content-type": "application/x-amz-json-1.0"})


def test_keys_that_a_batch_leaves_over_are_read_too(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(120))})
    dynamodb_faults.rules = (Rule(_leave_half),)
    found = batch_get(faulty.dynamodb, table, map(_key, range(120)), backoff=_backoff())
    assert _numbers(found) == list(range(120))
    assert dynamodb_faults.calls["BatchGetItem"] > 10


def test_a_large_batch_of_keys_is_read_in_the_parts_that_dynamodb_gives(clients: Clients, table: str) -> None:
    """A BatchGetItem answers with at most 16 MB and leaves the other keys unprocessed."""
    large = {"B": b"x" * 350_000}
    batch_put(clients.dynamodb, {table: [_item(number, large=large) for number in range(60)]})
    assert _numbers(batch_get(clients.dynamodb, table, map(_key, range(60)))) == list(range(60))


def test_a_scan_gives_every_item_over_many_pages(clients: Clients, table: str) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(90))})
    assert _numbers(scan(clients.dynamodb, table, options={"Limit": 7})) == list(range(90))


def test_the_segments_of_a_scan_make_the_whole(clients: Clients, table: str) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(90))})
    parts = [list(scan(clients.dynamodb, table, segment=part, segments=3)) for part in range(3)]
    assert _numbers(item for part in parts for item in part) == list(range(90))


def test_a_scan_goes_on_through_failures(
    faulty: Clients, dynamodb_faults: FaultProxy, clients: Clients, table: str
) -> None:
    batch_put(clients.dynamodb, {table: map(_item, range(50))})
    dynamodb_faults.rules = (Rule(throttle, times=2), Rule(reset_before, times=2))
    assert _numbers(scan(faulty.dynamodb, table, options={"Limit": 20})) == list(range(50))
