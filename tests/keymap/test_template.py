"""Templates render what they say, and the proofs about them hold for every row that could come."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.template import PatchError, disjoint, parse_template, recovers

INTEGERS = frozenset({"i", "j"})
# Few letters and digits, so that accidents happen.
LITERALS = st.text("a#-1", max_size=2)
FIELDS = st.sampled_from(["{i}", "{j}", "{i:03d}", "{s}", "{t}"])
TEMPLATES = st.lists(st.one_of(LITERALS, FIELDS), max_size=5).map("".join)
NUMBERS = (-11, -1, 0, 1, 11, 111)
TEXTS = ("", "1", "-1", "#", "a", "a#1", "11")
ALL_ROWS = [dict(zip("ijst", values, strict=True)) for values in product(NUMBERS, NUMBERS, TEXTS, TEXTS)]
ROWS = st.sampled_from(ALL_ROWS)


@settings(deadline=None)
@given(TEMPLATES)
def test_columns_that_a_template_recovers_can_be_told_from_its_text(text: str) -> None:
    """Over every row of a small world: one text never stands for two values of a recovered column."""
    template = parse_template(text)
    recovered = sorted(recovers(template, INTEGERS))
    seen: dict[str, list] = {}
    for row in ALL_ROWS:
        values = [row[name] for name in recovered]
        assert seen.setdefault(template.render(row, {}), values) == values


@given(TEMPLATES, TEMPLATES, ROWS, ROWS)
def test_disjoint_templates_never_render_the_same_text(one: str, other: str, row: dict, another: dict) -> None:
    left, right = parse_template(one), parse_template(other)
    if disjoint(left, right):
        assert left.render(row, {}) != right.render(another, {})


@pytest.mark.parametrize(
    ("text", "recovered"),
    [
        ("ORDER#{i:010d}", {"i"}),
        ("{i}#{j}", {"i", "j"}),
        ("USER#{s}", {"s"}),
        ("USER#{s}#{i}", {"s", "i"}),
        ("{i}#{s}#{j}", {"i", "s", "j"}),
        ("{i}{j}", set()),
        ("{s}#{t}", set()),
        ("{s}{i}", set()),
        ("PROFILE", set()),
    ],
)
def test_what_a_template_recovers(text: str, recovered: set[str]) -> None:
    assert recovers(parse_template(text), INTEGERS) == recovered


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ORDER#{i}", "CUSTOMER#{i}", True),
        ("PROFILE", "ORDER#{i}", True),
        ("PROFILE", "PROFILE", False),
        ("{s}#a", "{s}#b", True),
        ("{s}", "ORDER#{i}", False),
        ("ORDER#{i}", "ORDER#{s}", False),
    ],
)
def test_what_is_disjoint(one: str, other: str, expected: bool) -> None:
    assert disjoint(parse_template(one), parse_template(other)) is expected


@pytest.mark.parametrize("text", ["{a.b}", "{a[0]}", "{}", "{a!r}", "{a:x}", "{a:.2f}", "{a", "a}"])
def test_what_is_not_a_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_template(text)


def test_null_in_a_key_is_refused_unless_a_default_covers_it() -> None:
    template = parse_template("REGION#{s}")
    assert template.render({"s": None}, {"s": "none"}) == "REGION#none"
    with pytest.raises(PatchError, match="column s is NULL"):
        template.render({"s": None}, {})


def test_braces_can_be_written_twice() -> None:
    assert parse_template("{{{i}}}").render({"i": 5}, {}) == "{5}"
