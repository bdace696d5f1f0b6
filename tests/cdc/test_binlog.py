"""What real servers write, read through the door and the grammar: what commits arrives, what cannot be read stops."""

import contextlib
import time
from typing import Any

import pytest

from cdc.binlog import Binlog
from cdc.events import Commit, Idle, Rows, Waiting
from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position
from keymap.values import json_text
from keyshift.cli.demo.database import Database
from keyshift.process.source import TlsSettings
from tests.cdc.logs import fed
from tests.cdc.sources import images, is_at, open_binlog, read_events, schemas_of
from tests.cdc.two_tables import Source
from tests.mysql.sources import source_of


@pytest.fixture
def source(database: Database, schema: str) -> Source:
    return Source(database, schema)


def test_inserts_updates_deletes_and_key_changes_arrive(source: Source) -> None:
    source.run(
        "INSERT INTO a VALUES (1, 1), (2, 2)", "UPDATE a SET v = 5 WHERE id = 1", "UPDATE a SET id = 9 WHERE id = 2"
    )
    source.run("BEGIN", "DELETE FROM a WHERE id = 9", "INSERT INTO a VALUES (2, NULL)", "COMMIT")
    source.run("REPLACE INTO a VALUES (2, 3)", "INSERT INTO a VALUES (2, 0) ON DUPLICATE KEY UPDATE v = v + 1")
    expected = ["+1=1 +2=2", "1=1>1=5", "2=2>9=2", "-9=2 +2=None", "2=None>2=3", "2=3>2=4"]
    assert source.captured() == expected
    assert source.position == source.end


def test_other_tables_and_other_statements_only_move_the_position(source: Source) -> None:
    source.run("INSERT INTO b VALUES (1, 1)", "CREATE TABLE c LIKE a", "TRUNCATE b", "ANALYZE TABLE a", "DROP TABLE c")
    source.run("BEGIN", "INSERT INTO b VALUES (2, 2)", "INSERT INTO a VALUES (1, 1)", "DELETE FROM b", "COMMIT")
    source.run("CREATE TABLE copy AS SELECT * FROM a", "ALTER TABLE a ADD INDEX (v)", "DROP INDEX v ON a")
    assert source.captured() == ["+1=1"]
    assert source.position == source.end


def test_what_is_rolled_back_never_arrives(source: Source) -> None:
    source.run("BEGIN", "INSERT INTO a VALUES (1, 1)", "ROLLBACK")
    source.run("BEGIN", "INSERT INTO a VALUES (2, 2)", "CREATE TEMPORARY TABLE t (i INT)", "ROLLBACK")
    if source.database.flavour == "mariadb":  # MySQL's GTIDs forbid transactions of both kinds of tables
        source.run("BEGIN", "INSERT INTO a VALUES (3, 3)", "INSERT INTO m VALUES (3)", "ROLLBACK")
    source.run("BEGIN", "INSERT INTO a VALUES (4, 4)", "COMMIT")
    assert source.captured() == ["+4=4"]
    assert source.position == source.end


def test_a_rollback_to_a_savepoint_takes_logged_rows_back(source: Source) -> None:
    """MariaDB logs them where a table without transactions was written to; MySQL's GTIDs forbid that."""
    logged = "INSERT INTO m VALUES (1)" if source.database.flavour == "mariadb" else "DO 1"
    statements = [
        *("BEGIN", "INSERT INTO a VALUES (1, 1)", "SAVEPOINT `s 1`", "INSERT INTO a VALUES (2, 2)", "SAVEPOINT s2"),
        *(logged, "INSERT INTO a VALUES (3, 3)", "ROLLBACK TO `S 1`", "INSERT INTO a VALUES (4, 4)"),
        *("SAVEPOINT s2", "RELEASE SAVEPOINT s2", "INSERT INTO a VALUES (5, 5)", "COMMIT"),
    ]
    source.run(*statements)
    assert source.captured() == ["+1=1 +4=4 +5=5"]
    assert source.position == source.end


def test_reading_goes_on_in_the_next_files(source: Source) -> None:
    source.run("INSERT INTO a VALUES (1, 1)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2, 2)")
    source.run("FLUSH BINARY LOGS")
    assert source.captured() == ["+1=1", "+2=2"]
    assert source.position == source.end, "after a rotation, too, the idle source's own position is reached"


def test_from_every_position_between_transactions_the_rest_arrives(source: Source) -> None:
    """And the changes have the same versions, however often and from where they are read."""
    source.run("INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)", "FLUSH BINARY LOGS")
    source.run("INSERT INTO a VALUES (2, 2)", "BEGIN", "UPDATE a SET v = v + 1", "DELETE FROM a", "COMMIT")
    by_gtid = source.database.flavour == "mysql"
    schemas = schemas_of(source.database, f"{source.schema}.a")
    for gtids in {False, by_gtid}:
        start = Position(source.start.file, source.start.offset, source.start.gtid_set if gtids else "")
        positions, versions = [(start, 0)], []
        assembler = source.assembler(start, gtids=gtids)
        for event in read_events(source.database, start, schemas, gtids=gtids):
            found = fed(assembler, event)
            versions += [entry.version for entry in found.entries] if found else []
            if positions[-1][0] != assembler.position:
                positions.append((assembler.position, len(versions)))
        assert len(positions) >= 5
        for position, count in positions:
            again = source.assembler(position, gtids=gtids)
            transactions = [fed(again, event) for event in read_events(source.database, position, schemas, gtids=gtids)]
            assert [entry.version for found in transactions if found for entry in found.entries] == versions[count:]
            assert again.position.contains(assembler.position)


