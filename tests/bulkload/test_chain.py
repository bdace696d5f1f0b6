"""What is left of a table is told by its chunks and bounds alone, whoever died with whatever in hand."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.dump.chain import Numbers, Span, require_chain, spans_left, spread
from keymap.errors import KeyshiftError
from keyshift.control.chunks import Chunk

END = 40
CUTS = st.lists(st.integers(1, END - 1), unique=True, max_size=6).map(sorted)


def chunk(number: int, lower: int | None, upper: int | None) -> Chunk:
    bounds = [None if bound is None else (bound,) for bound in (lower, upper)]
    return Chunk("t", number, bounds[0], bounds[1], 1, "", "", 1, 0)


def place(bound: tuple[object, ...] | None, otherwise: int) -> int:
    return otherwise if bound is None else int(str(bound[0]))


@given(cuts=CUTS, seed=st.integers(0, 2**32))
def test_dumpers_that_die_leave_no_gap_and_no_row_twice(cuts: list[int], seed: int) -> None:
    """Each reads the next chunk of some ranges at once; of those only some are recorded, and in any order."""
    bounds, chance = [(cut,) for cut in cuts], random.Random(seed)
    recorded: list[Chunk] = []
    while spans := spans_left(recorded, bounds):
        numbers, in_hand = Numbers(recorded), []
        for span in chance.sample(spans, chance.randint(1, len(spans))):
            at = chance.randint(place(span.lower, 0) + 1, place(span.upper, END))
            end = span.upper if at == place(span.upper, END) else (at,)
            in_hand.append(Chunk("t", numbers.draw(), span.lower, end, 1, "", "", 1, 0))
        recorded += chance.sample(in_hand, chance.randint(0, len(in_hand)))
    require_chain("t", recorded, None)
    assert sorted(one.number for one in recorded) == list(range(1, len(recorded) + 1))
    pieces = sorted((place(one.lower, 0), place(one.upper, END)) for one in recorded)
    assert [lower for lower, _ in pieces] == [0, *(upper for _, upper in pieces[:-1])]


@pytest.mark.parametrize(
    ("chunks", "end"),
    [
        ([chunk(1, None, 5), chunk(2, 6, None)], None),
        ([chunk(1, 5, None)], None),
        ([chunk(1, None, 5)], None),
        ([chunk(1, None, None)], (5,)),
        ([chunk(1, None, 5), chunk(2, 5, None), chunk(3, 7, 8)], None),
        ([chunk(1, None, None), chunk(2, 5, None)], None),
        ([chunk(1, None, 5), chunk(2, 5, 5)], None),
        ([], (5,)),
    ],
)
def test_chunks_that_do_not_follow_each_other_are_refused(chunks: Sequence[Chunk], end: tuple[int, ...] | None) -> None:
    with pytest.raises(KeyshiftError, match="do not follow each other"):
        require_chain("t", chunks, end)


def test_a_table_may_end_where_a_last_look_found_nothing() -> None:
    require_chain("t", [chunk(2, 5, 9), chunk(1, None, 5)], (9,))
    require_chain("t", [], None)


def test_neighbours_are_read_far_apart() -> None:
    spans = [Span((number,), (number + 1,)) for number in range(8)]
    order = [place(span.lower, 0) for span in spread(spans)]
    assert sorted(order) == list(range(8))
    assert min(abs(one - other) for one, other in pairwise(order)) >= 2
