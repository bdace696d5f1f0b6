"""What is left to read of a table, and whether all of it is there: decided from its recorded chunks and bounds. Pure.

Chunks hang together by their bounds: each begins where another ended. Within a range they are recorded in order, so
what is left of a range begins where its chain of chunks breaks off.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keymap.errors import KeyshiftError
from keyshift.control.bounds import Bound
from keyshift.control.chunks import FIRST_CHUNK, Chunk


@dataclass(frozen=True, slots=True)
class Span:
    """Rows after `lower` up to `upper`; None: the table's beginning, and its end."""

    lower: Bound
    upper: Bound


def spans_left(recorded: Collection[Chunk], bounds: Sequence[Bound]) -> list[Span]:
    """What no chunk has yet, of each range between the bounds, in the ranges' order."""
    upper_of = {chunk.lower: chunk.upper for chunk in recorded}
    ends = pairwise((None, *bounds, None))
    return [span for lower, upper in ends if (span := _rest(Span(lower, upper), upper_of))]


def _rest(span: Span, upper_of: Mapping[Bound, Bound]) -> Span | None:
    at = span.lower
    for _ in upper_of:
        if at not in upper_of:
            break
        at = upper_of[at]
        if at == span.upper:
            return None
    return Span(at, span.upper)


class Numbers:
    """The numbers of the next chunks: first the gaps, of chunks that a dumper had in hand when it died.

    Each of those was the next chunk of a range of its own. So where each of the ranges that are left gets one chunk at
    least, no gap stays.
    """

    def __init__(self, recorded: Collection[Chunk]) -> None:
        used = {chunk.number for chunk in recorded}
        self._next = max(used, default=FIRST_CHUNK - 1) + 1
        self._gaps = [number for number in range(FIRST_CHUNK, self._next) if number not in used]

    @property
    def has_gap(self) -> bool:
        """Whether the next number is below one that is used."""
        return bool(self._gaps)

    def draw(self) -> int:
        """The next number."""
        if self._gaps:
            return self._gaps.pop(0)
        self._next += 1
        return self._next - 1


def require_chain(table: str, recorded: Collection[Chunk], end: Bound) -> None:
    """Raise KeyshiftError unless the chunks lead from the table's beginning to its end, and each is on that way.

    `end`: None, or the place behind which a last look has found nothing; and so None too where there is no chunk.
    """
    upper_of = {chunk.lower: chunk.upper for chunk in recorded}
    at: Bound = None
    steps = 0
    while steps < len(recorded) and at in upper_of and (steps == 0 or at is not None):
        at = upper_of[at]
        steps += 1
    if steps != len(recorded) or at != end:
        message = f"the {len(recorded)} chunks of {table} do not follow each other from its beginning to its end"
        raise KeyshiftError(message, "Start the migration anew (`keyshift destroy`, `keyshift init`), and report this")


def spread(spans: Sequence[Span]) -> list[Span]:
    """The ranges in an order in which neighbours are far apart, so that few neighbours are loaded at once."""
    order = sorted(range(len(spans)), key=lambda index: f"{index:032b}"[::-1])
    return [spans[index] for index in order]
