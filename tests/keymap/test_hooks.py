"""A hook makes rows of a row, changes only what its rule says, and shows nothing of a row but its key when it fails."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from keymap.hook_values import canonical
from keymap.hooks import Hook
from keymap.patch import Patch
from keymap.template import PatchError
from keymap.values import Canonical, Json, Row

ROW: Row = {"id": 5, "name": "secret", "tags": Json('["a","b"]'), "price": Decimal("1.00")}


def hook(function: Callable[[Row], object], *columns: str) -> Hook:
    return Hook("shop_hooks:split", function, columns, ("id",))


def refused(function: Callable[[Row], object], *columns: str, row: Row = ROW) -> str:
    with pytest.raises(PatchError) as found:
        hook(function, *columns).rows(row)
    assert "secret" not in str(found.value)
    assert found.value.remedy
    return found.value.message


def test_a_hook_gives_one_row_none_or_several() -> None:
    assert hook(lambda row: row).rows(ROW) == [ROW]
    assert hook(lambda _: None).rows(ROW) == []
    assert hook(lambda _: []).rows(ROW) == []
    several = hook(lambda row: [{**row, "tag": tag} for tag in row["tags"].document()], "tag").rows(ROW)
    assert several == [ROW | {"tag": "a"}, ROW | {"tag": "b"}]


def test_a_hook_changes_the_columns_that_are_named_and_the_rows_columns_keep_their_order() -> None:
    (made,) = hook(lambda row: {"extra": 1, **row, "name": row["name"].upper()}, "extra", "name").rows(ROW)
    assert made == ROW | {"name": "SECRET", "extra": 1}
    assert list(made) == ["id", "name", "tags", "price", "extra"]


def test_a_hook_has_a_copy_of_the_row_for_itself() -> None:
    row = dict(ROW)

    def clear(given: Row) -> None:
        given.clear()

    assert hook(clear).rows(row) == []
    assert row == ROW


def test_what_is_equal_and_written_otherwise_stays_as_it_was() -> None:
    (made,) = hook(lambda row: {**row, "price": Decimal("1.0")}).rows(ROW)
    assert repr(made["price"]) == "Decimal('1.00')"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 6}, "changed column id, which its `columns` do not name"),
        ({"id": True}, "changed column id"),
        ({"id": 5.0}, "changed column id"),
        ({"name": None}, "changed column name"),
        ({"secret": 1}, "returned a column that neither the row nor its `columns` have"),
        ({5: 1}, "returned a column that neither"),
    ],
)
def test_a_column_that_is_not_named_comes_back_unchanged_or_the_row_is_refused(change: dict, message: str) -> None:
    assert f"hook shop_hooks:split {message}" in refused(lambda row: row | change)
    assert f"hook shop_hooks:split {message}" in refused(lambda row: [row | {"made": 1}, row | change], "made")


def test_a_column_that_is_left_out_is_a_mistake() -> None:
    assert "changed column price" in refused(lambda row: {name: row[name] for name in ("id", "name", "tags")})
    assert refused(lambda row: row, "made") == "hook shop_hooks:split returned no column made for the row with id 5"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("secret", "returned a value of type str for the row with id 5"),
        ((ROW, ROW), "returned a value of type tuple"),
        ([ROW, None], "returned a value of type NoneType"),
        ([[ROW]], "returned a value of type list"),
        ([ROW] * 1001, "returned 1001 rows, and may return 1000"),
    ],
)
def test_what_is_no_row_is_refused_by_its_type(given: object, message: str) -> None:
    assert message in refused(lambda _: given)


def test_an_exception_is_told_by_its_type_and_the_rows_key_and_never_by_its_text() -> None:
    def fail(row: Row) -> None:
        raise ValueError(f"cannot do {row['name']}")

    assert refused(fail) == "hook shop_hooks:split raised ValueError for the row with id 5"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        ("x\n" + "y" * 80, "'x\\n" + "y" * 55 + "…"),
        (b"\x00", "b'\\x00'"),
        (10**70, "1" + "0" * 58 + "…"),
    ],
)
def test_the_rows_key_is_told_on_one_line_and_cut(value: Canonical, shown: str) -> None:
    message = refused(lambda _: 5, row={**ROW, "id": value})
    assert message == f"hook shop_hooks:split returned a value of type int for the row with id {shown}"


def test_a_key_that_the_hook_makes_itself_is_not_told() -> None:
    with pytest.raises(PatchError, match="for the row with a key of its own making"):
        Hook("m:f", lambda _: 5, (), ()).rows(ROW)


def test_two_rows_of_one_row_are_never_one_slots() -> None:
    def make(row: Row, version: str) -> Patch | None:
        return None if row["tag"] == "x" else Patch("t", (str(row["tag"]),), "", {}, version)

    def split(*tags: str) -> list[Patch]:
        return hook(lambda row: [{**row, "tag": tag} for tag in tags], "tag").patches(make, ROW, "v")

    assert [patch.key for patch in split("a", "x", "b", "x")] == [("a",), ("b",)]
    with pytest.raises(PatchError, match="returned two rows for one item for the row with id 5"):
        split("a", "b", "a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (5, 5),
        (True, 1),
        (0.1, Decimal("0.1")),
        (1e300, Decimal("1e300")),
        (Decimal("1.50"), Decimal("1.50")),
        ("é", "é"),
        (b"\xff", b"\xff"),
        (("a", "b", "a"), ("a", "b")),
        ((), ()),
        ({"b": [1, 1.5, None, True], "a": Json("[2.0]")}, Json('{"a":[2],"b":[1,1.5,null,true]}')),
        ([], Json("[]")),
        (Json('{ "b": 1.0 }'), Json('{"b":1}')),
    ],
)
def test_a_value_is_canonical_or_stands_for_one(value: object, expected: Canonical) -> None:
    assert repr(canonical(value)) == repr(expected)


class Text(str):
    __slots__ = ()


endless: list = []
endless.append(endless)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "a value of type set"),
        (Text("x"), "a value of type Text"),
        (bytearray(b"x"), "a value of type bytearray"),
        (float("nan"), "a number that is not finite"),
        (Decimal("Infinity"), "a number that is not finite"),
        (Decimal("1e1001"), "a number beyond all ranges"),
        (Decimal("1e-1001"), "a number beyond all ranges"),
        (10**1001, "a number beyond all ranges"),
        ("\ud800", "a text with half a character"),
        (("a", 1), "a tuple with a value of type int"),
        (("\ud800",), "a text with half a character"),
        ({1: 2}, "a dict with a key that is no text"),
        ([{"a": b"x"}], "a value of type bytes"),
        ([float("inf")], "a number that is not finite"),
        (Json("{"), "Expecting property name"),
        (endless, "a document that is nested too deep"),
    ],
)
def test_a_value_that_is_none_is_refused_and_its_column_named(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical(value)
    told = refused(lambda row: {**row, "made": value}, "made")
    assert message in told
    assert ", as column made for the row with id 5" in told
