"""What real servers write, read through the door and the grammar: what commits arrives, what cannot be read stops."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from cdc.assemble import Assembler, Capture
from cdc.binlog import Binlog
from cdc.connection import ConnectionEnded
from cdc.events import Commit, Event, Idle, Rows, Waiting
from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position
from keymap.rules import Keymap, parse_keymap
from keymap.schema import TableSchema
from keymap.values import json_text
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.program import find_mariadb
from keyshift.mysql.connection import MySQLError
from keyshift.process.source import TlsSettings
from tests.cdc.logs import fed
from tests.cdc.sources import facts_and_end, images, is_at, open_binlog, read_events, schemas_of
from tests.mysql.sources import execute, source_of
from tests.servers.oracle_mysql import oracle_mysql

KEYMAP = """\
keyshift: 1
targets:
  app: {{partition_key: {{pk: S}}}}
tables:
  {schema}.a:
    - target: app
      key: {{pk: "A#{{id}}"}}
"""


def keymap_of(schema: str) -> Keymap:
    return parse_keymap(KEYMAP.format(schema=schema), "keymap.yaml")


class Source:
    """Tables a (captured) and b (not) in a schema, and reading what was done to them."""

    def __init__(self, database: Database, schema: str) -> None:
        self.database, self.schema = database, schema
        self.run("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY, v INT)")
        self.run("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
        self.start = self.end

    @property
    def end(self) -> Position:
        return facts_and_end(self.database)[1]

    def run(self, *statements: str) -> None:
        """In one session, each statement committed by itself unless they say otherwise."""
        execute(self.database, *statements, schema=self.schema)

    def assembler(self, position: Position, *, gtids: bool) -> Assembler:
        capture = Capture(keymap_of(self.schema), 8, 1, "server", 1_000_000)
        return Assembler(capture, position, gtids=gtids)

    def captured(self, position: Position | None = None, schemas: dict[str, TableSchema] | None = None) -> list[str]:
        """Each transaction that arrives, as text: "+1=2" (row 1 with v=2), "1=2>1=3", "-1=3"."""
        position = position or self.start
        assembler = self.assembler(position, gtids=self.database.flavour == "mysql")
        events = read_events(self.database, position, schemas or schemas_of(self.database, f"{self.schema}.a"))
        with contextlib.closing(assembler):
            found = [one for event in events if (one := fed(assembler, event)) is not None]
        self.position = assembler.position
        texts = [" ".join(describe(entry.line) for entry in transaction.entries) for transaction in found]
        for transaction in found:
            transaction.entries.close()
        return texts


def describe(line: bytes) -> str:
    change = orjson.loads(line)
    before, after = change["before"], change["after"]
    if before is None:
        return f"+{after['id']}={after['v']}"
    if after is None:
        return f"-{before['id']}={before['v']}"
    return f"{before['id']}={before['v']}>{after['id']}={after['v']}"


@pytest.fixture
def source(database: Database, schema: str) -> Source:
    return Source(database, schema)


@pytest.fixture(scope="module")
def own_database(servers: str) -> Iterator[Database]:
    """A server of this module's own, to be restarted and misconfigured."""
    program = oracle_mysql() if servers.startswith("mysql") else find_mariadb()
    with Database(program) as running:
        yield running


@pytest.fixture
def own(own_database: Database) -> Source:
    reset = "RESET MASTER" if own_database.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS"
    execute(own_database, "DROP DATABASE IF EXISTS own", reset, "CREATE DATABASE own")
    return Source(own_database, "own")


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


def test_compressed_events_are_read(own: Source) -> None:
    if own.database.flavour == "mysql":
        return  # it compresses whole transactions
    own.run("DROP TABLE a", "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(300))")
    own.start = own.end
    own.run("SET GLOBAL log_bin_compress = ON")
    try:
        own.run(
            "INSERT INTO a VALUES (1, REPEAT('x', 300))", "UPDATE a SET v = REPEAT('y', 300)", "DELETE FROM a WHERE id"
        )
    finally:
        own.run("SET GLOBAL log_bin_compress = OFF")
    x, y = "x" * 300, "y" * 300
    assert own.captured() == [f"+1={x}", f"1={x}>1={y}", f"-1={y}"]
    assert own.position == own.end


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


