"""Raw values of both readers meet in one canonical value per type."""

import base64
import struct
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.attributes import ITEM_BYTES_MAX, attribute, document, item_size, number, oversize
from keymap.values import Json, UnsupportedType, converter, json_document, json_text, labels, shortest_float32
from tests.keymap.keymaps import column


def convert(column_type: str, raw: object, charset: str | None = None) -> object:
    return converter(column("c", column_type, charset=charset))(raw)


@pytest.mark.parametrize(
    ("column_type", "raws", "expected"),
    [
        ("bigint unsigned", [2**64 - 1], 2**64 - 1),
        ("decimal(10,2)", [Decimal("12.30")], Decimal("12.30")),
        ("double", [0.1], Decimal("0.1")),
        ("float", [0.10000000149011612], Decimal("0.1")),
        ("date", ["0000-00-00"], "0000-00-00"),
        ("datetime", ["2024-02-29 01:02:03"], "2024-02-29T01:02:03"),
        ("timestamp(6)", ["2024-01-01 00:00:00.000000"], "2024-01-01T00:00:00.000000Z"),
        ("time", ["-838:59:59"], "-838:59:59"),
        ("set('a','b','c')", ["a,c"], ("a", "c")),
        ("set('a','b')", [""], ()),
        ("set('a','?')", ["😀"], ("😀",)),  # information_schema shows such a label as ?
        ("set('','b','c')", [5, "5"], ("", "c")),
        ("set('','b')", [0, "0"], ()),
        ("json", ['{"b": 1, "a": [1.0, null]}'], Json('{"a":[1,null],"b":1}')),
        ("uuid", ["6ccd780c-baba-1026-9564-5b8c65602400"], "6ccd780c-baba-1026-9564-5b8c65602400"),
        ("inet6", ["::ffff:1.2.3.4"], "::ffff:1.2.3.4"),
        ("vector(2)", [b"\0\0\x80?\0\0\0\0"], b"\0\0\x80?\0\0\0\0"),
        ("varchar(9) /*M!100301 COMPRESSED*/", ["text"], "text"),
        ("binary(4)", [b"\x00\xff\x00\x00"], b"\x00\xff\x00\x00"),
        ("varchar(9)", [None], None),
    ],
)
def test_every_raw_shape_of_a_value_gives_one_canonical_value(column_type: str, raws: list, expected: object) -> None:
    for raw in raws:
        assert convert(column_type, raw) == expected


@pytest.mark.parametrize("column_type", ["xmltype", "timestamp(3) /* mariadb-5.3 */", "time(6) /* mariadb-5.3 */"])
def test_types_that_are_not_read_exactly_are_refused_by_name(column_type: str) -> None:
    with pytest.raises(UnsupportedType, match="column c"):
        convert(column_type, b"")


def test_the_old_temporal_types_are_read_where_they_have_no_fraction() -> None:
    assert convert("datetime /* mariadb-5.3 */", "2024-02-29 01:02:03") == "2024-02-29T01:02:03"


def test_a_character_set_that_no_server_has_is_refused_by_name() -> None:
    assert convert("varchar(3)", "é", "sjis") == "é"
    with pytest.raises(UnsupportedType, match="column c has character set ebcdic"):
        convert("varchar(3)", "é", "ebcdic")


def test_labels_are_read_with_what_the_servers_escape_in_them() -> None:
    written = r"enum('a','it''s','a\\b','l\nf','c\rr','n\0l','','é','x,y')"
    assert labels(column("c", written)) == ("a", "it's", "a\\b", "l\nf", "c\rr", "n\0l", "", "é", "x,y")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_the_shortest_text_that_is_the_same_float32(value: float) -> None:
    assert struct.pack("f", float(shortest_float32(value))) == struct.pack("f", value)


DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(DOCUMENTS)
def test_a_document_is_the_same_from_its_text_and_from_its_parts(value: object) -> None:
    import json

    assert json_document(value) == json_text(json.dumps(value))
    assert json_text(json_document(value).text) == json_document(value)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_exact_and_within_dynamodbs_range_or_text(value: int | Decimal) -> None:
    ((kind, text),) = number(value).items()
    assert Decimal(text) == value
    if kind == "N":
        assert len(Decimal(text).as_tuple().digits) <= 38


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10**38 - 1, {"N": "9" * 38}),
        (10**38 + 1, {"S": "1" + "0" * 37 + "1"}),
        (Decimal("1E-131"), {"S": "1E-131"}),
        (Decimal("-0.00"), {"N": "0"}),
        ((), None),
        (("a",), {"SS": ["a"]}),
        (None, None),
        ("", {"S": ""}),
        (Json('{"a":[true,null,1.5]}'), {"M": {"a": {"L": [{"BOOL": True}, {"NULL": True}, {"N": "1.5"}]}}}),
    ],
)
def test_attributes(value: object, expected: object) -> None:
    assert attribute(value) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "filled",
    [
        lambda count: {"S": "x" * count},
        lambda count: {"S": '"' * count},
        lambda count: {"B": b"\xff" * count},
        lambda count: {"L": [{"M": {"": {"S": "x" * (count - 8)}}}]},
    ],
)
def test_an_item_is_oversize_from_one_byte_above_the_limit(filled: Any) -> None:
    most = ITEM_BYTES_MAX - item_size({"a": filled(8)}) + 8
    assert item_size({"a": filled(most)}) == ITEM_BYTES_MAX
    assert oversize({"a": filled(most)}) == 0
    assert oversize({"a": filled(most + 1)}) == ITEM_BYTES_MAX + 1


SHORT = st.text(max_size=9)


@settings(max_examples=300)
@given(
    st.dictionaries(
        SHORT,
        st.recursive(
            SHORT.map(lambda text: {"S": text})
            | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: {"N": f"{number:f}"})
            | st.binary(max_size=9).map(lambda data: {"B": data})
            | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3).map(lambda many: {"SS": many})
            | st.sampled_from([{"NULL": True}, {"BOOL": False}]),
            lambda inner: (
                st.lists(inner, max_size=3).map(lambda many: {"L": many})
                | st.dictionaries(SHORT, inner, max_size=3).map(lambda held: {"M": held})
            ),
            max_leaves=8,
        ),
        max_size=3,
    )
)
def test_as_json_an_item_is_never_shorter_than_its_size(item: Any) -> None:
    assert item_size(item) <= len(orjson.dumps(item, lambda data: base64.b64encode(data).decode()))


def test_item_size_counts_names_and_values() -> None:
    assert (
        item_size({"ab": {"S": "é"}, "c": {"N": "1234"}, "d": document({"x": [True]})})
        == 4 + (1 + 3) + 1 + 3 + 1 + 1 + 3 + 1 + 1
    )
