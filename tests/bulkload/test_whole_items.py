"""Items made in one step are those that patches and slots give, whatever the keymap and the rows; so are refusals."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.load.writes import ChunkRows, plan_writes
from keymap.attributes import ITEM_BYTES_MAX
from keymap.items import WholeItems
from keymap.needs import needs_of
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.values import Row
from keymap.version import floor
from keyshift.aws.items import EncodedItem
from tests.examples.example import FOLDER, Example
from tests.keymap.keymaps import TEXT, column, keymap
from tests.keymap.test_generate import NAMES, keymaps, rows, usual, values

EXAMPLES = {path.name: Example(path.name).keymap() for path in sorted(FOLDER.iterdir()) if path.is_dir()} | {
    "shop": keymap(TEXT)
}
WHOLE = [
    (example, table)
    for example, made in EXAMPLES.items()
    for table in made.tables
    if WholeItems(made, table, "m", floor(1)).possible
]
LARGE = "x" * ITEM_BYTES_MAX
ANY = usual | values | st.just(LARGE)


def columns_of(made: Keymap, table: str) -> list[str]:
    """Those that the keymap names, and one that it does not."""
    return [*sorted(needs_of(made.rules[table]).named), "another"]


def outcome(made: Keymap, schema: TableSchema, given_rows: list[Row]) -> object:
    """All puts, in their order, and all rejects, in any."""
    try:
        writes = plan_writes(made, "shop.0000000a", ChunkRows(schema, given_rows, 0, floor(1)))
    except (ArithmeticError, RecursionError, ValueError) as error:  # of values that no database gives
        return type(error)
    assert not writes.guarded
    return [(table, dict(item.items())) for table, item in writes.puts], sorted(
        writes.rejects, key=lambda reject: reject.reason
    )


def both(made: Keymap, schema: TableSchema, given_rows: list[Row]) -> tuple[object, object]:
    quick = outcome(made, schema, given_rows)
    with patch.object(WholeItems, "possible", new=False):
        return quick, outcome(made, schema, given_rows)


@settings(max_examples=150)
@given(keymaps(), st.lists(rows(), min_size=1, max_size=4), st.booleans())
def test_any_rule_gives_the_same_items_or_the_same_refusals(made: Keymap, some: list[Row], twice: bool) -> None:
    schema = TableSchema("d", "t", tuple(map(column, NAMES)), ("a", "c c"))
    quick, slow = both(made, schema, some + some[: int(twice)])
    assert quick == slow


def test_the_examples_have_such_tables_and_others() -> None:
    assert len(WHOLE) > 5
    assert not WholeItems(EXAMPLES["shop"], "shop.purchase", "m", floor(1)).possible


@pytest.mark.parametrize(("example", "table"), WHOLE)
@settings(max_examples=60)
@given(data=st.data())
def test_the_examples_give_the_same_items_or_the_same_refusals(example: str, table: str, data: st.DataObject) -> None:
    made = EXAMPLES[example]
    names = columns_of(made, table)
    database, _, name = table.partition(".")
    schema = TableSchema(database, name, tuple(map(column, names)), tuple(names[:2]))
    one = usual if data.draw(st.booleans()) else ANY
    some = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, one)), min_size=1, max_size=4))
    quick, slow = both(made, schema, some)
    assert quick == slow


def test_what_no_utf8_can_hold_is_left_to_the_service() -> None:
    """As an item that is encoded when it is sent, in a way that has an escape for it."""
    made = EXAMPLES["shop"]
    schema = TableSchema("shop", "customer", tuple(map(column, ("id", "name"))), ("id",))
    found = plan_writes(
        made, "m", ChunkRows(schema, [{"id": 1, "name": "\ud800"}, {"id": 2, "name": "x"}], 0, floor(1))
    )
    assert [type(item) for _, item in found.puts] == [dict, EncodedItem]
