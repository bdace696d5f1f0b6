"""A difference at a terminal: bounded, whatever items hold, and yet it shows where the two sides part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshift.cli.verify_text import LINE_LENGTH_MAX, VALUE_LENGTH_MAX, side, tell_difference
from keyshift.cutover.compare import Difference, Kind

LONG = "a" * 200_000


def test_a_large_item_is_shown_in_few_characters_and_says_what_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"doc": {"S": LONG + "x"}} | {f"field{number}": {"B": b"\x07" * 900} for number in range(200)}
    tell_difference(
        Difference(Kind.EXTRA, "app", ("k" * 2_000, b"\x00" * 900), "", None, item, "belongs to migration " + LONG)
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "    source    nothing"
    assert max(map(len, lines)) < 2 * LINE_LENGTH_MAX
    assert '{"doc": {"S": "aaaa' in lines[2]
    assert "(200,010 characters)" in lines[2]
    assert "more attributes}" in lines[2]
    assert "(2,000 characters), 0x0000" in lines[0]


def test_two_long_values_are_shown_from_where_they_part() -> None:
    left = {"doc": {"S": f"{LONG}left{LONG}"}}
    right = {"doc": {"S": f"{LONG}right"}}
    assert side(left, right).startswith('{"doc": …' + "a" * 20 + "left")
    assert side(right, left) == '{"doc": …' + "a" * 20 + 'right"} (200,014 characters)}'


def test_what_differs_comes_first() -> None:
    same = {f"field{number}": {"S": "x" * 50} for number in range(20)}
    assert side({**same, "total": {"N": "1"}}, {**same, "total": {"N": "2"}}).startswith(
        '{"total": {"N": "1"}, "field0"'
    )


def test_a_short_value_is_shown_as_it_is_but_nothing_that_a_terminal_would_obey() -> None:
    assert (
        side({"total": {"N": "1.5"}, "note": {"S": "\x9b2J"}}, {})
        == '{"total": {"N": "1.5"}, "note": {"S": "\\x9b2J"}}'
    )


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1), st.dictionaries(st.text(min_size=1), st.text()))
def test_no_line_is_long(values: dict[str, str], beside: dict[str, str]) -> None:
    one = {name: {"S": value} for name, value in values.items()}
    other = {name: {"S": value} for name, value in beside.items()}
    escaped_max = 10  # characters that one becomes, at most
    assert len(side(one, other)) <= LINE_LENGTH_MAX + 2 * VALUE_LENGTH_MAX * escaped_max + 60
