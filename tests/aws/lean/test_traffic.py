"""What becomes of calls on the way, with either client: lost, cut and garbled answers, connections that end."""

import itertools
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from keyshift.aws.clients import (
    BotoCoreError,
    ClientError,
    Clients,
    Kind,
    error_code,
    guard_sends,
    is_throttle,
    is_transient,
    make_clients,
    watch_sends,
)
from keyshift.aws.lean import retries
from keyshift.aws.lean.client import LeanClient
from keyshift.cli.demo.endpoints import Endpoints
from tests.aws.conftest import REGION
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, Fault, reset_after, reset_before, server_error, throttle
from tests.servers.tcp_proxy import TcpProxy

LISTENING_SECONDS_MAX = 10


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSE_SECONDS_MAX", 0.001)


@pytest.fixture
def table(endpoints: Endpoints) -> Iterator[str]:
    clients, name = make_clients(REGION, endpoints.urls), unique("traffic")
    clients.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    clients.dynamodb.delete_table(TableName=name)
    clients.close()


def put(clients: Clients, table: str, key: str = "a", **data: Any) -> None:
    clients.dynamodb.put_item(TableName=table, Item={"pk": {"S": key}, **data})


def get(clients: Clients, table: str, key: str = "a") -> Any:
    answer = clients.dynamodb.get_item(TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True)
    return answer.get("Item")


def test_every_type_comes_back_as_it_went(clients: Clients, table: str) -> None:
    item: dict[str, Any] = {
        "B": {"B": b"\x00\xff"},
        "bs": {"BS": [b"\xfe"]},
        "n": {"N": "12345678901234567890.5"},
        "l": {"L": [{"B": b"x"}, {"M": {"B": {"S": "B"}, "M": {"B": b""}}}, {"NULL": True}, {"BOOL": False}]},
        "s": {"S": '"\\/\b\u2028🎈'},
        "ss": {"SS": ["ü"]},
    }
    put(clients, table, **item)
    assert get(clients, table) == {"pk": {"S": "a"}, **item}
    assert list(clients.dynamodb.scan(TableName=table)["Items"]) == [{"pk": {"S": "a"}, **item}]
    assert get(clients, table, "none") is None


def test_a_refused_write_tells_the_item_that_was_there(clients: Clients, table: str) -> None:
    put(clients, table, b={"B": b"\x00\xff"})
    with pytest.raises(clients.dynamodb.exceptions.ConditionalCheckFailedException) as caught:
        clients.dynamodb.put_item(
            TableName=table,
            Item={"pk": {"S": "a"}},
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response: Any = caught.value.response
    assert response["Item"] == {"pk": {"S": "a"}, "b": {"B": b"\x00\xff"}}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "conditional request failed" in str(caught.value)
    assert caught.value.operation_name == "PutItem"


@pytest.mark.parametrize("fault", [throttle, server_error, reset_before, reset_after])
def test_a_failure_that_passes_is_not_seen(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str, fault: Fault
) -> None:
    put(faulty, table)
    dynamodb_faults.rules = (Rule(fault, times=2),)
    put(faulty, table, new={"S": "x"})
    assert get(faulty, table) == {"pk": {"S": "a"}, "new": {"S": "x"}}


@pytest.mark.parametrize(("fault", "sort"), [(throttle, is_throttle), (server_error, is_transient)])
def test_a_failure_that_stays_is_raised_after_three_tries(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str, fault: Fault, sort: Callable[[BaseException], bool]
) -> None:
    dynamodb_faults.rules = (Rule(fault),)
    with pytest.raises(ClientError) as caught:
        put(faulty, table)
    assert sort(caught.value)
    assert dynamodb_faults.calls["PutItem"] == 3


def test_tries_that_helped_are_earned_back(dynamodb_faults: FaultProxy, table: str) -> None:
    """So every call may need a second try, for ever, as long as that succeeds."""
    turns = itertools.cycle((throttle, lambda call: call.forward(call.body)))
    dynamodb_faults.rules = (Rule(lambda call: next(turns)(call)),)  # noqa: PLW0108 - a turn for each call
    clients = make_clients(REGION, {"dynamodb": dynamodb_faults.url})
    for _ in range(retries.QUOTA // retries.COST + 10):
        put(clients, table)
    clients.close()


def _garbled(call: Call) -> Answer:
    """A wrong checksum, as of bytes that were changed on the way."""
    answer = call.forward(call.body)
    return replace(answer, headers={**answer.headers, "x-amz-crc32": "1"})


def _checked(call: Call) -> Answer:
    """The right checksum, as DynamoDB sends it with each answer."""
    answer = call.forward(call.body)
    return replace(answer, headers={**answer.headers, "x-amz-crc32": str(zlib.crc32(answer.body))})


def test_an_answer_that_was_garbled_is_asked_for_again(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str
) -> None:
    put(faulty, table)
    dynamodb_faults.rules = (Rule(_garbled, times=2), Rule(_checked))
    assert get(faulty, table) == {"pk": {"S": "a"}}
    assert dynamodb_faults.calls["GetItem"] == 3


def test_an_answer_that_stays_garbled_is_not_taken_for_true(dynamodb_faults: FaultProxy, table: str) -> None:
    """boto3 gives it to the caller in the end."""
    dynamodb_faults.rules = (Rule(_garbled),)
    clients = make_clients(REGION, {"dynamodb": dynamodb_faults.url})
    with pytest.raises(BotoCoreError) as caught:
        get(clients, table)
    assert is_transient(caught.value)
    clients.close()


def _error_page(call: Call) -> Answer:  # noqa: ARG001 - a fault is given the call
    """What a load balancer says before the service."""
    return Answer(503, b"<html><h1>Service Unavailable</h1></html>", {"content-type": "text/html"})


def test_an_error_page_of_what_lies_before_the_service_is_a_failure_that_may_pass(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str
) -> None:
    dynamodb_faults.rules = (Rule(_error_page),)
    with pytest.raises(ClientError) as caught:
        put(faulty, table)
    assert is_transient(caught.value)
    assert error_code(caught.value) == "503"


@pytest.fixture
def wire(endpoints: Endpoints) -> Iterator[TcpProxy]:
    there = urlsplit(endpoints.urls["dynamodb"])
    with TcpProxy(there.hostname or "", there.port or 0) as proxy:
        yield proxy


@pytest.fixture
def over_wire(wire: TcpProxy, kind: Kind) -> Iterator[Clients]:
    clients = make_clients(REGION, {"dynamodb": f"http://{wire.host}:{wire.port}"}, kind=kind)
    yield clients
    clients.close()


def test_connections_are_kept_and_not_more_of_them_made_than_are_used_at_once(
    over_wire: Clients, wire: TcpProxy, table: str
) -> None:
    for number in range(20):
        put(over_wire, table, str(number))
    assert wire.accepted == 1
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda number: put(over_wire, table, str(number)), range(100)):
            pass
    assert wire.accepted <= 4


def test_connections_that_the_other_side_has_ended_are_not_used(over_wire: Clients, wire: TcpProxy, table: str) -> None:
    """No try is used up, and nobody is told of a lost answer: nothing was sent on them."""
    lost: list[BaseException] = []
    watch_sends(over_wire.dynamodb, lost.append)
    barrier = threading.Barrier(3)

    def at_once(number: int) -> None:
        barrier.wait(LISTENING_SECONDS_MAX)
        put(over_wire, table, str(number))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(at_once, range(3)))
    wire.cut()
    put(over_wire, table, "after", x={"S": "x"})
    assert get(over_wire, table, "after") == {"pk": {"S": "after"}, "x": {"S": "x"}}
    assert lost == []


