"""A fail-over of the source in the middle of a migration: rows and items are equal in the end, wherever it happened."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from keyshift.cli.demo.database import Database
from tests.cdc.pair import Pair, two_servers
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill
from tests.cli.test_pipeline import Application
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.any_pair


class Named:
    """The database by a name that moves: what a project's settings, and its application, know of it."""

    def __init__(self, first: Database, proxy: TcpProxy) -> None:
        self.database = first
        self.host, self.port, self.user, self.password = proxy.host, proxy.port, first.user, first.password

    def connect(self, schema: str | None = None) -> Any:
        return self.database.connect(schema)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with two_servers("mysql") as (first, second), TcpProxy(first.host, first.port) as proxy:
        yield Pair(first, second, proxy, Named(first, proxy))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def database(pair: Pair) -> Named:
    """Instead of the server that all tests share."""
    return pair.world  # type: ignore[return-value]


@pytest.fixture
def migration(pair: Pair, project: Project) -> Iterator[Migration]:
    fill(project)
    pair.replicate()
    with ExitStack() as stack:
        yield Migration(project, stack)
    pair.first, pair.second = pair.second, pair.first  # the one that took over is the first of the next test


def read_rows_from(pair: Pair, project: Project) -> None:
    """Let the dump read from the second server, as a user who is only there and may do no more than is documented."""
    here = ("SET sql_log_bin = 0", "CREATE USER IF NOT EXISTS 'rows'@'%' IDENTIFIED BY 'of rows'")
    grants = ("GRANT SELECT ON `test\\_%`.* TO 'rows'@'%'", "GRANT REPLICATION CLIENT ON *.* TO 'rows'@'%'")
    with pair.second.connect() as connection, connection.cursor() as cursor:
        for statement in (*here, *grants):
            cursor.execute(statement)
    rows = f"source: {{host: {pair.second.host}, port: {pair.second.port}, user: rows, password: of rows}}, "
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {" + rows)


def load_from_replica(pair: Pair, project: Project) -> None:
    """All commands that read rows, the application writing meanwhile."""
    read_rows_from(pair, project)
    said = project.keyshift("doctor")
    assert said.code == 0, said.out
    assert f"bulkload.source ({pair.second.host}:{pair.second.port})" in said.out
    assert answer_of(project, "bulkload", "plan")["rows"] > 0
    answer = project.keyshift("bulkload", "run")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("when", ["before the dump", "after a dump of the replica", "in the replay"])
def test_rows_and_items_are_equal_in_the_end(pair: Pair, migration: Migration, when: str) -> None:
    project = migration.project
    migration.capture()
    steps = {
        "before the dump": lambda: None,
        "after a dump of the replica": lambda: load_from_replica(pair, project),
        "in the replay": lambda: (project.keyshift("bulkload", "run"), migration.start("apply", "run")),
    }
    with Application(project, 1) as application:
        steps[when]()
        until(lambda: application.written > 100)
    pair.promote()
    with Application(project, 2) as application:
        if when == "before the dump":
            until(lambda: project.keyshift("bulkload", "run").code == 0)  # a dump that meets the fail-over stops
        if when != "in the replay":
            migration.start("apply", "run")
        until(lambda: answer_of(project, "status")["migration"]["epoch"] > 1)
        live = answer_of(project, "verify")
        until(lambda: application.written > 100)
    assert live["clean"], live
    still = answer_of(project, "verify")
    assert still["clean"], still
    assert still["tombstones"] > 0
    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.out + answer.err
