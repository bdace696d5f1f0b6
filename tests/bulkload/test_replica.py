"""Rows are read from a replica that shows all that was before capture started, and nothing that the source has not."""

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from bulkload.dump import source as dump_source
from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.chunks import chunks
from keyshift.control.lease import DUMP
from keyshift.control.pace import read_pace
from keyshift.mysql.facts import read_facts
from keyshift.mysql.replica import UnfitReplica, unfit
from keyshift.mysql.start import wait_for_start
from keyshift.process.source import RowsSettings
from tests.bulkload.test_reload import UNTRACED, begin_again, live, remove
from tests.bulkload.world import World, make_world, opened, with_bulkload
from tests.cdc.pair import one, two_servers
from tests.cli.running import until
from tests.mysql.replication import delay, replicate
from tests.mysql.sources import execute, source_of


@pytest.mark.any_pair
def test_rows_of_a_replica(endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is below, each with a shop of its own, at the same two servers."""
    with two_servers("mysql") as (source, replica):  # MariaDB is refused (test_source)
        replicate(source, replica)
        for number, step in enumerate(STEPS):
            folder = tmp_path / str(number)
            folder.mkdir()
            with shop_of(source, replica, endpoints, folder) as shop, monkeypatch.context() as patch:
                step(source, replica, shop, patch)


@contextmanager
def shop_of(source: Database, replica: Database, endpoints: Endpoints, folder: Path) -> Iterator[World]:
    """A shop at the source, whose rows are read from the replica; capture has not started."""
    schema = f"test_{secrets.token_hex(4)}"
    execute(source, f"CREATE DATABASE {schema}")
    made = make_world(source, endpoints, schema, folder)
    rows = RowsSettings(**dict(source_of(replica)))
    yield replace(made, settings=with_bulkload(made.settings, source=rows))
    made.clients.close()


def caught_up(source: Database, replica: Database) -> bool:
    return one(replica, "SELECT @@global.gtid_executed") == one(source, "SELECT @@global.gtid_executed")


@contextmanager
def delayed(replica: Database, seconds: int) -> Iterator[None]:
    """Changes show at the replica when they are that old."""
    delay(replica, seconds)
    try:
        yield
    finally:
        delay(replica, 0)


def rows_are_read_when_the_replica_shows_the_start_and_become_the_same_items(
    source: Database, replica: Database, world: World, patch: pytest.MonkeyPatch
) -> None:
    until(lambda: caught_up(source, replica))
    with delayed(replica, 3600), patch.context() as patched:
        world.execute("INSERT INTO orders VALUES (30,1,'paid',1,NULL)")
        world.start_capture()
        patched.setattr(dump_source, "wait_for_start", partial(wait_for_start, timeout_seconds=0.5))
        told = f"MySQL at {replica.host}:{replica.port}, .* has not executed the transactions"
        with pytest.raises(KeyshiftError, match=told):
            world.dump()
    assert not world.objects()
    assert world.dump().complete
    known = GtidSet(str(one(replica, "SELECT @@global.gtid_executed")))
    recorded = [chunk for table in world.migration.tables for chunk in chunks(world.store, table)]
    assert recorded
    assert all(chunk.gtid_set and known.contains(GtidSet(chunk.gtid_set)) for chunk in recorded)
    assert world.load().complete
    assert world.stored() == world.expected()


def nothing_counts_that_shows_what_somebody_wrote_to_the_replica(
    source: Database, replica: Database, world: World, _patch: pytest.MonkeyPatch
) -> None:
    world.start_capture()
    written: list[str] = []

    def write(*_: object) -> None:
        if not written:
            written.append("once")
            execute(replica, "INSERT INTO tag VALUES ('errant',9,9)", schema=world.schema)

    with pytest.raises(UnfitReplica, match="has transactions that the source has not"):
        world.dump(progress=write, dump_concurrency=1)
    with pytest.raises(UnfitReplica, match=re.escape(f"bulkload.source ({replica.host}:{replica.port}): it has trans")):
        world.dump()  # at once: nothing is read
    known = GtidSet(str(one(source, "SELECT @@global.gtid_executed")))
    recorded = [chunk for table in world.migration.tables for chunk in chunks(world.store, table)]
    assert recorded
    assert all(known.contains(GtidSet(chunk.gtid_set)) for chunk in recorded)
    more = GtidSet(str(one(replica, "SELECT @@global.gtid_executed"))).minus(known)
    # What this row came by is made the source's own, as nothing, so that the replica is fit again.
    with replica.connect(world.schema) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute("DELETE FROM tag WHERE name = 'errant'")
    with source.connect() as connection, connection.cursor() as cursor:
        for statement in (f"SET gtid_next = '{more}'", "BEGIN", "COMMIT", "SET gtid_next = AUTOMATIC"):
            cursor.execute(statement)
    world.free(DUMP)
    assert world.dump().complete
    assert world.load().complete
    assert world.stored() == world.expected()


def the_dump_waits_for_the_replicas_own_replication(
    source: Database, replica: Database, world: World, _patch: pytest.MonkeyPatch
) -> None:
    world.start_capture()
    place = f"bulkload.source ({replica.host}:{replica.port})"
    until(lambda: caught_up(source, replica))
    execute(replica, "STOP REPLICA")
    assert world.dump(tables=[f"{world.schema}.tag"]).complete, "a copy that stands still has all that is needed"
    execute(replica, "START REPLICA IO_THREAD")
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(world.dump().complete))
    thread.start()
    until(lambda: f"how far {place} is behind is not known" in waits(world))
    execute(replica, "START REPLICA SQL_THREAD")
    thread.join(20)
    assert found == [True]


def waits(world: World) -> str:
    return " ".join(read_pace(world.store, DUMP, table).waits for table in world.migration.tables)


def tables_are_loaded_again_from_a_replica(
    _source: Database, replica: Database, world: World, _patch: pytest.MonkeyPatch
) -> None:
    world.start_capture()
    world.dump()
    world.load()
    with delayed(replica, 1):
        world.execute(*UNTRACED)
        begin_again(world)
        assert world.dump().complete
    assert world.load().complete
    remove(world)
    assert live(world, world.stored()) == live(world, world.expected())


def a_replica_that_leaves_something_out_is_refused(
    _source: Database, replica: Database, _world: World, _patch: pytest.MonkeyPatch
) -> None:
    with opened(source_of(replica)) as connection:
        facts = read_facts(connection)
        assert not list(unfit(connection, facts, "r"))
        for changed, told in (
            ({"gtid_mode": "OFF"}, "gtid_mode is not ON"),
            ({"replica_skip_errors": "1032"}, "it skips errors (replica_skip_errors)"),
            ({"aurora_version": "3", "innodb_read_only": "ON"}, "reader of an Aurora cluster"),
        ):
            doctored = replace(facts, variables={**facts.variables, **changed})
            (problem,) = unfit(connection, doctored, "r")
            assert told in problem.what
        set_filter(replica, "'shop.%'")
        (problem,) = unfit(connection, facts, "r")
        set_filter(replica, "")
        assert "its filters name (replicate-wild-do-table)" in problem.what
        assert not list(unfit(connection, facts, "r"))
    with replica.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute("CREATE USER 'poor'@'%' IDENTIFIED BY 'pw'")
    with opened(source_of(replica, user="poor", password=SecretStr("pw"))) as connection:
        (problem,) = unfit(connection, facts, "r")
        assert "REPLICATION CLIENT" in problem.remedy


def set_filter(replica: Database, tables: str) -> None:
    change = f"CHANGE REPLICATION FILTER REPLICATE_WILD_DO_TABLE = ({tables})"
    execute(replica, "STOP REPLICA SQL_THREAD", change, "START REPLICA SQL_THREAD")


STEPS = (
    rows_are_read_when_the_replica_shows_the_start_and_become_the_same_items,
    nothing_counts_that_shows_what_somebody_wrote_to_the_replica,
    the_dump_waits_for_the_replicas_own_replication,
    tables_are_loaded_again_from_a_replica,
    a_replica_that_leaves_something_out_is_refused,
)
