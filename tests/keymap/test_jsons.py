"""One canonical text for equal JSON documents, whichever way it was made."""

import json
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.jsons import Json, json_document, json_of, json_text, number_text

NUMBERS = (
    st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(10**45), 10**45)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.decimals(allow_nan=False, allow_infinity=False)
)


def is_text(text: str) -> bool:
    """Whether no two surrogates stand side by side that are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") == text


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=5).filter(is_text)  # lone surrogates too
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def plain(value: object) -> str:
    """JSON text of a document in another form than the canonical one: blanks, escapes, keys unsorted."""
    if isinstance(value, dict):
        return "{ " + " , ".join(f"{json.dumps(key)} : {plain(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[ " + ",".join(map(plain, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


@given(DOCUMENTS)
def test_text_parts_and_the_exact_way_give_the_same_canonical_text(value: object) -> None:
    canonical = json_document(value)
    assert json_of(value) == json_text(plain(value)) == json_text(plain(value).encode()) == canonical
    assert json_text(canonical.text) == json_of(canonical.document()) == canonical
    assert canonical.document() == value
    canonical.text.encode()


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False), lambda inner: st.lists(inner, max_size=9)))
def test_a_double_is_its_shortest_digits_by_value(value: object) -> None:
    assert json_document(value) == json_text(json.dumps(value))


def test_every_character_is_written_the_same_by_both_ways_and_only_escaped_where_json_requires_it() -> None:
    surrogates = range(0xD800, 0xE000)
    for code in range(sys.maxunicode + 1):
        text = chr(code)
        exact = json_document(text).text
        if code in surrogates:
            expected = f'"\\u{code:04x}"'
        elif code < 0x20 or text in '"\\':
            expected = json.dumps(text)
        else:
            expected = f'"{text}"'
        assert (json_of(text).text, exact) == (expected, expected)


@given(st.lists(ANY_TEXT, unique=True, max_size=6))
def test_keys_are_sorted_by_code_point(keys: list[str]) -> None:
    found = json_of(dict.fromkeys(keys, 1))
    assert list(found.document()) == sorted(keys)
    assert found == json_document(dict.fromkeys(keys, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e9", "0"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("1E+2", "100"),
        ("100.10", "100.1"),
        ("1e37", "1" + "0" * 37),
        ("1e38", "1E+38"),
        ("1" + "0" * 38, "1E+38"),
        ("1e-7", "1E-7"),
        ("0.000001", "0.000001"),
        ("12345678901234567890123456789012345.6789", "12345678901234567890123456789012345.6789"),
        ("1" * 50 + ".5", "1" * 50 + ".5"),
        ("18446744073709551616", "18446744073709551616"),
        ("7" * 5000, "7." + "7" * 4999 + "E+4999"),
        ("1e-5000", "1E-5000"),
        ("0e-99999999", "0"),
        ('{"b":1,"a":2,"b":3}', '{"a":2,"b":3}'),
        ('{"é":1,"z":2,"":3}', '{"":3,"z":2,"é":1}'),
        ('"\\u00e9\\u2028\\u007f\\/"', '"é\u2028\x7f/"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ('["\\ud83d", 1.50]', '["\\ud83d",1.5]'),
        (" [ ] ", "[]"),
    ],
)
def test_the_canonical_text_of_a_document(text: str, expected: str) -> None:
    assert json_text(text) == json_text(text.encode()) == Json(expected)
    assert json_text(expected) == Json(expected)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            "NaN",
            "-Infinity",
            "[Infinity]",
            "01",
            "1.",
            "'a'",
            "[1,]",
            '"\n"',
            "{1:2}",
            "1e99999999999999999999",
        ],
        *["[" * 100_000, "[" * 100_000 + "]" * 100_000, b'"\xff"', b"\xef\xbb\xbf1"],
    ],
)
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each parser has its own words
        json_text(text)


@pytest.mark.parametrize("value", [(), {1}, b"", object(), {"a": [1j]}, float("nan"), [Decimal("Infinity")]])
def test_a_document_of_other_types_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="a JSON document holds"):
        json_document(value)


def test_nesting_beyond_what_the_fast_writer_takes_is_written_all_the_same() -> None:
    text = "[" * 300 + "1.0" + "]" * 300
    assert json_text(text).text == text.replace("1.0", "1")
    value: object = 1
    for _ in range(5000):
        value = [value]
    for way in (json_document, json_of):
        with pytest.raises(ValueError, match="too deep"):
            way(value)


@given(NUMBERS, st.integers(0, 9))
def test_a_number_text_is_the_number_whatever_zeros_it_was_written_with(number: int | Decimal, zeros: int) -> None:
    exact = Decimal(number)
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    assert Decimal(number_text(exact)) == number
    assert number_text(Decimal((sign, digits + (0,) * zeros, exponent - zeros))) == number_text(exact)