def test_a_large_transaction_spans_many_events_and_keeps_its_order(source: Source) -> None:
    rows = ", ".join(f"({number}, {number})" for number in range(20_000))
    source.run(f"INSERT INTO a VALUES {rows}", "UPDATE a SET v = v + 1")
    inserts, updates = source.captured()
    assert inserts.split() == [f"+{number}={number}" for number in range(20_000)]
    assert len(updates.split()) == 20_000


def test_a_table_that_the_library_cannot_describe_does_no_harm_unless_captured(source: Source) -> None:
    odd = "v VECTOR(3)" if source.database.flavour == "mysql" else "v TEXT COMPRESSED"
    value = "TO_VECTOR('[1,2,3]')" if source.database.flavour == "mysql" else "REPEAT('x', 1000)"
    source.run(f"CREATE TABLE odd (id INT PRIMARY KEY, {odd})", f"INSERT INTO odd VALUES (1, {value})")
    source.run("BEGIN", f"INSERT INTO odd VALUES (2, {value})", "INSERT INTO a VALUES (1, 1)", "COMMIT")
    assert source.captured() == ["+1=1"]


def xa(*statements: str, outcome: str = "XA COMMIT 'x'", name: str = "x") -> list[str]:
    return [f"XA START '{name}'", *statements, f"XA END '{name}'", f"XA PREPARE '{name}'", outcome]


def test_xa_on_captured_tables_stops_and_on_others_passes(source: Source) -> None:
    source.run(*xa("INSERT INTO b VALUES (1, 1)"), *xa("INSERT INTO b VALUES (2, 2)", outcome="XA ROLLBACK 'x'"))
    source.run("XA START 'y'", "INSERT INTO a VALUES (1, 1)", "XA END 'y'", "XA COMMIT 'y' ONE PHASE")
    assert source.captured() == ["+1=1"]
    assert source.position == source.end
    source.run(*xa("INSERT INTO a VALUES (2, 2)"))
    with pytest.raises(KeyshiftError, match=r"an XA transaction changed captured tables.*prepared at binlog\.\d+:\d+"):
        source.captured()


STOPS = {
    "TRUNCATE": (["TRUNCATE a"], r"table \w+\.a was changed at binlog\.\d+:\d+ by a statement"),
    "ALTER": (["ALTER TABLE a ADD COLUMN x INT"], r"table \w+\.a was changed at binlog.*\(ALTER TABLE"),
    "RENAME": (["CREATE TABLE new LIKE a", "RENAME TABLE a TO old, new TO a"], r"\(RENAME TABLE"),
    "DROP": (["DROP TABLE a"], r"\(DROP TABLE"),
    "statement format": (
        ["SET SESSION binlog_format = STATEMENT", "INSERT INTO a VALUES (1, 1)"],
        r"table \w+\.a was changed at .*\(INSERT INTO",
    ),
    "row image": (
        ["INSERT INTO a VALUES (1, 1)", "SET SESSION binlog_row_image = MINIMAL", "UPDATE a SET v = 2"],
        r"a change of table \w+\.a at binlog\.\d+:\d+ lacks columns",
    ),
}


@pytest.mark.parametrize("case", STOPS)
def test_what_hides_a_change_stops_with_the_position_and_the_remedy(source: Source, case: str) -> None:
    statements, message = STOPS[case]
    schemas = schemas_of(source.database, f"{source.schema}.a")
    if case == "statement format":  # InnoDB refuses it under READ COMMITTED
        statements = ["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", *statements]
    source.run(*statements)
    with pytest.raises(KeyshiftError, match=message) as stopped:
        source.captured(schemas=schemas)
    way_on = "cdc resume --decision reload" if case == "row image" else "keyshift destroy, then init"
    assert way_on in stopped.value.remedy


def test_compressed_transactions_are_read_and_their_rows_keep_their_order(source: Source) -> None:
    """All events of one lie at one place; every row has a version of its own, the same however often it is read."""
    if source.database.flavour == "mariadb":
        return  # it compresses single events
    rows = ", ".join(f"({number}, {number})" for number in range(3_000))
    on = "SET SESSION binlog_transaction_compression = ON"
    source.run(on, f"INSERT INTO a VALUES {rows}", "BEGIN", "DELETE FROM a", "INSERT INTO a VALUES (1, 1)", "COMMIT")
    inserts, others = source.captured()
    assert inserts.split() == [f"+{number}={number}" for number in range(3_000)]
    assert others.split() == [*(f"-{number}={number}" for number in range(3_000)), "+1=1"]
    assert source.position == source.end
    versions = [versions_of(source), versions_of(source)]
    assert versions[0] == versions[1]
    assert versions[0] == sorted(set(versions[0]))
    assert len(versions[0]) == 6_001


