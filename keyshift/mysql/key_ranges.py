"""Where to cut a table, so that several readers may read it at once: bounds in key order, found with few probes.

A range is cut where the server finds a key that exists, about in the middle: from a guess by arithmetic on its first
and its last key, or, where that gives nothing, some rows behind its beginning. How many rows are in a part is the
optimizer's estimate, which costs it two looks into the index. So bounds are exact and sizes are rough.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from keymap.schema import TableSchema
from keyshift.mysql.between import keys_between
from keyshift.mysql.connection import Connection
from keyshift.mysql.key_plan import KeyPlan, plan_of
from keyshift.mysql.keys import Key

STEP_ROWS_MAX: Final = 100_000  # that a probe passes over where guesses give nothing: some ten milliseconds

EVEN: Final = 1 / 16  # of a range: a cut that leaves as much on both sides is good enough


@dataclass(frozen=True, slots=True)
class _Range:
    """Rows after `after` up to `until`, of which `first` and `last` are the outermost; about `rows` of them."""

    after: Key | None
    until: Key | None
    first: Key
    last: Key
    rows: int


def find_bounds(
    connection: Connection, schema: TableSchema, *, ranges_max: int, rows_min: int, uncut_columns: int = 0
) -> list[Key]:
    """Bounds of at most `ranges_max` ranges, in key order; those that the server takes for smaller than two times
    `rows_min` rows are not cut.

    With `uncut_columns` the bounds are the first values of keys, and cut no group of that many columns. Raises
    MySQLError, and KeyshiftError for a table without a usable primary key.
    """
    keys = replace(schema, columns=tuple(map(schema.column, schema.primary_key)))
    prober = _Prober(connection, keys, uncut_columns)
    ranges = prober.whole()
    while ranges and len(ranges) < ranges_max:
        index, largest = max(enumerate(ranges), key=lambda found: found[1].rows)
        if largest.rows < 2 * rows_min:
            break
        ranges[index : index + 1] = prober.halves(largest) or [replace(largest, rows=0)]  # 0: not tried again
    return [part.until for part in ranges[:-1] if part.until]


class _Prober:
    def __init__(self, connection: Connection, keys: TableSchema, uncut_columns: int) -> None:
        self._connection = connection
        self._uncut = uncut_columns
        self._columns = keys.columns
        self._plan: KeyPlan = plan_of(keys)

    def whole(self) -> list[_Range]:
        """The whole table as one range; none where it is empty."""
        first, last = self._first(None, None), self._last(None, None)
        return [_Range(None, None, first, last, self._rows(None, None))] if first and last else []

    def halves(self, part: _Range) -> tuple[_Range, _Range] | None:
        """The range in two, none of them empty; None where no place for a cut was found."""
        best: tuple[_Range, _Range] | None = None
        for last in self._places(part):
            found = self._cut(part, last)
            if found and (best is None or _smaller(found) > _smaller(best)):
                best = found
            if best and _smaller(best) >= part.rows * EVEN:
                break
        return best

    def _places(self, part: _Range) -> Iterator[Key]:
        """Keys that exist, to cut behind: the likeliest first."""
        guesses = list(keys_between(self._columns, part.first, part.last))
        for guess in guesses[:-1]:
            if last := self._last(part.after, guess):
                yield last
        step = min(STEP_ROWS_MAX, part.rows // 2)
        if last := self._first(part.after, part.until, skip=step):
            yield last
        for guess in guesses[-1:]:
            if last := self._last(part.after, guess):
                yield last

    def _cut(self, part: _Range, last: Key) -> tuple[_Range, _Range] | None:
        bound = last[: self._uncut] if self._uncut else last
        first = self._first(bound, part.until)
        if not first:
            return None
        return (
            _Range(part.after, bound, part.first, last, self._rows(part.after, bound)),
            _Range(bound, part.until, first, part.last, self._rows(bound, part.until)),
        )

    def _first(self, after: Key | None, until: Key | None, skip: int = 0) -> Key | None:
        return self._key(f"{self._plan.within(after, until)} {self._plan.order} LIMIT 1 OFFSET {skip}")

    def _last(self, after: Key | None, until: Key | None) -> Key | None:
        return self._key(f"{self._plan.within(after, until)} {self._plan.backwards} LIMIT 1")

    def _key(self, where: str) -> Key | None:
        rows, extras = self._plan.select(self._connection, where)
        return self._plan.key(rows[0], extras[0] if extras else ()) if rows else None

    def _rows(self, after: Key | None, until: Key | None) -> int:
        return self._plan.estimate(self._connection, self._plan.within(after, until))


def _smaller(parts: tuple[_Range, _Range]) -> int:
    return min(part.rows for part in parts)
