"""The throw-away servers themselves: what every other test relies on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from keyshift.cli.demo.child import ServerError, free_port
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.servers.aws import client, unique
from tests.servers.mariadb import find_mariadb
from tests.servers.processes import children

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def running(database: Database) -> Iterator[Database]:
    """A database that may be killed: whatever the test does, it runs again afterwards."""
    yield database
    if not _runs(database):
        database.start()


def _runs(database: Database) -> bool:
    try:
        database.connect().close()
    except pymysql.OperationalError:
        return False
    return True


def _rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.mark.parametrize("end", [Database.kill, Database.stop], ids=["kill", "stop"])
def test_a_database_keeps_its_rows_and_its_port(
    running: Database, schema: str, end: Callable[[Database], None]
) -> None:
    """A database keeps its rows and its port over kill or stop, and start."""
    port = running.port
    _rows(running, f"CREATE TABLE {schema}.cats (id INT PRIMARY KEY)")
    _rows(running, f"INSERT INTO {schema}.cats VALUES (9)")
    end(running)
    assert not _runs(running)
    running.start()
    assert _rows(running, f"SELECT id, @@port FROM {schema}.cats") == [(9, port)]


def test_the_binlog_is_as_a_migration_needs_it(database: Database) -> None:
    """The binlog holds full row images with full metadata, and MySQL counts transactions by GTID."""
    variables = "@@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata, @@server_id"
    assert _rows(database, f"SELECT {variables}") == [(1, "ROW", "FULL", "FULL", 1)]
    if database.flavour == "mysql":
        assert _rows(database, "SELECT @@gtid_mode") == [("ON",)]


def test_the_server_is_the_one_that_was_asked_for(database: Database, servers: str) -> None:
    """The facts a database states about itself are the server's own."""
    [(version,)] = _rows(database, "SELECT VERSION()")
    assert str(version).startswith(database.version)
    assert servers.startswith(f"{database.flavour}+")
    assert ("MariaDB" in str(version)) == (database.flavour == "mariadb")


def test_starting_leaves_no_trace_in_the_binlog(running: Database) -> None:
    """The accounts that a start sets up are not replicated: a reader sees the changes of the test alone."""
    running.stop()
    running.start()
    *_, (name, *_) = _rows(running, "SHOW BINARY LOGS")
    kinds = {kind for _, _, kind, *_ in _rows(running, f"SHOW BINLOG EVENTS IN '{name}'")}
    assert "Query" not in kinds


def test_endpoints_accept_a_table_a_stream_and_a_bucket(endpoints: Endpoints) -> None:
    """Every endpoint set serves DynamoDB, Kinesis and S3."""
    name = unique("accepts")
    client("dynamodb", endpoints).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("kinesis", endpoints).create_stream(StreamName=name, ShardCount=2)
    client("s3", endpoints).create_bucket(Bucket=name)
    assert name in client("dynamodb", endpoints).list_tables()["TableNames"]
    assert name in client("kinesis", endpoints).list_streams()["StreamNames"]
    assert name in [bucket["Name"] for bucket in client("s3", endpoints).list_buckets()["Buckets"]]


def test_servers_die_with_their_parent(servers: str) -> None:
    """When the process that started them is killed, the servers and their files go with it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.servers.orphan", servers], cwd=_REPOSITORY, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        left = json.loads(parent.stdout.readline())
        assert all(map(_lives, left["pids"]))
        parent.kill()
    _eventually(lambda: not any(map(_lives, left["pids"])))
    _eventually(lambda: not Path(left["directory"]).exists())


def test_no_two_processes_are_given_one_port() -> None:
    """A port is ours from the moment it is chosen, not from when a server listens on it."""
    program = "import sys; from keyshift.cli.demo.child import free_port; print(free_port([int(sys.argv[1])]))"
    ask = [sys.executable, "-c", program, str(port := free_port())]
    another = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert f"no free TCP port on 127.0.0.1 between {port} and {port}" in another.stderr


def test_a_server_that_does_not_start_says_why() -> None:
    """The error holds the end of the server's log, and nothing is left running."""
    others = children(os.getpid())
    database = Database(find_mariadb(), options=["--no-such-option"])
    with pytest.raises(ServerError, match="unknown option '--no-such-option'"), database:
        pass
    assert children(os.getpid()) == others
    assert not database.directory.exists()


def _lives(pid: int) -> bool:
    """Neither gone nor a zombie that the machine's first process has yet to collect."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def _eventually(condition: Callable[[], bool], seconds_max: float = 10.0) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
