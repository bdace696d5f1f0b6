"""Which rows a trial reads, and how it finds them again; on a source in memory."""

from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.estimate import Estimate
from keymap.errors import KeyshiftError
from keymap.values import Row
from keyshift.cutover.sides import Piece, PrimaryKey
from keyshift.trial.report import Report
from keyshift.trial.run import Trial
from keyshift.trial.walk import Walk
from tests.keymap.keymaps import CUSTOMER, ORDERS, PURCHASE, TEXT, keymap

pytestmark = pytest.mark.any_pair

SCHEMAS = {schema.full_name: schema for schema in (PURCHASE, ORDERS, CUSTOMER)}
TABLE = "shop.orders"


def order(number: int, note: str = "") -> Row:
    return {"id": number, "customer_id": 1, "status": "new", "total": 5, "note": note}


class Memory:
    """Tables in memory, in the order of their keys. Pieces have `size` rows; `estimated` is what the server thinks."""

    def __init__(self, tables: dict[str, list[Row]], size: int = 4, estimated: int | None = None) -> None:
        self.tables, self.size, self.estimated = tables, size, estimated

    def pieces(self, table: str, after: PrimaryKey | None = None) -> Iterator[Piece]:
        while True:
            piece = self.piece(table, after, self.size)
            yield piece
            after = piece.upper
            if after is None:
                return

    def piece(self, table: str, after: PrimaryKey | None, limit: int) -> Piece:
        behind = [row for row in self.tables.get(table, []) if after is None or self.key(table, row) > after]
        rows = behind[:limit]
        return Piece(table, after, limit, rows, self.key(table, rows[-1]) if len(behind) > limit else None)

    def middle(self, table: str) -> PrimaryKey | None:
        rows = self.tables.get(table, [])
        return self.key(table, rows[len(rows) // 2]) if rows else None

    def estimate(self, table: str) -> Estimate:
        return Estimate(self.estimated if self.estimated is not None else len(self.tables.get(table, [])), 100)

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        wanted = list(keys)
        return [row for row in self.tables[table] if self.key(table, row) in wanted]

    def key(self, table: str, row: Row) -> PrimaryKey:
        return tuple(row[name] for name in SCHEMAS[table].primary_key)


def told(_table: str, _done: int, _total: int) -> None:
    pass


@given(count=st.integers(0, 40), wanted=st.integers(1, 30), size=st.integers(1, 7))
def test_a_sample_has_as_many_rows_as_wanted_each_once_and_can_be_found_again(
    count: int, wanted: int, size: int
) -> None:
    walk = Walk(Memory({TABLE: [order(n) for n in range(count)]}, size), SCHEMAS, wanted, told)
    found = list(walk.pieces(TABLE))
    ids = [row["id"] for _, rows in found for row in rows]
    assert len(ids) == len(set(ids))
    assert ids[: min(count, wanted - wanted // 3)] == list(range(min(count, wanted - wanted // 3)))
    assert len(ids) <= wanted
    assert walk.walked[TABLE].whole == (len(ids) == count and not (count and wanted - wanted // 3 < count))
    for number, rows in found:
        table, again = walk.again(number)
        assert table == TABLE
        assert all(row in again for row in rows)


@given(count=st.integers(0, 40), size=st.integers(1, 7))
def test_all_rows_are_read_when_all_are_wanted(count: int, size: int) -> None:
    walk = Walk(Memory({TABLE: [order(n) for n in range(count)]}, size, estimated=7), SCHEMAS, None, told)
    assert [row["id"] for _, rows in walk.pieces(TABLE) for row in rows] == list(range(count))
    assert (walk.walked[TABLE].whole, walk.walked[TABLE].scale) == (True, 1.0)


def test_a_sample_is_scaled_by_the_servers_estimate() -> None:
    walk = Walk(Memory({TABLE: [order(n) for n in range(100)]}, estimated=1000), SCHEMAS, 10, told)
    assert sum(len(rows) for _, rows in walk.pieces(TABLE)) == 10
    assert walk.walked[TABLE].scale == 100.0


class Moving(Memory):
    """Rows change when they are looked at again together."""

    now: Sequence[Row] = ()

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        wanted = list(keys)
        return [row for row in self.now if self.key(table, row) in wanted]


def report_of(source: Memory, sort_key: str = "ORDER#{id:010d}") -> Report:
    assert "ORDER#{id:010d}" in TEXT
    made = keymap(TEXT.replace("ORDER#{id:010d}", sort_key))
    return Trial(made, SCHEMAS, source, migration="shop.0000abcd", rows_max=None, progress=told).run()


def trial(source: Memory, sort_key: str) -> tuple[str, ...]:
    return tuple(error.what for error in report_of(source, sort_key).errors)


def test_rows_that_share_a_slot_at_one_moment_are_in_collision() -> None:
    source = Moving({TABLE: [order(n, note="x" if n in {2, 7, 8} else str(n)) for n in range(9)]})
    source.now = [order(2, note="x"), order(7, note="x"), order(8, note="y")]
    (error,) = trial(source, "ORDER#{note}")
    assert error == "rows fall on one slot of app, 1 slot: row shop.orders (id=2) and row shop.orders (id=7)"


def test_a_row_that_took_a_slot_which_another_had_left_is_no_collision() -> None:
    """Each was read with the key at its own moment, and never did both have it."""
    source = Moving({TABLE: [order(n, note="x" if n in {1, 8} else str(n)) for n in range(9)]})
    source.now = [order(1, note="left"), order(8, note="x")]
    assert trial(source, "ORDER#{note}") == ()


class Broken(Memory):
    """One table ends in the middle."""

    def pieces(self, table: str, after: PrimaryKey | None = None) -> Iterator[Piece]:
        for number, piece in enumerate(super().pieces(table, after)):
            if table == TABLE and number == 1:
                raise KeyshiftError("reading table shop.orders failed", "Check the grants")
            yield piece


def test_a_table_that_fails_on_the_way_is_an_error_and_the_others_are_tried() -> None:
    customers: list[Row] = [{"id": number, "name": "x", "vip": 1} for number in range(9)]
    report = report_of(Broken({TABLE: [order(n) for n in range(9)], "shop.customer": customers}))
    assert [str(error) for error in report.errors] == [
        "table shop.orders: reading table shop.orders failed. Check the grants"
    ]
    assert {walked.table: walked.rows for walked in report.tables} == {"shop.customer": 9, "shop.purchase": 0}


def test_items_of_several_tables_are_added_up_and_priced_together() -> None:
    customers: list[Row] = [{"id": number, "name": "x", "vip": 1} for number in range(3)]
    purchases: list[Row] = [{"customerid": 1, "orderid": 1, "productid": n, "quantity": n} for n in range(5)]
    tables = {TABLE: [order(n) for n in range(9)], "shop.customer": customers, "shop.purchase": purchases}
    report = report_of(Memory(tables))
    by_name = {target.target: target for target in report.targets}
    assert (by_name["app"].rows, by_name["app"].items) == (12, 12)
    assert (by_name["purchases"].rows, by_name["purchases"].items) == (5, 1)
    assert by_name["purchases"].writes == 1  # the group lies in one chunk: its key begins the primary key
    assert by_name["app"].hot_keys[0].key == "pk='CUSTOMER#1'"
    assert by_name["app"].hot_keys[0].rows == 10  # nine orders and the customer
    assert (report.together.items, report.together.write_units) == (13, 13)


def test_slots_that_only_seemed_to_be_shared_are_told_where_they_are_too_many_to_look_at() -> None:
    source = Moving({TABLE: [order(n, note=str(n // 2)) for n in range(200)]})
    report = report_of(source, "ORDER#{note}")
    assert report.errors == ()
    (note,) = report.notes
    assert note.what == "50 slots seemed to be written by two rows, and were not looked at again"


def test_more_than_a_collection_holds_is_an_error_where_the_table_has_local_indexes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keyshift.trial.sums.COLLECTION_BYTES_MAX", 2_000)
    tables = {TABLE: [order(n, note="x" * 100) for n in range(9)]}
    assert report_of(Memory(tables)).errors == ()
    local = "sort_key: {sk: S}\n    local_indexes: {by_status: {sort_key: {status: S}}}\n"
    made = keymap(TEXT.replace("sort_key: {sk: S}\n", local))
    report = Trial(made, SCHEMAS, Memory(tables), migration="shop.0000abcd", rows_max=None, progress=told).run()
    (error,) = report.errors
    assert error.where == "keymap.yaml:6"
    assert "bytes under pk='CUSTOMER#1', local indexes included" in error.what
    (index,) = next(target for target in report.targets if target.target == "app").indexes
    assert (index.local, index.items, index.write_units) == (True, 9, 9)
