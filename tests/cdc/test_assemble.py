"""Transactions leave the assembler whole, in order, and only once their end says that they are committed."""

import contextlib
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.assemble import Assembler
from cdc.committed import Committed
from cdc.continuity import Change, SourceChanged
from cdc.events import Begin, Commit, Event, FileHeader, NewFile, Passed, Place, Prepare, Query, Rows
from keymap.errors import KeyshiftError
from keymap.lanes import lane_of
from keymap.position import Position
from keymap.wire import PACK_BYTES_MAX, loads
from tests.cdc.logs import LANES, TABLE, UUID, Log, assembler, capture, fed, images_of, logs, row
from tests.keymap.keymaps import keymap


def run(machine: Assembler, events: list[Event]) -> list[Committed]:
    with contextlib.closing(machine):
        return [found for event in events if (found := fed(machine, event)) is not None]


def versions(transactions: list[Committed]) -> list[str]:
    found = [entry.version for transaction in transactions for entry in transaction.entries]
    for transaction in transactions:
        transaction.entries.close()
    return found


@settings(max_examples=400)
@given(logs(), st.sampled_from([0, 500, 1_000_000]))
def test_exactly_what_was_committed_arrives_in_order(log: Log, memory_bytes_max: int) -> None:
    machine = assembler(log, memory_bytes_max=memory_bytes_max)
    found = run(machine, log.events)
    assert versions(found) == log.committed
    assert log.committed == sorted(log.committed)
    assert machine.position == log.position


@settings(max_examples=400)
@given(logs(), st.data())
def test_from_any_position_on_the_rest_arrives(log: Log, data: st.DataObject) -> None:
    """A crash after any event, and a new start at the position behind the last complete transaction, loses nothing."""
    crash = data.draw(st.integers(0, len(log.events)))
    machine = assembler(log)
    before = versions(run(machine, log.events[:crash]))
    position = machine.position
    at = position.file, position.offset
    rest = [event for event in log.events if (event.place.file, event.place.offset) >= at]
    after = run(assembler(log, position), rest)
    assert before + versions(after) == log.committed


@given(logs())
def test_what_precedes_the_end_says_nothing(log: Log) -> None:
    """A transaction is given at its last event, not before, and its position is the one behind it."""
    machine = assembler(log)
    for event in log.events:
        found = fed(machine, event)
        if found is not None:
            assert isinstance(event, Commit | Query)
            assert (found.end.file, found.end.offset) == (event.place.file, event.place.end)
            assert found.end == machine.position


def test_a_change_goes_to_the_lanes_of_both_its_keys() -> None:
    log = Log()
    log.begin()
    log.rows([images_of(1, 9, 5)])
    log.commit()
    (transaction,) = run(assembler(log), log.events)
    (entry,) = transaction.entries
    targets = [
        patch.key for patch in keymap().row_patches(TABLE, row(1, 5), "") + keymap().row_patches(TABLE, row(9, 6), "")
    ]
    assert set(entry.lanes) == {lane_of("purchases", key, LANES) for key in targets}
    assert len(entry.lanes) == 2
    record = orjson.loads(entry.line)
    assert (record["op"], record["before"], record["after"]) == ("u", row(1, 5), row(9, 6))
    assert record["source"] == {
        "db": "shop",
        "table": "purchase",
        "file": "binlog.000001",
        "pos": 54,
        "row": 0,
        "gtid": "0-1-1",
        "server_uuid": "server",
        "ts_ms": 1_700_000_000_000,
    }


DDL = "ALTER TABLE purchase ADD COLUMN x int"


@pytest.mark.parametrize("text", ["TRUNCATE purchase", DDL, "DELETE FROM purchase", "DROP DATABASE shop"])
@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_a_statement_that_changes_a_captured_table_stops_at_its_position(text: str, flavour: str) -> None:
    log = Log(flavour)
    log.begin(standalone=True)
    log.query(text)
    with pytest.raises(KeyshiftError, match=r"table shop\.purchase was changed at binlog\.000001:54.*destroy"):
        run(assembler(log), log.events)


