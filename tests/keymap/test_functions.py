"""Each function gives what is documented, today and for ever, and refuses by name what it does not take."""

import re
from base64 import b64decode
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.functions import compile_function
from keymap.template import PatchError, parse_template
from keymap.values import Canonical, Json, json_text

TEXTS = st.text(st.characters(codec="utf-8"))


def value(calls: str, given_value: Canonical, **row: Canonical) -> Canonical:
    return parse_template(f"{{c|{calls}}}").value({"c": given_value, **row}, {})


@pytest.mark.parametrize(
    ("calls", "given_value", "expected"),
    [
        ("upper", "straße", "STRASSE"),
        ("lower", "ÄB", "äb"),
        ("trim", " \ta b\r\n", "a b"),
        ("trim", "\xa0a", "\xa0a"),
        ("left(2)", "äöü", "äö"),
        ("left(7)", "2024-02-29", "2024-02"),
        ("left(9)", "ab", "ab"),
        ("pad(5)", 42, "00042"),
        ("pad(5)", -42, "-0042"),
        ("pad(5)", Decimal("42.00"), "00042"),
        ("pad(5, ' ')", -42, "  -42"),
        ("pad(5, '0')", "-42", "00-42"),
        ("pad(2, fill='*')", "abc", "abc"),
        ("text", 42, "42"),
        ("text", Decimal("1.50"), "1.50"),
        ("text", Decimal("1E+3"), "1000"),
        ("text", Json('{"a":1}'), '{"a":1}'),
        ("number", "42", 42),
        ("number", "-1.50", Decimal("-1.50")),
        ("number", "1e3", Decimal("1e3")),
        ("number", 7, 7),
        ("text|left(1)|number", 42, 4),
        ("hex", b"\x00\xab", "00ab"),
        ("hex", "ä", "c3a4"),
        ("hex|upper", b"\xab", "AB"),
        ("base64", b"\xfb\xff", "+/8="),
        ("base64", "ä", "w6Q="),
        ("default('x')", None, "x"),
        ("default('')", None, ""),
        ("default(-1)", None, -1),
        ("default('it''s }{|')", None, "it's }{|"),
        ("default('x')", "y", "y"),
        ("upper|default('x')", None, "x"),
        ("default('x')|upper", None, "X"),
        ("upper", None, None),
    ],
)
def test_what_a_function_makes_of_a_value(calls: str, given_value: Canonical, expected: Canonical) -> None:
    found = value(calls, given_value)
    assert (type(found), found) == (type(expected), expected)


def test_coalesce_takes_the_first_column_that_is_not_null_and_goes_on_with_it() -> None:
    assert value("coalesce(d)", 1, d=2) == 1
    assert value("coalesce(d)", None, d=2) == 2
    assert value("coalesce('odd name')|upper", None, **{"odd name": "x"}) == "X"
    assert value("coalesce(d)|coalesce(e)", None, d=None, e=3) == 3
    assert value("coalesce(d)|default('none')", None, d=None) == "none"
    assert parse_template("{c|coalesce(d)|coalesce(e)}").columns == ("c", "d", "e")
    with pytest.raises(PatchError, match="the row has no column d"):
        value("coalesce(d)", None)


@pytest.mark.parametrize(
    ("calls", "given_value", "expected"),
    [
        ("shard(10)", 1, "3"),
        ("shard(10)", "1", "3"),
        ("shard(10)", 12345, "4"),
        ("shard(11)", 12345, "01"),
        ("shard(200)", "straße", "141"),
        ("shard(1000000)", b"\x00\xff", "356594"),
        ("shard(16)", "", "00"),
        ("shard(16)", Decimal("1.50"), "08"),
        ("hash(8)", 1, "6b86b273"),
        ("hash(8)", "1", "6b86b273"),
        ("hash(12)", "straße", "787f4770613d"),
        ("hash(64)", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("hash(4)", Json('{"a":1}'), "015a"),
    ],
)
def test_shard_and_hash_never_change(calls: str, given_value: Canonical, expected: str) -> None:
    """Items are found by them: a value that is changed here orphans the items of every migration.

    The values are those of gzip's CRC-32 and of sha256sum.
    """
    assert value(calls, given_value) == expected


@given(st.one_of(st.integers(), TEXTS, st.binary()), st.integers(2, 1_000_000))
def test_a_shard_is_below_the_count_and_as_wide_as_the_last_one(given_value: Canonical, count: int) -> None:
    found = value(f"shard({count})", given_value)
    assert isinstance(found, str)
    assert 0 <= int(found) < count
    assert len(found) == len(str(count - 1))


@given(st.binary())
def test_hex_and_base64_can_be_undone(given_value: bytes) -> None:
    assert bytes.fromhex(str(value("hex", given_value))) == given_value
    assert b64decode(str(value("base64", given_value)), validate=True) == given_value


@given(st.integers(-(10**18), 10**18))
def test_padded_whole_numbers_are_those_of_the_format(number: int) -> None:
    assert value("pad(10)", number) == format(number, "010d")
    assert value("text|number", number) == number


@given(TEXTS, st.integers(1, 50))
def test_padded_text_has_the_width_and_ends_with_the_text(text: str, width: int) -> None:
    found = str(value(f"pad({width}, '.')", text))
    assert len(found) == max(width, len(text))
    assert found.endswith(text)
    assert set(found.removesuffix(text)) <= {"."}


DOCUMENT = (
    r'{"a": {"b c": [1, 2.50, "x", true, null, {"d": []}]}, "$e": -0.0, "ü": "ä", "big": 1e400, "half": "\ud800"}'
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.ü", "ä"),
        ('$.a."b c"[0]', 1),
        ('$."\\u0061"."b c"[1]', Decimal("2.5")),
        ('$.a."b c"[2]', "x"),
        ('$.a."b c"[3]', Json("true")),
        ('$.a."b c"[4]', None),
        ('$.a."b c"[5].d', Json("[]")),
        ('$.a."b c"[6]', None),
        ('$.a."b c".d', None),
        ("$.a[0]", None),
        ("$.nothing.more", None),
        ("$.$e", 0),
        ("$.big", Decimal("1E+400")),
    ],
)
def test_a_path_finds_values_in_documents_and_in_their_text(path: str, expected: Canonical) -> None:
    for given_value in (DOCUMENT, json_text(DOCUMENT)):
        found = value(f"json('{path}')", given_value)
        assert (type(found), found) == (type(expected), expected)


