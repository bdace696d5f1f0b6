"""What is written for a rule is held to the plain code: the same item in the same order, or the same refusal."""

import dataclasses
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from unittest.mock import patch

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keymap import columns
from keymap.attributes import INTEGER_END
from keymap.errors import Problems
from keymap.generate import Chosen, put_columns
from keymap.lanes import lane_of
from keymap.patch import Item
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.template import PatchError
from keymap.values import Canonical, Json, Row, json_document, json_text
from tests.keymap.keymaps import TEXT, keymap
from tests.keymap.test_attributes import NUMBERS, decimals, json_documents

NAMES = ("a", "b", "c c", "it's", 'VALUE"', "ASKED\\", "é\n")
TYPES = ("S", "N", "BOOL", "JSON", "L", "B", "SS", "NS")
EDGES = (0, 1, 2, -1, INTEGER_END - 1, INTEGER_END, 1 - INTEGER_END, -INTEGER_END, 10**40, 10**40 + 1, 10**5000)
TEXTS = ("", "x", "é", "\ud800", "x" * 1025, "é" * 600, "x" * 2049, "1", "1.50", "[1, 2]", '{"a": 1.0}', "true")
DOCUMENTS = ("1", "true", "null", '"x"', '["a"]', "[1, 1.5]", '{"a": {"b": [null, 1e400]}}')

