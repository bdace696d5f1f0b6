"""A version's text sorts by bytes exactly as its parts do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.version import VersionParts, floor, is_tombstone, mark, parse, version, version_of

PARTS = st.tuples(
    st.integers(0, 10**4 - 1), st.integers(0, 10**10 - 1), st.integers(0, 10**13 - 1), st.integers(0, 10**9 - 1)
)


@given(PARTS, PARTS)
def test_text_sorts_as_the_parts_do(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (version(*one).encode() < version(*other).encode()) == (one < other)


@given(PARTS)
def test_parse_gives_the_parts_back_from_version_and_mark(parts: tuple[int, ...]) -> None:
    text = version(*parts)
    assert parse(text) == parse(mark(text, tombstone=True)) == VersionParts(*parts)


@given(PARTS, PARTS)
def test_a_tombstones_suffix_never_decides_a_comparison(held: tuple[int, ...], arriving: tuple[int, ...]) -> None:
    stored = mark(version(*held), tombstone=True)
    assert (stored < version(*arriving)) == (held < arriving)
    assert is_tombstone(stored)
    assert version_of(stored) == version(*held)


@given(PARTS.filter(lambda parts: any(parts[1:])))
def test_every_captured_version_is_newer_than_its_epochs_floor(parts: tuple[int, ...]) -> None:
    assert floor(parts[0]) < version(*parts)


@pytest.mark.parametrize(
    "parts", [(10**4, 0, 0, 0), (1, 10**10, 0, 0), (1, 1, 10**13, 0), (1, 1, 1, 10**9), (1, -1, 0, 0)]
)
def test_a_part_out_of_its_width_is_refused_rather_than_sorted_wrongly(parts: tuple[int, ...]) -> None:
    with pytest.raises(OverflowError):
        version(*parts)


@pytest.mark.parametrize("text", ["", "1.2.3.4", floor(1) + "y", floor(1)[:-1] + "a"])
def test_anything_else_is_not_a_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        parse(text)
