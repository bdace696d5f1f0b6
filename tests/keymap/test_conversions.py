"""What `types` makes of a value is what DynamoDB can hold, or the value is refused by name."""

from decimal import Decimal
from typing import Any

import pytest

from keymap.conversions import converted, own_type, types_of_column, types_of_kind
from keymap.kinds import kind_of, kind_of_value
from keymap.schema import Column
from keymap.template import PatchError
from keymap.values import Canonical, Json

ONE, HALF = b"\x00\x00\x80\x3f", b"\x00\x00\x00\x3f"  # float32, lowest byte first


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (5, "S", {"S": "5"}),
        (Json('{"a":1}'), "S", {"S": '{"a":1}'}),
        (" 5.0 ", "N", {"N": "5"}),
        ("1e3", "N", {"N": "1E+3"}),
        (Decimal("1.0"), "BOOL", {"BOOL": True}),
        (Json("false"), "BOOL", {"BOOL": False}),
        ('{"a": [1, "x"]}', "JSON", {"M": {"a": {"L": [{"N": "1"}, {"S": "x"}]}}}),
        (("a", "b"), "L", {"L": [{"S": "a"}, {"S": "b"}]}),
        (ONE + HALF, "L", {"L": [{"N": "1"}, {"N": "0.5"}]}),
        (Json('[1,"a"]'), "L", {"L": [{"N": "1"}, {"S": "a"}]}),
        (b"x", "B", {"B": b"x"}),
        (("a", "b"), "SS", {"SS": ["a", "b"]}),
        ('["b", "a", "b"]', "SS", {"SS": ["b", "a"]}),
        (Json("[1,1.5,1]"), "NS", {"NS": ["1", "1.5"]}),
        ("[1, 1.0]", "NS", {"NS": ["1"]}),
        (("1", "01", "2"), "NS", {"NS": ["1", "2"]}),
        ('["AAE=", "", "AAE="]', "BS", {"BS": [b"\x00\x01", b""]}),
        (Json('["+/8="]'), "BS", {"BS": [b"\xfb\xff"]}),
        ('["AAE=", "AAF="]', "BS", {"BS": [b"\x00\x01"]}),  # two texts of the same bytes
    ],
)
def test_a_value_that_the_type_can_hold(value: Canonical, wanted: str, expected: Any) -> None:
    assert converted(value, wanted, "c") == expected


@pytest.mark.parametrize("wanted", ["SS", "NS", "BS"])
@pytest.mark.parametrize("value", ["[]", Json("[]")])
def test_an_empty_set_is_no_attribute(value: Canonical, wanted: str) -> None:
    assert converted(value, wanted, "c") is None


@pytest.mark.parametrize("wanted", ["SS", "NS"])
def test_an_empty_set_of_the_source_is_no_attribute(wanted: str) -> None:
    assert converted((), wanted, "c") is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"x", "S"),
        ("NaN", "N"),
        ("1_0", "N"),
        ("\u0661", "N"),  # an Arabic one
        ("", "N"),
        ("1e9999999999", "N"),
        (Json("1"), "N"),
        (2, "BOOL"),
        ("1", "BOOL"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        (b"\xff", "JSON"),
        ('{"a": 1}', "L"),
        (b"abc", "L"),
        (b"\xff\xff\xff\xff", "L"),  # not a number
        ("text", "B"),
        (5, "B"),
        ("[1]", "SS"),
        ('"a"', "SS"),
        ('["1"]', "NS"),
        ("[true]", "NS"),
        ("[null]", "NS"),
        (("a",), "NS"),
        (b'["a"]', "SS"),
        ("[1e200]", "NS"),
        (5, "NS"),
        ('["AAE"]', "BS"),  # without its padding
        ('["A A E ="]', "BS"),
        ('["-_8="]', "BS"),  # the alphabet of URLs
        ('["é==="]', "BS"),
        ("[1]", "BS"),
        ('"AAE="', "BS"),
        (b'["AAE="]', "BS"),
        (("AAE=",), "BS"),
    ],
)
def test_a_value_that_the_type_cannot_hold_is_refused_with_the_columns_name(value: Canonical, wanted: str) -> None:
    with pytest.raises(PatchError, match=f"^column c holds a value that is no {wanted}. Change its entry in types$"):
        converted(value, wanted, "c")


@pytest.mark.parametrize("wanted", [None, "S", "N", "BOOL", "JSON", "L", "B", "SS", "NS", "BS"])
def test_null_is_no_attribute_of_any_type(wanted: str | None) -> None:
    assert converted(None, wanted, "c") is None


@pytest.mark.parametrize(
    "value", [5, Decimal("1.5"), "text", "5", "[]", b"x", b"[]", ONE, Json("[1]"), Json("true"), ("a",), ("1",)]
)
def test_what_is_told_of_a_kind_holds_for_each_of_its_values(value: Canonical) -> None:
    """A conversion that the check refuses would never have worked (but bytes as a list, which are no VECTOR)."""
    kind = kind_of_value(value)
    for wanted in types_of_kind("any") - types_of_kind(kind) - ({"L"} if kind == "bytes" else set()):
        with pytest.raises(PatchError):
            converted(value, wanted, "c")
    own = own_type(kind)
    assert not own or own in (converted(value, None, "c") or {})


@pytest.mark.parametrize("column_type", ["blob", "vector(2)", "json", "date", "set('a')", "int"])
def test_a_column_takes_what_its_kind_takes_and_of_bytes_only_a_vector_is_a_list(column_type: str) -> None:
    column = Column("c", column_type.split("(", maxsplit=1)[0], column_type, nullable=False)
    expected = {"B", "L"} if column_type == "vector(2)" else types_of_kind(kind_of(column))
    assert types_of_column(column) == expected
