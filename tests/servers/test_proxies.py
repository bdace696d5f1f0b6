"""The proxies that make servers fail do so, and count it; without rules nobody notices them."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError, HTTPClientError

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.servers.aws import client, unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import delay, duplicate, partial, reset_after, reset_before, server_error, throttle
from tests.servers.tcp_proxy import TcpProxy


@pytest.fixture
def table(endpoints: Endpoints) -> Iterator[str]:
    dynamodb, name = client("dynamodb", endpoints), unique("proxied")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def stream(endpoints: Endpoints) -> Iterator[str]:
    kinesis, name = client("kinesis", endpoints), unique("proxied")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    yield name
    kinesis.delete_stream(StreamName=name)


@pytest.fixture
def proxy(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["dynamodb"]) as proxy:
        yield proxy


def _add_one(dynamodb: Any, table: str) -> None:
    dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": "counter"}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def _count(dynamodb: Any, table: str) -> int:
    item = dynamodb.get_item(TableName=table, Key={"pk": {"S": "counter"}}).get("Item")
    return int(item["n"]["N"]) if item else 0


def test_without_rules_calls_pass_through(proxy: FaultProxy, endpoints: Endpoints, table: str) -> None:
    _add_one(client("dynamodb", proxy.url), table)
    assert _count(client("dynamodb", endpoints), table) == 1
    assert proxy.calls == {"UpdateItem": 1}
    assert not proxy.faults


@pytest.mark.parametrize(
    ("fault", "raised", "done"),
    [
        (throttle, "ProvisionedThroughputExceededException", 0),
        (server_error, "InternalServerError", 0),
        (reset_before, "Connection", 0),
        (reset_after, "Connection", 1),
        (duplicate, None, 2),
        (delay(0.1), None, 1),
    ],
    ids=["throttle", "server_error", "reset_before", "reset_after", "duplicate", "delay"],
)
def test_a_fault_shows_to_the_client_and_in_the_table(
    proxy: FaultProxy, table: str, fault: Any, raised: str | None, done: int
) -> None:
    """What the client is told, and what was done meanwhile, are two things; afterwards calls pass again."""
    rule = Rule(fault, operations=("UpdateItem",), times=1)
    proxy.rules = (rule,)
    dynamodb = client("dynamodb", proxy.url)
    if raised:
        with pytest.raises((ClientError, HTTPClientError), match=raised):
            _add_one(dynamodb, table)
    else:
        _add_one(dynamodb, table)
    assert _count(dynamodb, table) == done
    assert proxy.faults == {rule.name: 1}
    _add_one(dynamodb, table)
    assert _count(dynamodb, table) == done + 1


def test_a_partial_batch_hands_back_what_it_did_not_write(proxy: FaultProxy, endpoints: Endpoints, table: str) -> None:
    """UnprocessedItems and the table together hold every item once; sending the rest again completes it."""
    proxy.rules = (Rule(partial(0.5), operations=("BatchWriteItem",), times=1),)
    dynamodb = client("dynamodb", proxy.url)
    keys = {f"k{number}" for number in range(20)}
    writes = {table: [{"PutRequest": {"Item": {"pk": {"S": key}}}} for key in sorted(keys)]}
    rest = dynamodb.batch_write_item(RequestItems=writes)["UnprocessedItems"]
    refused = {write["PutRequest"]["Item"]["pk"]["S"] for write in rest[table]}
    assert 0 < len(refused) < 20
    assert _keys(endpoints, table) == keys - refused
    assert not dynamodb.batch_write_item(RequestItems=rest)["UnprocessedItems"]
    assert _keys(endpoints, table) == keys


def test_put_records_fails_for_some_records(endpoints: Endpoints, stream: str) -> None:
    """The result has one entry for each record, in order: those without an error are in the stream, the others not."""
    records = [{"Data": bytes([number, 255, 0]), "PartitionKey": str(number)} for number in range(10)]
    with FaultProxy(endpoints.urls["kinesis"], Rule(partial(0.5), operations=("PutRecords",))) as proxy:
        answer = client("kinesis", proxy.url).put_records(StreamName=stream, Records=records)
    failed = [record.get("ErrorCode") for record in answer["Records"]]
    assert answer["FailedRecordCount"] == failed.count("ProvisionedThroughputExceededException") > 0
    accepted = [record["Data"] for record, error in zip(records, failed, strict=True) if not error]
    assert _stream_data(endpoints, stream) == accepted


def test_chance_is_seeded_and_counted(endpoints: Endpoints, table: str) -> None:
    """The same seed fails the same calls; the proxy knows how many."""
    first, second = (_failures(endpoints, table, seed=7) for _ in range(2))
    assert first == second
    assert 0 < len(first) < 20


def test_a_rule_can_leave_the_first_calls_alone(proxy: FaultProxy, table: str) -> None:
    """Skip counts the calls that the rule is for."""
    proxy.rules = (Rule(throttle, operations=("UpdateItem",), skip=2),)
    dynamodb = client("dynamodb", proxy.url)
    for _ in range(2):
        _add_one(dynamodb, table)
        dynamodb.describe_table(TableName=table)
    with pytest.raises(ClientError):
        _add_one(dynamodb, table)


def test_s3_objects_pass_through(endpoints: Endpoints) -> None:
    """Calls without a target are known by their method; a HEAD has a length and no body."""
    name = unique("proxied")
    with FaultProxy(endpoints.urls["s3"]) as proxy:
        s3 = client("s3", proxy.url)
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="a", Body=b"x" * 100_000)
        assert s3.head_object(Bucket=name, Key="a")["ContentLength"] == 100_000
        assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"x" * 100_000
    assert proxy.calls == {"PUT": 2, "HEAD": 1, "GET": 1}


def test_a_cut_connection_is_lost_and_the_next_one_works(database: Database) -> None:
    """After cut() the client is told at once; a new connection passes."""
    with TcpProxy(database.host, database.port) as proxy:
        with _connect(database, proxy) as connection:
            assert _one(connection) == 1
            proxy.cut()
            with pytest.raises(pymysql.OperationalError, match=r"Lost connection|gone away"):
                _one(connection)
        with _connect(database, proxy) as connection:
            assert _one(connection) == 1
    assert proxy.accepted == 2


def test_refused_connections_leave_the_others_alone(database: Database) -> None:
    """Between refuse() and allow() nobody gets in, and who is in stays in."""
    with TcpProxy(database.host, database.port) as proxy, _connect(database, proxy) as connection:
        proxy.refuse()
        with pytest.raises(pymysql.OperationalError, match="refused"):
            _connect(database, proxy)
        assert _one(connection) == 1
        proxy.allow()
        _connect(database, proxy).close()


def test_a_stalled_connection_is_silent(database: Database) -> None:
    """Between stall() and allow() nothing arrives and nothing breaks: only a timeout of the client's own helps."""
    with TcpProxy(database.host, database.port) as proxy:
        with _connect(database, proxy, read_timeout=1) as connection:
            proxy.stall()
            with pytest.raises(pymysql.OperationalError, match="timed out"):
                _one(connection)
        proxy.allow()
        with _connect(database, proxy) as connection:
            assert _one(connection) == 1


