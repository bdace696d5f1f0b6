"""The captured tables at the place that is being read: whatever connection comes, and wherever it begins."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.events import Place, Query
from cdc.shapes import Answered, Shapes, Unfollowed
from keymap.position import Position
from keymap.rules import parse_keymap
from keymap.schema import Column, Shape, TableSchema
from keymap.version import version
from keyshift.control.reloads import Reload
from keyshift.control.shapes import SHAPES_MAX, Since, carried, current, with_shape

TABLE = "shop.orders"
KEYMAP = parse_keymap(
    """\
keyshift: 1
targets: {app: {partition_key: {pk: S}}}
tables:
  shop.orders: [{target: app, key: {pk: "O#{id}"}, exclude: [secret]}]
  shop.hooked: [{target: app, key: {pk: "H#{id}"}}]
""",
    "keymap.yaml",
)


def shape(*names: str, kind: str = "int") -> Shape:
    key = Column("id", kind, kind, nullable=False)
    others = (Column(name, "int", "int", nullable=True) for name in names)
    return Shape(TableSchema("shop", "orders", (key, *others), ("id",)), "utf8mb4")


def shapes(
    now: Shape,
    history: Sequence[Since] = (),
    accepted: Sequence[str] = (),
    *,
    described: bool = True,
    again: list[Reload] | None = None,
) -> tuple[Shapes, list[Since]]:
    recorded: list[Since] = []
    reasons = dict.fromkeys(accepted, "why") if again is not None else {}
    answered = Answered(1, frozenset(accepted), described, mariadb=False, reloads=reasons)
    made = Shapes(
        KEYMAP,
        {TABLE: history},
        {TABLE: now, "shop.hooked": shape()},
        answered,
        lambda _table, since: recorded.append(since),
        again.append if again is not None else pytest.fail,
    )
    made.begin(Position("b.000001", 4))
    return made, recorded


def statement(text: str, offset: int = 100) -> Query:
    return Query(Place("b.000001", offset, offset + 50, 0), "shop", text)


def names(made: Shapes) -> list[str]:
    return list(made.schemas[TABLE].by_name)


def test_a_statement_that_is_followed_is_recorded_from_its_end_on() -> None:
    made, recorded = shapes(shape())
    made.meet(statement("ALTER TABLE orders ADD a INT"), (TABLE,))
    assert names(made) == ["id", "a"]
    assert [since.version for since in recorded] == [version(1, 1, 150, 0)]


def test_a_connection_that_begins_before_a_statement_takes_the_table_as_it_was_and_meets_it_again() -> None:
    made, recorded = shapes(shape())
    made.meet(statement("ALTER TABLE orders ADD a INT"), (TABLE,))
    made.begin(Position("b.000001", 100))
    assert names(made) == ["id"], "nothing was recorded of before: the table as it is must do"
    first = [Since(version(1, 1, 4, 0), shape())]
    made, recorded = shapes(shape("a", "b"), first)
    for _ in range(2):
        assert names(made) == ["id"]
        made.meet(statement("ALTER TABLE orders ADD a INT"), (TABLE,))
        assert names(made) == ["id", "a"]
        made.begin(Position("b.000001", 100))
    made.begin(Position("b.000001", 150))
    assert names(made) == ["id", "a"]
    assert len({since.version for since in recorded}) == 1


def test_a_daemon_that_comes_back_to_a_table_that_looks_otherwise_judges_by_what_it_looked_like() -> None:
    """By what it looks like now, the statement would seem to change nothing."""
    made, _ = shapes(shape(kind="bigint"), [Since(version(1, 1, 4, 0), shape(kind="bigint"))])
    made.meet(statement("ALTER TABLE orders MODIFY id BIGINT NOT NULL"), (TABLE,))
    made, _ = shapes(shape(kind="smallint"), [Since(version(1, 1, 4, 0), shape(kind="bigint"))])
    with pytest.raises(Unfollowed, match="bigint to smallint may change its values"):
        made.meet(statement("ALTER TABLE orders MODIFY id SMALLINT NOT NULL"), (TABLE,))


def test_a_statement_whose_tables_are_loaded_again_is_passed_and_the_place_is_told_first() -> None:
    halt = "1.1.100"
    again: list[Reload] = []
    made, _ = shapes(shape("a"), accepted=[halt], again=again)
    made.meet(statement("TRUNCATE orders"), (TABLE, "shop.hooked"))
    assert [(one.table, one.floor, one.reason) for one in again] == [
        (table, version(1, 1, 150, 1), "why") for table in (TABLE, "shop.hooked")
    ]
    assert "TRUNCATE ORDERS" in again[0].what
    made.begin(Position("b.000001", 4))
    made.meet(statement("ALTER TABLE orders ADD b INT"), (TABLE,))
    assert len(again) == 3, "it is loaded again though it could be followed by now"
    assert names(made) == ["id", "a", "b"]
    with pytest.raises(Unfollowed, match="cdc resume --decision reload"):
        made.meet(statement("TRUNCATE orders", offset=200), (TABLE,))


@pytest.mark.parametrize(
    ("text", "tables", "why"),
    [
        ("TRUNCATE orders", (TABLE,), "none of the rows that it changes are in the binlog"),
        ("ALTER TABLE orders ADD x INT NOT NULL", (TABLE,), "may have values in rows"),
        ("ALTER TABLE orders ADD x FROBNICATE", (TABLE,), "FROBNICATE is not understood"),
        ("ALTER TABLE orders ADD _ks_x INT", (TABLE,), "has the bookkeeping prefix"),
        ("ALTER TABLE orders ADD pk INT", (TABLE,), "has the name of key attribute pk"),
        ("ALTER TABLE _orders_gho RENAME TO orders", (TABLE,), "gh-ost put its copy in the place of shop.orders"),
        ("ALTER TABLE p EXCHANGE PARTITION a WITH TABLE orders", (TABLE,), "takes its place, or takes its rows"),
        ("ALTER TABLE other.orders RENAME TO shop.orders", (TABLE,), "takes its place, or takes its rows"),
        ("RENAME TABLE `orders` TO `_orders_del`, `_orders_gho` TO `orders`", (TABLE,), "gh-ost put its copy"),
        ("RENAME TABLE shop.orders TO shop.__orders_old, shop.__orders_new TO shop.orders", (TABLE,), "pt-online"),
        ("RENAME TABLE orders TO orders_new", (TABLE,), "no row changes by it, but the table is shop.orders_new from"),
        ("ALTER TABLE orders RENAME orders_new", (TABLE,), "the table gets another name"),
        ("RENAME TABLES x.y TO x.z, Orders WAIT 5 TO x.y", (TABLE,), "but the table is x.y from here on"),
        ("RENAME TABLE orders TO o, `new` TO orders, o TO `new`", (TABLE,), "shop.new takes the name shop.orders"),
        ("RENAME TABLE orders TO Orders", (TABLE,), "what becomes of the name shop.orders is not followed"),
        ("RENAME TABLE orders TO x, b TO X", (TABLE,), "but the table is elsewhere from here on"),
        ("RENAME TABLE orders TO o, o TO orders", (TABLE,), "what becomes of the name shop.orders is not followed"),
        ("DROP TABLE orders, hooked", (TABLE, "shop.hooked"), "and with it shop.hooked, by"),
    ],
)
def test_what_cannot_be_followed_says_why_and_where(text: str, tables: tuple[str, ...], why: str) -> None:
    made, recorded = shapes(shape("secret"))
    before = dict(made.schemas)
    with pytest.raises(Unfollowed, match=why) as stopped:
        made.meet(statement(text), tables)
    assert "table shop.orders was changed at b.000001:100" in stopped.value.message
    assert "keyshift cdc resume" in stopped.value.remedy
    assert (stopped.value.halt.place, stopped.value.halt.tables) == ("b.000001:100", tables)
    assert (recorded, made.schemas) == ([], before)


@pytest.mark.parametrize(
    ("text", "is_away"),
    [
        ("RENAME TABLE orders TO orders_new", True),
        ("ALTER TABLE orders ADD a INT NULL, RENAME AS orders_new", True),
        ("ALTER TABLE orders RENAME COLUMN id TO pk", False),
        (
            "RENAME TABLE orders TO _orders_del",
            False,
        ),  # gh-ost's first statement on MySQL 5.7: the second is on its way
        ("RENAME TABLE orders_new TO orders", False),
        ("RENAME TABLE orders TO _orders_del, _orders_gho TO orders", False),
        ("TRUNCATE orders", False),
    ],
)
def test_a_table_that_is_left_without_its_name_is_to_be_renamed_back_first(text: str, is_away: bool) -> None:
    made, _ = shapes(shape())
    with pytest.raises(Unfollowed) as stopped:
        made.meet(statement(text), (TABLE,))
    assert ("Rename it back" in stopped.value.remedy) == is_away
    assert "--decision reload" in stopped.value.remedy


def test_where_the_binlog_does_not_describe_its_rows_no_statement_is_followed() -> None:
    made, _ = shapes(shape(), described=False)
    with pytest.raises(Unfollowed, match="does not describe its rows"):
        made.meet(statement("ALTER TABLE orders ADD a INT"), (TABLE,))


def test_what_was_accepted_passes_and_the_table_is_what_the_statement_made_of_it() -> None:
    made, recorded = shapes(shape("late"), [Since(version(1, 1, 4, 0), shape())], ["1.1.100", "1.1.200", "1.1.300"])
    made.meet(statement("ALTER TABLE orders ADD a INT NOT NULL"), (TABLE,))
    assert names(made) == ["id", "a"]
    made.meet(statement("TRUNCATE orders", 200), (TABLE,))
    assert names(made) == ["id", "a"]
    made.meet(statement("RENAME TABLE orders TO _orders_del, _orders_gho TO orders", 300), (TABLE,))
    assert names(made) == ["id", "late"], "nothing tells what the copy looked like but the table as it is"
    with pytest.raises(Unfollowed):
        made.meet(statement("TRUNCATE orders", 400), (TABLE,))
    assert [since.version for since in recorded] == [version(1, 1, 150, 0), version(1, 1, 350, 0)]


def test_a_column_that_is_only_excluded_may_go() -> None:
    made, _ = shapes(shape("secret"))
    made.meet(statement("ALTER TABLE orders DROP secret"), (TABLE,))
    assert names(made) == ["id"]
    assert made.ignores(TABLE, "secret")
    assert not made.ignores(TABLE, "id")


def test_a_raised_epoch_begins_with_what_the_table_was_where_the_one_before_was_left() -> None:
    """Not with the newest: a killed daemon had read on. And not with what one found that got to a third server."""
    before = [Since(version(1, 5, 4, 0), shape()), Since(version(1, 5, 1000, 0), shape("a"))]
    lost = [Since(version(2, 9, 4, 0), shape())]
    left, begins = version(1, 5, 500, 0), version(2, 2, 4, 0)
    history = carried([*before, *lost], left, begins)
    assert history == (*before, Since(begins, shape()))
    assert carried(history, left, begins) == history
    assert current(history, version(2, 2, 4, 0)) == shape()
    assert carried(history, begins, version(4, 1, 4, 0))[-1] == Since(version(4, 1, 4, 0), shape())


def test_of_a_table_that_nothing_was_recorded_of_nothing_is_carried_over() -> None:
    assert carried((), version(1, 5, 500, 0), version(2, 2, 4, 0)) == ()


@given(st.lists(st.integers(1, 60), max_size=60))
def test_the_history_is_in_order_however_it_came_and_keeps_the_newest(offsets: list[int]) -> None:
    history: tuple[Since, ...] = ()
    for offset in offsets:
        history = with_shape(history, Since(version(1, 1, offset, 0), shape(f"c{offset}")))
    kept = sorted({*offsets})[-SHAPES_MAX:]
    assert [since.version for since in history] == [version(1, 1, offset, 0) for offset in kept]
    for at in range(62):
        known = [offset for offset in kept if offset <= at]
        expected = shape(f"c{known[-1]}") if known else None
        assert current(history, version(1, 1, at, 0)) == expected