def versions_of(source: Source) -> list[str]:
    assembler = source.assembler(source.start, gtids=source.database.flavour == "mysql")
    schemas = schemas_of(source.database, f"{source.schema}.a")
    versions = []
    for transaction in filter(
        None, (fed(assembler, event) for event in read_events(source.database, source.start, schemas))
    ):
        with contextlib.closing(transaction.entries) as entries:
            versions += [entry.version for entry in entries]
    return versions


def test_tagged_gtids_are_kept_apart_and_gone_on_from(source: Source) -> None:
    if source.database.flavour == "mariadb":
        return  # MySQL's
    source.run("SET SESSION gtid_next = 'AUTOMATIC:tag'", "INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)")
    source.run("INSERT INTO a VALUES (2, 2)")
    assert source.captured() == ["+1=1", "+2=2"]
    assert source.position == source.end
    assert ":tag:" in source.position.gtid_set
    middle = source.position
    source.run("SET SESSION gtid_next = 'AUTOMATIC:tag'", "INSERT INTO a VALUES (3, 3)")
    assert source.captured(middle) == ["+3=3"]


def test_partial_json_updates_are_read_whole(source: Source) -> None:
    if source.database.flavour == "mariadb":
        return  # its JSON is text
    source.run(
        "CREATE TABLE j (id INT PRIMARY KEY, j JSON)",
        """INSERT INTO j VALUES (1, '{"a": 1, "b": "xxxxxxxxxxxxxxxx", "c": [1, 2, 3]}')""",
        "SET SESSION binlog_row_value_options = PARTIAL_JSON",
        "UPDATE j SET j = JSON_REMOVE(JSON_SET(j, '$.a', 2), '$.c[0]')",
    )
    events = read_events(source.database, source.start, schemas_of(source.database, f"{source.schema}.j"))
    (_, (before, after)) = images(events, f"{source.schema}.j")
    assert before is not None
    assert after is not None
    assert before["j"] == json_text('{"a": 1, "b": "xxxxxxxxxxxxxxxx", "c": [1, 2, 3]}')
    assert after["j"] == json_text('{"a": 2, "b": "xxxxxxxxxxxxxxxx", "c": [2, 3]}')


def test_commit_times_are_to_the_microsecond_where_the_source_gives_them(source: Source) -> None:
    before = time.time()
    source.run("INSERT INTO a VALUES (1, 1)", "INSERT INTO a VALUES (2, 2)")
    assembler = source.assembler(source.start, gtids=source.database.flavour == "mysql")
    schemas = schemas_of(source.database, f"{source.schema}.a")
    found = filter(None, (fed(assembler, event) for event in read_events(source.database, source.start, schemas)))
    first, second = (transaction.timestamp for transaction in found)
    if source.database.flavour == "mariadb":  # whole seconds, of the statement's beginning
        assert int(before) <= first <= second <= time.time()
    else:
        assert before - 0.1 <= first < second <= time.time()


def test_the_stream_is_encrypted_where_the_settings_say_so(source: Source) -> None:
    if source.database.flavour == "mariadb":
        return  # this release makes no certificate of its own
    settings = source_of(source.database, tls=TlsSettings(mode="required"))
    arguments: dict[str, Any] = {"gtids": True, "described": True, "server_id": 90_002, "heartbeat_seconds": 0.1}
    with Binlog(settings, source.start, {}, **arguments) as binlog:
        assert next(iter(binlog))
        assert binlog._connection._connection._sock.cipher() is not None


def test_each_wait_for_the_source_is_told_once_what_has_come_is_read(source: Source) -> None:
    source.run("INSERT INTO a VALUES (1, 1)")
    end = source.end
    kinds = []
    with open_binlog(source.database, source.start, schemas_of(source.database, f"{source.schema}.a")) as binlog:
        for event in binlog:
            kinds.append(type(event))
            if isinstance(event, Waiting) and Commit in kinds:
                break
            assert not is_at(end)(event), "the source came to its end, and we did not wait for it"
    assert kinds[0] is Waiting
    assert Rows in kinds


def test_an_idle_source_says_so_within_a_heartbeat(source: Source) -> None:
    end = source.end
    with open_binlog(source.database, end, {}) as binlog:
        idle = [event for event, _ in zip(binlog, range(24), strict=False) if isinstance(event, Idle)]
    assert len(idle) >= 5
    assert {(event.place.file, event.place.end) for event in idle} == {(end.file, end.offset)}


def test_mysqls_set_grows_by_each_transaction_whatever_it_is_about(source: Source) -> None:
    if source.database.flavour == "mariadb":
        assert source.end.gtid_set == "", "MariaDB is followed by file and offset"
        return
    source.run("INSERT INTO b VALUES (1, 1)", "CREATE TABLE c (i INT)", "INSERT INTO a VALUES (1, 1)", "DROP TABLE c")
    source.captured()
    assert GtidSet(source.position.gtid_set) == GtidSet(source.end.gtid_set)