def test_a_connection_that_ends_under_a_request_is_no_failure_of_the_service(
    dynamodb_faults: FaultProxy, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again at once, even where one try is all there is; a guard is asked again, and the loss is told."""
    monkeypatch.setattr("keyshift.aws.clients.ATTEMPTS_MAX", 1)
    clients = make_clients(REGION, {"dynamodb": dynamodb_faults.url})
    asked, lost = [], list[BaseException]()
    put(clients, table)
    guard_sends(clients.dynamodb, lambda: asked.append(1))
    watch_sends(clients.dynamodb, lost.append)
    dynamodb_faults.rules = (Rule(reset_after, times=1),)
    put(clients, table, x={"S": "x"})
    assert get(clients, table) == {"pk": {"S": "a"}, "x": {"S": "x"}}
    assert len(asked) == 3
    assert len(lost) == 1
    dynamodb_faults.rules = (Rule(reset_before),)
    with pytest.raises(BotoCoreError):
        put(clients, table)
    assert dynamodb_faults.calls["PutItem"] == 5  # once more, and no oftener
    clients.close()


def test_an_answer_that_does_not_come_is_given_up_and_told(
    wire: TcpProxy, table: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyshift.aws.clients.READ_SECONDS_MAX", 0.2)
    monkeypatch.setattr("keyshift.aws.clients.ATTEMPTS_MAX", 1)
    clients = make_clients(REGION, {"dynamodb": f"http://{wire.host}:{wire.port}"}, kind=kind)
    lost: list[BaseException] = []
    watch_sends(clients.dynamodb, lost.append)
    put(clients, table)
    wire.stall()
    with pytest.raises(BotoCoreError) as caught:
        put(clients, table)
    assert is_transient(caught.value)
    assert lost == [caught.value]
    wire.allow()
    put(clients, table)
    clients.close()


def test_many_threads_share_a_client_through_every_failure(
    faulty: Clients, dynamodb_faults: FaultProxy, table: str
) -> None:
    dynamodb_faults.rules = tuple(
        Rule(fault, probability=0.03) for fault in (throttle, server_error, reset_before, reset_after)
    )

    def write(number: int) -> None:
        for _ in range(20):
            try:
                return put(faulty, table, str(number), n={"N": str(number)})
            except (ClientError, BotoCoreError) as error:
                if not (is_throttle(error) or is_transient(error)):
                    raise
        raise AssertionError("never accepted")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    dynamodb_faults.rules = ()
    found = {item["pk"]["S"]: item["n"]["N"] for item in faulty.dynamodb.scan(TableName=table)["Items"]}
    assert found == {str(number): str(number) for number in range(200)}


def test_a_client_that_was_closed_under_a_call_keeps_no_connection(over_wire: Clients, table: str) -> None:
    dynamodb: Any = over_wire.dynamodb
    put(over_wire, table)
    over_wire.close()
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "late"}})
    if isinstance(dynamodb, LeanClient):
        assert dynamodb._sender
        assert dynamodb._sender[1]
        assert not dynamodb._sender[1]._kept
    assert get(over_wire, table, "late") == {"pk": {"S": "late"}}