def test_the_whole_document_is_a_path_too() -> None:
    assert value("json('$')", '{"b": 1.0, "a": []}') == Json('{"a":[],"b":1}')
    assert value("json('$')|number", " 5 ") == 5


@pytest.mark.parametrize(
    ("calls", "given_value", "expected"),
    [
        ("upper", 1, "column c: upper takes text, not a whole number"),
        ("trim", b"SECRET", "trim takes text, not bytes"),
        ("left(2)", Json("[1]"), "left takes text, not a JSON document"),
        ("pad(5)", "SECRET", "pad is given text and no character to fill it with"),
        ("pad(5)", Decimal("1.5"), "pad takes text or a whole number, not a number that may have a fraction"),
        ("pad(5)", Decimal("1E+9999"), "pad takes text or a whole number"),
        ("text", b"SECRET", "text takes what has a text, not bytes"),
        ("text", ("SECRET",), "text takes what has a text, not a SET"),
        ("number", "SECRET", "number takes a number's text, and this is none"),
        ("number", "", "number takes a number's text"),
        ("number", "\u0661", "number takes a number's text"),
        ("number", "nan", "number takes a number's text"),
        ("number", "9" * 201, "number takes a number's text"),
        ("number", b"1", "number takes text or a number, not bytes"),
        ("hex", 1, "hex takes bytes or text, not a whole number"),
        ("base64", Json("1"), "base64 takes bytes or text, not a JSON document"),
        ("shard(3)", ("a",), "shard takes what has a text, not a SET"),
        ("json('$.a')", "SECRET", "json takes JSON, and this text is none"),
        ("json('$.a')", "[" * 100_000, "json takes JSON, and this text is none"),
        ("json('$.a')", 5, "json takes JSON, not a whole number"),
        ("json('$.half')", DOCUMENT, "json finds half of a surrogate pair"),
        ("date('%Y')", "SECRET", "date takes a DATE, DATETIME or TIMESTAMP, not text"),
        ("epoch", 5, "epoch takes a DATE, DATETIME or TIMESTAMP, not a whole number"),
    ],
)
def test_what_a_function_does_not_take_is_refused_by_column_and_function(
    calls: str, given_value: Canonical, expected: str
) -> None:
    with pytest.raises(PatchError) as refused:
        value(calls, given_value)
    assert expected in str(refused.value)
    assert "column c: " in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert refused.value.remedy


def signature(name: str) -> str:
    """How a function may be written, as the refusal of too many arguments says it."""
    with pytest.raises(ValueError, match="it takes") as refused:
        compile_function(name, [1] * 9, {})
    return str(refused.value).partition(": it takes")[0]


def names() -> list[str]:
    with pytest.raises(ValueError, match="not known") as refused:
        compile_function("nothing", [], {})
    return str(refused.value).partition("there are ")[2].split(", ")


def test_the_table_in_the_documentation_has_every_function_with_its_parameters() -> None:
    text = (Path(__file__).parents[2] / "docs" / "keymap.md").read_text(encoding="utf-8")
    section = text.split("### Templates")[1].split("### ")[0]
    cells = re.findall(r"^\| (`[a-z0-9]+[(`].*?) \|", section, re.MULTILINE)
    documented = [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]
    assert sorted(documented) == sorted(map(signature, names()))
