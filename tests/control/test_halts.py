"""Where capture stopped and who answers for it; what tables looked like: in a real control table."""

import pytest

from keymap.errors import KeyshiftError
from keymap.schema import Column, Shape, TableSchema
from keymap.version import version
from keyshift.control.halts import Halt, accept, read_accepted, read_stop, record_stop, undecided
from keyshift.control.shapes import Since, begin_history, read_histories, record_shape
from keyshift.control.store import Store

HALT = Halt(1, "binlog.000002", 4711, ("shop.orders", "shop.lines"), "a statement ...")


def test_a_decision_needs_a_stop_and_is_for_that_place(store: Store) -> None:
    assert read_stop(store) is None
    with pytest.raises(KeyshiftError, match="has not stopped at a statement"):
        accept(store, "why not")
    record_stop(store, HALT)
    assert undecided(read_stop(store), read_accepted(store)) == HALT
    accepted = accept(store, "the table was empty")
    assert (accepted.halt, accepted.reason) == (HALT, "the table was empty")
    assert read_accepted(store) == (accepted,)
    assert undecided(read_stop(store), read_accepted(store)) is None
    later = Halt(1, "binlog.000002", 9999, ("shop.orders",), "another")
    record_stop(store, later)
    assert undecided(read_stop(store), read_accepted(store)) == later


def test_to_stop_at_the_same_place_again_writes_nothing(store: Store) -> None:
    record_stop(store, HALT)
    before = store.get("stop")
    record_stop(store, HALT)
    assert store.get("stop") == before


def test_the_first_reason_stays(store: Store) -> None:
    record_stop(store, HALT)
    accept(store, "first")
    assert accept(store, "second").reason == "first"


def test_a_stop_is_decided_one_way(store: Store) -> None:
    record_stop(store, HALT)
    decided = accept(store, "load them again", reload=True)
    assert (decided.reload, read_accepted(store)) == (True, (decided,))
    assert accept(store, "again", reload=True) == decided
    with pytest.raises(KeyshiftError, match=r"decided to load its tables again .* load them again"):
        accept(store, "it was nothing")
    assert read_accepted(store) == (decided,)


def since(offset: int, *names: str) -> Since:
    columns = tuple(Column(name, "enum", "enum('ä','b''c')", nullable=True, charset="utf8mb4") for name in names)
    return Since(version(1, 1, offset, 0), Shape(TableSchema("shop", "a#b%", columns, names[:1]), "latin1", "id"))


def test_a_tables_shapes_come_back_as_they_were_recorded(store: Store) -> None:
    table = "shop.a#b%"
    assert read_histories(store, [table]) == {}
    begin_history(store, table, since(4, "id"))
    record_shape(store, table, since(90, "id", "b"))
    record_shape(store, table, since(50, "id", "a"))
    record_shape(store, table, since(90, "id", "b"))
    assert read_histories(store, [table]) == {table: (since(4, "id"), since(50, "id", "a"), since(90, "id", "b"))}
    begin_history(store, table, since(7, "id"))
    assert read_histories(store, [table]) == {table: (since(7, "id"),)}