def test_metadata_that_is_not_full_is_refused_unless_the_schema_stands_in_for_it(own: Source) -> None:
    own.run("DROP TABLE a", "CREATE TABLE a (id INT UNSIGNED PRIMARY KEY, v ENUM('x', 'y') CHARACTER SET latin1)")
    own.start = own.end
    own.run("SET GLOBAL binlog_row_metadata = MINIMAL")
    try:
        own.run("INSERT INTO a VALUES (4000000000, 'y')")
    finally:
        own.run("SET GLOBAL binlog_row_metadata = FULL")
    schemas = schemas_of(own.database, "own.a")
    events = read_events(own.database, own.start, schemas, described=False)
    assert images(events, "own.a") == [(None, {"id": 4_000_000_000, "v": "y"})]
    with pytest.raises(KeyshiftError, match="binlog_row_metadata was not FULL"):
        own.captured()


def test_files_with_checksums_and_without_are_read(own: Source) -> None:
    own.run("SET GLOBAL binlog_checksum = NONE", "INSERT INTO a VALUES (1, 1)")
    try:
        assert own.captured() == ["+1=1"], "while the server's own events have none"
    finally:
        own.run("SET GLOBAL binlog_checksum = CRC32")
    own.run("INSERT INTO a VALUES (2, 2)")
    assert own.captured() == ["+1=1", "+2=2"]
    assert own.position == own.end


@pytest.mark.parametrize("end", [Database.stop, Database.kill])
def test_after_a_restart_of_the_server_ids_stand_for_other_tables(own: Source, end: Callable[[Database], None]) -> None:
    """The server numbers its tables anew; the rows of b must not come as those of a."""
    own.run("INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)")
    end(own.database)
    own.database.start()
    own.run("INSERT INTO b VALUES (777, 7)", "INSERT INTO a VALUES (2, 2)")
    assert own.captured() == ["+1=1", "+2=2"]
    assert own.position == own.end


def test_a_server_that_goes_away_ends_the_stream(own: Source) -> None:
    """Whatever it is called, it is not silence, and not an empty end."""
    schemas = schemas_of(own.database, "own.a")
    for end in (Database.stop, Database.kill):
        position = own.end
        with open_binlog(own.database, position, schemas) as binlog:
            events: Iterator[Event] = iter(binlog)
            while not is_at(position)(next(events)):
                pass
            end(own.database)
            with pytest.raises((ConnectionEnded, MySQLError)):
                for _ in events:
                    pass
        own.database.start()


def purge_to_end(own: Source) -> None:
    """Both servers keep a file, without a word, while somebody reads it or recovery may need it."""
    deadline = time.monotonic() + 20
    while True:
        own.run(f"PURGE BINARY LOGS TO '{own.end.file}'")
        with own.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            if [row[0] for row in cursor.fetchall()] == [own.end.file]:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_purged_position_is_an_error_of_the_server_with_its_number(own: Source) -> None:
    position = own.end
    own.run("INSERT INTO a VALUES (1, 1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2, 2)", "FLUSH BINARY LOGS")
    purge_to_end(own)
    with pytest.raises(MySQLError) as refused:
        read_events(own.database, position, {})
    assert refused.value.args[0] == 1236


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


def test_a_source_whose_set_is_empty_is_read_from_its_first_transaction(own: Source) -> None:
    own.run("RESET MASTER" if own.database.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS")
    start = own.end
    assert start.gtid_set == ""
    own.run("INSERT INTO a VALUES (1, 1)")
    assert own.captured(start) == ["+1=1"]