def test_a_cut_ends_though_clients_come_back_at_once_and_are_stalled() -> None:
    """A client that connects between the first and the last reset of a cut is not waited for."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as upstream, TcpProxy(*upstream.getsockname()) as proxy:
        proxy.stall()
        stop, clients = threading.Event(), [_Insistent(proxy) for _ in range(8)]
        threads = [threading.Thread(target=client, args=(stop,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for _ in range(20):
            cutting = threading.Thread(target=proxy.cut, daemon=True)
            cutting.start()
            cutting.join(10)
            assert not cutting.is_alive(), "the cut waits for connections that were made after it"
        stop.set()
        proxy.refuse()
        proxy.cut()
        for thread in threads:
            thread.join(10)


class _Insistent:
    """A client that connects anew whenever its connection ends."""

    def __init__(self, proxy: TcpProxy) -> None:
        self._address = (proxy.host, proxy.port)

    def __call__(self, stop: threading.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=10) as connection:
                connection.recv(1)


def _keys(endpoints: Endpoints, table: str) -> set[str]:
    return {item["pk"]["S"] for item in client("dynamodb", endpoints).scan(TableName=table)["Items"]}


def _stream_data(endpoints: Endpoints, stream: str) -> list[bytes]:
    kinesis = client("kinesis", endpoints)
    [shard] = kinesis.list_shards(StreamName=stream)["Shards"]
    where = {"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    records = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**where)["ShardIterator"])["Records"]
    return [record["Data"] for record in records]


def _failures(endpoints: Endpoints, table: str, seed: int) -> list[int]:
    with FaultProxy(endpoints.urls["dynamodb"], Rule(throttle, probability=0.5), seed=seed) as proxy:
        dynamodb, failures = client("dynamodb", proxy.url), []
        for number in range(20):
            try:
                _add_one(dynamodb, table)
            except ClientError:
                failures.append(number)
        assert proxy.faults["throttle"] == len(failures)
    return failures


def _connect(database: Database, proxy: TcpProxy, **options: Any) -> "pymysql.Connection[Any]":
    return pymysql.connect(host=proxy.host, port=proxy.port, user=database.user, password=database.password, **options)


def _one(connection: "pymysql.Connection[Any]") -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        row = cursor.fetchone()
    return row[0] if row else None
