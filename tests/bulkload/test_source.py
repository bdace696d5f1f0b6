"""The source goes away and comes back: what was asked is asked again, on a server that contains the capture's start."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from bulkload.dump.source import RECONNECTS_MAX, Source, open_at_start
from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.control.chunks import chunks
from keyshift.control.store import Store
from keyshift.mysql.connection import Unreachable
from keyshift.mysql.replica import UnfitReplica
from keyshift.process.backoff import Backoff
from keyshift.process.source import RowsSettings
from keyshift.process.stop import Stop, Stopped
from tests.bulkload.world import World
from tests.servers.tcp_proxy import TcpProxy

LOST = pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")


class Line:
    """A connection that is closed once."""

    open = True

    def close(self) -> None:
        assert self.open
        self.open = False


class Script:
    """Opens connections, or raises, as the test says."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.opened: list[Line] = []

    def __call__(self) -> Any:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome:
            raise outcome
        self.opened.append(Line())
        return self.opened[-1]


def source(script: Script, stop: Stop | None = None) -> Source:
    return Source(script, Backoff(base_seconds=0.0001, max_seconds=0.0001), stop or Stop())


def answers(*outcomes: Any) -> Any:
    left = list(outcomes)

    def question(_connection: Any) -> Any:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return question


def test_a_question_is_asked_again_on_a_new_connection() -> None:
    script = Script(None, Unreachable("x"), LOST)
    with source(script) as one:
        assert one.ask(answers(LOST, "rows"), "reading table t") == "rows"
        assert [line.open for line in script.opened] == [False, True]
    assert [line.open for line in script.opened] == [False, False]


def test_a_source_that_cannot_be_reached_at_first_is_a_mistake() -> None:
    with pytest.raises(Unreachable), source(Script(Unreachable("x"))):
        pass


def test_what_the_server_refuses_is_not_asked_again() -> None:
    denied = pymysql.err.OperationalError(1142, "SELECT command denied to user 'u'@'h' for table `t`")
    with (
        source(Script()) as one,
        pytest.raises(KeyshiftError, match=r"reading table t failed: SELECT command denied .* \(error 1142\)"),
    ):
        one.ask(answers(denied), "reading table t")


def test_a_source_that_stays_away_is_given_up_on() -> None:
    with source(Script(None, *[Unreachable("x")] * RECONNECTS_MAX)) as one:
        with pytest.raises(KeyshiftError, match="did not come back"):
            one.ask(answers(LOST), "reading table t")
        assert one.ask(answers("rows"), "reading table t") == "rows"


def test_a_stop_is_heard_while_the_source_is_away() -> None:
    stop = Stop()
    stop.set()
    with source(Script(), stop) as one, pytest.raises(Stopped):
        one.ask(answers(LOST), "reading table t")


@pytest.fixture
def proxied(world: World) -> Iterator[tuple[World, TcpProxy]]:
    with TcpProxy(world.database.host, world.database.port) as proxy:
        source = world.settings.source.model_copy(update={"host": proxy.host, "port": proxy.port})
        yield replace(world, settings=world.settings.model_copy(update={"source": source})), proxy


def test_a_dump_survives_connections_that_are_cut(proxied: tuple[World, TcpProxy]) -> None:
    world, proxy = proxied
    accepted = proxy.accepted

    def cut(*_: object) -> None:
        proxy.cut()

    assert world.dump(progress=cut).complete
    assert proxy.accepted > accepted + 3
    assert sum(chunk.rows for table in world.migration.tables for chunk in chunks(world.store, table)) == 22
    assert world.load().complete
    assert world.stored() == world.expected()


def test_rows_are_read_only_from_a_server_that_contains_the_start(world: World) -> None:
    """Every connection asks, since each may lead to another server."""
    start, server = Position("binlog.000001", 4), "some-other-server"
    with pytest.raises(KeyshiftError, match="capture started on some-other-server"):
        open_at_start(world.settings.source, start, server)


def test_a_dump_that_is_led_to_another_server_reads_nothing(world: World) -> None:
    capture = Store(world.clients.dynamodb, world.settings.control_table, "shop")
    capture.update("capture", {"server": "some-other-server", "start_gtid_set": None}, {})
    with pytest.raises(KeyshiftError, match="capture started on some-other-server"):
        world.dump()
    assert not world.objects()


def test_another_server_than_the_source_needs_gtids_whoever_it_is(world: World) -> None:
    """The same one by another name: an identity may be shared by servers in containers, a set of GTIDs is not."""
    rows = RowsSettings(**(dict(world.settings.source) | {"host": "localhost"}))
    if world.database.flavour == "mysql":
        assert world.dump(source=rows).complete
        return
    with pytest.raises(UnfitReplica, match=r"bulkload\.source \(localhost:\d+\): .*MariaDB's are not used for that"):
        world.dump(source=rows)
    assert not world.objects()
