"""Through the source's tables: all rows in pieces, or a sample of them, and back to the pieces where something was.

Nothing that is remembered of a row names it, for that would be as large as the table. It is the number of the piece in
which the row was; a piece is found again by the key before it, and is read again where its rows are to be named. One
key for 2,000 rows is some 10 MB for 100 million.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bulkload.estimate import Estimate
from keymap.schema import TableSchema
from keymap.values import Row
from keyshift.cutover.sides import Piece, PrimaryKey
from keyshift.mysql.keys import canonical_key

Progress = Callable[[str, int, int], None]  # the table, how many rows are read, about how many there are to read


class Rows(Protocol):
    """The source, as far as a trial asks it (keyshift.cutover.sides.MySQLSource)."""

    def pieces(self, table: str, after: PrimaryKey | None = None) -> Iterator[Piece]:
        """All rows after a key, in pieces."""

    def piece(self, table: str, after: PrimaryKey | None, limit: int) -> Piece:
        """One piece."""

    def middle(self, table: str) -> PrimaryKey | None:
        """A key about the middle of the table."""

    def estimate(self, table: str) -> Estimate:
        """The server's estimate of the table's size."""

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        """The rows that these keys have now, those of up to 500 keys in one statement."""


@dataclass(frozen=True, slots=True)
class Walked:
    """How much of a table was read: `rows`, out of `rows_all` by the server's estimate, or `whole`."""

    table: str
    rows: int
    rows_all: int
    whole: bool

    @property
    def scale(self) -> float:
        """By how much a figure of the rows read is to be multiplied for the table."""
        return 1.0 if self.whole or not self.rows else max(1.0, self.rows_all / self.rows)


class Walk:
    """Reads tables; `rows_max` of each, None for all. Of a sample, a third comes from behind the table's middle."""

    def __init__(
        self, source: Rows, schemas: Mapping[str, TableSchema], rows_max: int | None, progress: Progress
    ) -> None:
        self._source, self._schemas, self._rows_max, self._progress = source, schemas, rows_max, progress
        self._places: list[tuple[str, PrimaryKey | None, int]] = []
        self.walked: dict[str, Walked] = {}

    def pieces(self, table: str) -> Iterator[tuple[int, list[Row]]]:
        """The rows of a table, each piece with its number. Raises KeyshiftError where it cannot be read, Stopped."""
        estimate = self._source.estimate(table).rows
        wanted = estimate if self._rows_max is None else min(self._rows_max, estimate)
        done, whole = 0, False
        for rows, is_last in self._read(table):
            done, whole = done + len(rows), is_last
            self._progress(table, done, max(done, wanted))
            yield len(self._places) - 1, rows
        self.walked[table] = Walked(table, done, done if whole else max(done, estimate), whole)

    def again(self, number: int) -> tuple[str, list[Row]]:
        """The table of a piece, and the rows that are in its place now."""
        table, after, limit = self._places[number]
        return table, self._source.piece(table, after, limit).rows

    def now(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        """The rows that these keys have now, all at one moment (up to 500)."""
        return self._source.rows(table, keys)

    def _read(self, table: str) -> Iterator[tuple[list[Row], bool]]:
        """Rows, each time with whether they, and those before, are all there are."""
        if self._rows_max is None:
            for piece in self._source.pieces(table):
                self._keep(piece)
                yield piece.rows, piece.upper is None
            return
        seen: set[PrimaryKey] = set()
        whole = False
        for rows, whole in self._part(table, None, self._rows_max - self._rows_max // 3, seen):
            yield rows, whole
        left = self._rows_max - len(seen)
        middle = self._source.middle(table) if left and not whole else None
        if middle is not None:
            for rows, _ in self._part(table, middle, left, seen):
                yield rows, False

    def _part(
        self, table: str, after: PrimaryKey | None, wanted: int, seen: set[PrimaryKey]
    ) -> Iterator[tuple[list[Row], bool]]:
        """At most `wanted` rows after a key, without those that were seen already."""
        schema = self._schemas[table]
        for piece in self._source.pieces(table, after):
            self._keep(piece)
            fresh = [row for row in piece.rows if canonical_key(schema, row) not in seen][:wanted]
            seen.update(canonical_key(schema, row) for row in fresh)
            wanted -= len(fresh)
            yield fresh, piece.upper is None and len(fresh) == len(piece.rows)
            if not wanted:
                return

    def _keep(self, piece: Piece) -> None:
        self._places.append((piece.table, piece.after, piece.limit))