values: st.SearchStrategy[Canonical] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1) | st.sampled_from(EDGES),
    decimals,
    st.text(max_size=8) | st.sampled_from(TEXTS),
    st.binary(max_size=8) | st.just(b"x" * 2049),
    json_documents.map(json_document) | st.sampled_from(DOCUMENTS).map(json_text),
    st.lists(st.sampled_from(["a", "1", "2"]), unique=True).map(tuple),
)
usual = st.integers(0, 10**6) | st.text("abc", min_size=1, max_size=8)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Mostly whole, often with usual values only: else hardly any row would become an item."""
    names = draw(st.just(NAMES) | st.permutations(NAMES) | st.lists(st.sampled_from((*NAMES, "more")), unique=True))
    one = usual if draw(st.booleans()) else usual | values
    return {name: draw(one) for name in names}


@st.composite
def templates(draw: st.DrawFn) -> str:
    fields = st.sampled_from(NAMES).flatmap(
        lambda name: st.sampled_from(
            [f"{{{name}}}", f"{{{name}:012d}}", f"{{{name}:4d}}", f"{{{name}:00d}}", f"{{{name}|text|upper}}"]
        )
    )
    literals = st.sampled_from(["", "#", "A'\"\\{{}}%d\n", "é"])
    return "".join(draw(st.lists(literals | fields, min_size=1, max_size=4)))


@st.composite
def keys(draw: st.DrawFn, name: str) -> tuple[dict[str, str], dict[str, str]]:
    kind = draw(st.sampled_from("SSSNB"))
    return {name: kind}, {name: draw(templates() if kind == "S" else st.sampled_from(NAMES).map("{{{}}}".format))}


@st.composite
def keymaps(draw: st.DrawFn) -> Keymap:
    """With one rule of any form. What the check would refuse is welcome, as long as it can be compiled."""
    partition, key = draw(keys("pk"))
    target = {"partition_key": partition}
    if draw(st.booleans()):
        target["sort_key"], sort = draw(keys("k"))
        key |= sort
    some = st.lists(st.sampled_from(NAMES), unique=True)
    rule = {"target": "app", "key": key, "types": draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TYPES)))}
    rule |= {"defaults": draw(st.dictionaries(st.sampled_from(NAMES), st.just("none"), max_size=2))}
    rule |= draw(st.fixed_dictionaries({}, optional={"include": some}) | some.map(lambda names: {"exclude": names}))
    rule |= {"nulls": draw(st.sampled_from(["omit", "keep"])), "constants": draw(st.sampled_from([{}, {"b": 1}]))}
    rule["rename"] = draw(st.sampled_from([{}, {"a": "it's"}, {"a": 'new"'}, {"b": "pk"}, {"c c": "a"}]))
    text = yaml.safe_dump({"keyshift": 1, "targets": {"app": target}, "tables": {"d.t": [rule]}})
    try:
        return keymap(text)
    except Problems:
        assume(False)
        raise


rules = keymaps().map(lambda found: found.rules["d.t"][0])


def outcome(make: Callable[[Row], object], row: Row) -> str:
    try:
        return repr(make(row))
    except PatchError as error:
        return str(error)
    except (ArithmeticError, RecursionError, ValueError) as error:  # of values that no database gives
        return repr(type(error))


ODD: tuple[Canonical, ...] = (
    *(
        None,
        True,
        False,
        Decimal("1E+9999999"),
        Decimal("-1E-9999999"),
        *EDGES,
        *map(Decimal, NUMBERS),
        *TEXTS,
        b"",
        b"x",
        *map(json_text, DOCUMENTS),
    ),
    *(Json("["), Json("[" * 600 + "]" * 600), Json("1E+9999999999999999999"), (), ("a", "1"), ("1", "2")),
)


@pytest.mark.parametrize("wanted", [None, *TYPES])
def test_every_odd_value_is_the_plain_loops_business(wanted: str | None) -> None:
    chosen = [Chosen("a", "b", wanted)]
    written = put_columns(["a"], chosen, keep_nulls=True)
    for value in ODD:
        items: list[Item] = [{}, {}]
        found = outcome(partial(written, item=items[0]), {"a": value})
        assert found == outcome(lambda row: columns.put_plainly(row, items[1], chosen, keep_nulls=True), {"a": value})  # noqa: B023
        assert repr(items[0]) == repr(items[1]), repr(value)


@settings(max_examples=400)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(TYPES), min_size=1),
    st.lists(st.lists(values, min_size=len(NAMES), max_size=len(NAMES)), min_size=1, max_size=3),
    st.booleans(),
)
def test_what_is_written_for_columns_gives_what_the_plain_loop_gives(
    wanted: dict[str, str | None], held: list[list[Canonical]], keep_nulls: bool
) -> None:
    chosen = [Chosen(name, f"{name}!", kind) for name, kind in wanted.items()]
    written = put_columns(NAMES, chosen, keep_nulls=keep_nulls)

    def plain(row: Row, item: Item) -> None:
        columns.put_plainly(row, item, chosen, keep_nulls=keep_nulls)

    for row in (dict(zip(NAMES, one, strict=True)) for one in held):
        items: list[Item] = [{"z": {"S": "constant"}}, {"z": {"S": "constant"}}]
        assert outcome(partial(written, item=items[0]), row) == outcome(partial(plain, item=items[1]), row)
        assert repr(items[0]) == repr(items[1])


@settings(max_examples=400)
@given(rules, st.lists(rows(), min_size=1, max_size=5))
def test_what_is_written_for_a_rule_gives_the_same_item_or_the_same_refusal(rule: Rule, given_rows: list[Row]) -> None:
    plain = dataclasses.replace(rule, quick_key=lambda _: None)
    with patch.object(columns, "OFTEN", 0):
        expected = [outcome(partial(plain.patch, version="v"), row) for row in given_rows]
    rule.columns._shapes.clear()
    with patch.object(columns, "OFTEN", 1):
        for row in given_rows:
            outcome(partial(rule.patch, version="v"), row)  # of each shape the first goes through the plain loop
        assert [outcome(partial(rule.patch, version="v"), row) for row in given_rows] == expected


@settings(max_examples=400)
@given(rules, st.lists(rows(), min_size=1, max_size=5), st.integers(1, 4096))
def test_the_lane_of_a_row_is_that_of_its_key_or_the_same_refusal(
    rule: Rule, given_rows: list[Row], lanes: int
) -> None:
    def plain(row: Row) -> int | None:
        key = rule.key(row)
        return None if key is None else lane_of(rule.target.name, key, lanes)

    for row in given_rows:
        assert outcome(lambda row: rule.lane(row, lanes), row) == outcome(plain, row)


@pytest.fixture
def written() -> Iterator[list[tuple[str, ...]]]:
    """The shapes for which a function is written."""
    found: list[tuple[str, ...]] = []
    write = columns.put_columns
    with patch.object(
        columns, "put_columns", lambda names, *rest, **more: found.append(names) or write(names, *rest, **more)
    ):
        yield found


def test_a_function_is_written_once_for_a_shape_of_row_that_comes_often(written: list[tuple[str, ...]]) -> None:
    one, row = keymap(TEXT), {"id": 1, "name": "Ann", "vip": 1}
    for _ in range(3 * columns.OFTEN):
        one.row_patches("shop.customer", row, "v")
    one.row_patches("shop.customer", {**row, "added": 1}, "v")
    assert written == [tuple(row)]


def test_shapes_of_rows_do_not_gather_without_end() -> None:
    one = keymap(TEXT)
    for number_of_columns in range(3 * columns.SHAPES_MAX):
        row = {"id": 1} | {f"c{index}": 1 for index in range(number_of_columns)}
        one.row_patches("shop.customer", row, "v")
    assert len(one.rules["shop.customer"][0].columns._shapes) <= columns.SHAPES_MAX


@pytest.mark.parametrize("row", [{"id": 1, "name": "Ann", "vip": 1}, {"id": 1, "name": "Ann", "vip": None}])
def test_a_usual_row_needs_no_plain_code(row: Row) -> None:
    (rule,) = keymap(TEXT).rules["shop.customer"]
    assert rule.quick_key(row) == ("CUSTOMER#1", "PROFILE")
    check = rule.quick_check(row)
    assert check is not None
    assert check % 4096 == lane_of(rule.target.name, ("CUSTOMER#1", "PROFILE"), 4096)
    with patch.object(columns, "OFTEN", 1):
        rule.patch(row, "v")
    with patch.object(columns, "put_plainly", side_effect=AssertionError):
        assert rule.patch(row, "v").attributes == {"id": {"N": "1"}, "name": {"S": "Ann"}} | (
            {"vip": {"BOOL": True}} if row["vip"] else {}
        )