def test_statements_about_other_tables_pass_and_move_the_position() -> None:
    log = Log("mysql")
    for text in ("TRUNCATE elsewhere", "GRANT SELECT ON purchase TO x", "CREATE TABLE copy LIKE purchase"):
        log.begin(standalone=True)
        log.query(text)
    machine = assembler(log)
    assert run(machine, log.events) == []
    assert machine.position == log.position


def test_create_table_as_select_is_a_transaction_with_its_rows() -> None:
    """MySQL logs the statement behind BEGIN, MariaDB in a group that has an end."""
    for flavour in ("mysql", "mariadb"):
        log = Log(flavour)
        log.begin()
        log.query("CREATE TABLE other.copy (a int) START TRANSACTION")
        log.rows([images_of(1, None, 1)])
        log.commit()
        assert len(run(assembler(log), log.events)) == 1


def test_xa_on_captured_tables_is_refused_at_prepare() -> None:
    log = Log("mysql")
    log.begin(standalone=True)
    log.query("XA START X'61',X'',1")
    log.rows([images_of(1, None, 1)])
    log.query("XA END X'61',X'',1")
    log.events.append(Prepare(log.place()))
    with pytest.raises(KeyshiftError, match=r"XA transaction changed captured tables.*binlog\.000001:\d+"):
        run(assembler(log), log.events)


def test_xa_on_other_tables_passes() -> None:
    log = Log("mysql")
    log.begin(standalone=True)
    log.query("XA START X'61',X'',1")
    log.passed()
    log.query("XA END X'61',X'',1")
    log.events.append(Prepare(log.place()))
    log.begin(standalone=True)
    log.query("XA COMMIT X'61',X'',1")
    machine = assembler(log)
    assert run(machine, log.events) == []
    assert machine.position == log.position


def test_an_xa_transaction_committed_in_one_phase_is_a_transaction() -> None:
    log = Log("mysql")
    log.begin(standalone=True)
    log.query("XA START X'61',X'',1")
    log.rows([images_of(1, None, 1)])
    log.query("XA END X'61',X'',1")
    log.commit()  # how cdc/binlog reads XA_PREPARE with the one-phase flag
    assert len(run(assembler(log), log.events)) == 1


def test_going_back_to_an_unknown_savepoint_stops() -> None:
    log = Log()
    log.begin()
    log.rows([images_of(1, None, 1)])
    log.query("ROLLBACK TO `never`")
    with pytest.raises(KeyshiftError, match=r"binlog\.000001:\d+ cannot be followed: savepoint 'never'"):
        run(assembler(log), log.events)


def test_a_transaction_without_an_end_stops_instead_of_being_guessed() -> None:
    log = Log()
    log.begin()
    log.rows([images_of(1, None, 1)])
    log.begin()
    with pytest.raises(KeyshiftError, match="a transaction has no end"):
        run(assembler(log), log.events)


def test_an_empty_executed_set_of_a_new_server_is_a_set_not_the_lack_of_one() -> None:
    log = Log("mysql")
    machine = assembler(log)
    assert machine.position.gtid_set == ""
    log.begin(standalone=True)
    log.query("CREATE TABLE elsewhere (a int)")
    run(machine, log.events)
    assert machine.position.gtid_set == f"{UUID}:1"


def test_a_row_that_cannot_become_an_item_stops_with_its_table_and_position() -> None:
    log = Log()
    log.begin()
    place = log.place()
    log.events.append(Rows(place, TABLE, ((None, {"customerid": 1}),)))
    with pytest.raises(KeyshiftError, match=r"table shop\.purchase: .*row 0 of the event at binlog\.000001:54"):
        run(assembler(log), log.events)


def test_a_change_larger_than_memory_allows_stops_with_its_table_position_and_size() -> None:
    log = Log()
    log.begin()
    log.rows([(None, row(1, 1) | {"quantity": "x" * 1000})])
    told = r"a change of table shop\.purchase at binlog\.000001:54 has 1,\d\d\d bytes, .* for changes of 1,000"
    with pytest.raises(KeyshiftError, match=told) as raised:
        run(Assembler(replace(capture(), change_bytes_max=1000), Position("binlog.000001", 4), gtids=False), log.events)
    assert "capture.buffer_bytes_max" in raised.value.remedy


