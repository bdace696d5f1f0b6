"""Attributes of numbers and documents: the short ways give what the plain steps give."""

import json
from decimal import Context, Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from keymap.attributes import attribute, json_attribute, json_text_attribute, number
from keymap.conversions import converted
from keymap.nesting import LEVELS_MAX, NotTaken
from keymap.template import PatchError
from keymap.values import json_text

NUMBERS = "0 -0 0.00 -0.0 1.0 10.00 12.50 120 1E+3 1.5E-7 0.000001 1E-200 1.1E+126 NaN NaN123 sNaN Infinity".split()

json_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(NUMBERS).map(Decimal)


@settings(max_examples=500)
@given(decimals | st.decimals(places=2) | st.integers())
@example(Decimal("-0.00"))
@example(Decimal("100.00"))
@example(Decimal("9" * 38 + ".0"))
def test_a_numbers_text_is_the_one_of_its_normal_form(value: Decimal | int) -> None:
    assume(not Decimal(value).is_nan())
    exact = Decimal(value).normalize(Context(prec=1000))
    fits = len(exact.as_tuple().digits) <= 38 and -130 <= exact.adjusted() <= 125 and exact.is_finite()
    if not exact:
        assert number(value) == {"N": "0"}
    elif len(str(exact)) <= 38:
        assert number(value) == {"N": str(value if isinstance(value, int) else exact)} or not fits
    else:
        assert set(number(value)) == {"N" if fits else "S"}


def exactly(value: object) -> dict:
    """A decoded document as an attribute, one plain step after the other."""
    if isinstance(value, dict):
        return {"M": {name: exactly(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"L": [exactly(inner) for inner in value]}
    if isinstance(value, bool) or value is None:
        return {"NULL": True} if value is None else {"BOOL": value}
    return {"S": value} if isinstance(value, str) else number(value)


def is_taken(value: object, room: int = LEVELS_MAX) -> bool:
    """Whether DynamoDB takes a decoded document: no empty name, and so many lists and maps within each other."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return room > 0 and not (isinstance(value, dict) and "" in value) and all(is_taken(one, room - 1) for one in inner)


@settings(max_examples=500)
@given(json_documents.map(json.dumps))
@example("0.1000000000000000055511151231257827021181583404541015625")
@example("[18446744073709551615, 18446744073709551616, -9223372036854775809, 1e400, -0.0, 1.0, 1e16, 1e-7]")
@example('{"b": "\\ud800", "a": 0.5, "b": 1}')
@example("[" * 300 + "0.5" + "]" * 300)
def test_a_documents_attribute_is_that_of_its_exact_values(text: str) -> None:
    document = json_text(text)
    if not is_taken(document.document()):
        for make in (json_attribute, attribute):
            with pytest.raises(NotTaken):
                make(document)
        return
    assert repr(json_attribute(document)) == repr(exactly(document.document())) == repr(attribute(document))


@settings(max_examples=500)
@given(json_documents, st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t:")]), st.booleans())
@example([18446744073709551615, 2.0, -0.0, 1e16, 1e5, 100.0, 1e-7, 0.00001, {"b c": 12.5, "a": 1}], (", ", ": "), True)
def test_text_as_a_server_keeps_it_gives_the_attribute_of_its_canonical_form(
    document: object, separators: tuple[str, str], escaped: bool
) -> None:
    """Names in maps may stand in another order, which says nothing."""
    text = json.dumps(document, separators=separators, ensure_ascii=escaped)
    if not is_taken(document):
        with pytest.raises(PatchError, match="column c holds a JSON document that DynamoDB does not take"):
            converted(text, "JSON", "c")
        return
    found = json_text_attribute(text)
    assert found in (None, json_attribute(json_text(text)))
    assert converted(text, "JSON", "c") == json_attribute(json_text(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"b": 1, "a": "x  y"}',
        "[1.5, -2]",
        "12.50e1",
        '{"a":1,"a":2.5}',
        "1" * 39,
        "1e400",
        "-0",
        "-0.0",
        "2.50",
        '"\\u00e9"',
        "[" * 31 + "0.5" + "]" * 31,
        '"\\ud800"',
        "1E+130",
        "0.1000000000000000055511151231257827021181583404541015625",
    ],
)
def test_any_number_of_such_text_is_exact(text: str) -> None:
    assert converted(text, "JSON", "c") == json_attribute(json_text(text)) == exactly(json_text(text).document())


@pytest.mark.parametrize("text", ['{"b": 1, "a": [true, null, "1.5"]}', "[1.5, -2]", '{"a b":2.25}', "7", '"x"', "3.0"])
def test_usual_text_needs_no_canonical_form(text: str) -> None:
    assert json_text_attribute(text) == json_attribute(json_text(text))


@settings(max_examples=500)
@given(
    st.recursive(
        st.sampled_from(["", '"":', '\\"', "[", "{", 1, 0.5, None]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", '"', "a"]), inner, max_size=2),
        max_leaves=12,
    ),
    st.integers(0, 5),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,", "\n:")]),
)
@example({'a"': [""]}, 2, (",", ":"))
def test_what_dynamodb_does_not_take_is_refused_and_nothing_else(
    document: object, room: int, separators: tuple[str, str]
) -> None:
    """Whatever is around it, and whatever its texts look like."""
    text = json.dumps(document, separators=separators)
    value = json_text(text)
    made = exactly(value.document())
    for held, wanted, expected, left in (
        (value, None, made, room),
        (value, "JSON", made, room),
        (text, "JSON", made, room),
        (json_text(f"[{text}]"), "L", {"L": [made]}, room + 1),
    ):
        if is_taken(document, room):
            assert converted(held, wanted, "c", left) == expected
        else:
            with pytest.raises(PatchError, match="DynamoDB does not take"):
                converted(held, wanted, "c", left)