def test_a_change_larger_than_a_record_waits_for_the_end_of_its_transaction_like_any_other() -> None:
    log = Log()
    log.begin()
    log.rows([(None, row(1, 1) | {"quantity": "x" * PACK_BYTES_MAX})])
    log.commit()
    (transaction,) = run(assembler(log), log.events)
    (entry,) = transaction.entries
    assert len(entry.line) > PACK_BYTES_MAX


def test_a_change_is_sent_without_the_columns_that_no_rule_looks_at() -> None:
    log = Log()
    log.begin()
    log.rows([(row(1, 1) | {"note": "secret"}, row(1, 2) | {"note": "secret"})])
    log.commit()
    (transaction,) = run(assembler(log), log.events)
    (entry,) = transaction.entries
    change = loads(entry.line)
    assert (change["before"], change["after"]) == (row(1, 1), row(1, 2))


def test_a_row_outside_the_filters_is_no_change() -> None:
    machine = assembler(Log())
    orders = {"id": 1, "customer_id": 1, "status": "draft", "total": None, "note": None}
    place = Place("binlog.000001", 4, 50, 0)
    events: list[Event] = [Begin(place, "0-1-1", standalone=False), Rows(place, "shop.orders", ((None, orders),))]
    assert run(machine, [*events, Commit(place)]) == []


def test_without_gtids_a_file_beyond_four_gib_is_read_again_from_its_beginning() -> None:
    """The protocol has 32 bits for the start: what lies before the position is known already."""
    log = Log("anonymous")
    for _ in range(2):
        log.begin()
        log.rows([images_of(1, None, 1)])
        log.commit()
    whole = run(assembler(log), log.events)
    middle = whole[0].end
    again = run(assembler(log, middle), log.events)
    assert versions(again) == versions(whole)[1:]


def test_the_position_moves_only_between_transactions() -> None:
    machine = Assembler(capture(), Position("binlog.000001", 4), gtids=False)
    machine.feed(Passed(Place("binlog.000001", 4, 120, 0)))
    assert machine.position.offset == 120
    machine.feed(Begin(Place("binlog.000001", 120, 160, 0), "0-1-1", standalone=False))
    machine.feed(Passed(Place("binlog.000001", 160, 200, 0)))
    assert machine.position.offset == 120
    machine.feed(NewFile(Place("binlog.000002", 4, 4, 0)))
    assert machine.position.offset == 120, "which file it is, its header says"
    machine.feed(FileHeader(Place("binlog.000002", 4, 120, 0), "5"))
    machine.feed(FileHeader(Place("binlog.000002", 120, 160, 0), "5-aa"))
    assert (machine.position.offset, machine.position.fingerprint) == (120, "")
    machine.feed(Passed(Place("binlog.000002", 160, 200, 0)))
    assert machine.position == Position("binlog.000002", 200)
    assert machine.position.fingerprint == "5-aa"


@pytest.mark.parametrize(
    ("file", "change"), [("other.000003", Change.NUMBERING), ("binlog.000001", Change.FILE), ("binlog.000003", None)]
)
def test_a_numbering_that_begins_anew_ends_the_connection(file: str, change: Change | None) -> None:
    """Nothing of it may be sent: its versions would be older than those before it."""
    machine = Assembler(capture(), Position("binlog.000002", 4), gtids=False)
    machine.feed(NewFile(Place("binlog.000002", 4, 4, 0)))
    with pytest.raises(SourceChanged) if change else contextlib.nullcontext() as raised:
        machine.feed(NewFile(Place(file, 4, 4, 0)))
    assert change is None or (raised is not None and raised.value.change is change)


def test_a_file_that_is_another_one_than_it_was_ends_the_connection() -> None:
    start = Position("binlog.000002", 200, fingerprint="5-aa")
    for fingerprint in ("5-aa", "6-aa"):
        machine = Assembler(capture(), start, gtids=True)
        machine.feed(NewFile(Place("binlog.000002", 4, 4, 0)))
        machine.feed(FileHeader(Place("binlog.000002", 4, 120, 0), fingerprint))
        with contextlib.nullcontext() if fingerprint == "5-aa" else pytest.raises(SourceChanged):
            machine.feed(Passed(Place("binlog.000002", 120, 160, 0)))
