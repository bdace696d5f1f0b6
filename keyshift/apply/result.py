"""What became of a batch, as its caller is told: how far it is done, and what it counted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch.

    `records` and `tables` (changes by table and Debezium's c, u, d, r) count what is completely applied; `set_aside`
    the changes of these records that are not, and were set aside (now, or when the record came before); `set`,
    `removed` and `stale` count slots, also of what is not; `collided` counts those that were left with more than one
    living row. `newest_version` and `newest_ms` (milliseconds since 1970, at the source) are those of the newest change
    that is applied, `oldest_ms` that of the oldest; 0 for none. Where `failed_sequence` is not None, it and everything
    after it must be delivered again, and `error` says why: a KeyshiftError, or Stopped.
    """

    records: int = 0
    tables: Mapping[tuple[str, str], int] = field(default_factory=dict)
    set: int = 0
    removed: int = 0
    stale: int = 0
    collided: int = 0
    set_aside: int = 0
    markers: int = 0
    newest_version: str = ""
    newest_ms: int = 0
    oldest_ms: int = 0
    failed_sequence: str | None = None
    error: Exception | None = None

    @property
    def operations(self) -> Mapping[str, int]:
        """The changes that are completely applied, by operation."""
        found = Counter[str]()
        for (_, operation), count in self.tables.items():
            found[operation] += count
        return found

    @property
    def applied(self) -> int:
        """The changes that are completely applied, the stale ones among them."""
        return sum(self.tables.values())

    def followed_by(self, rest: "BatchResult") -> "BatchResult":
        """The two parts of a batch, of which the first is completely applied."""
        return BatchResult(
            records=self.records + rest.records,
            tables=Counter(self.tables) + Counter(rest.tables),
            set=self.set + rest.set,
            removed=self.removed + rest.removed,
            stale=self.stale + rest.stale,
            collided=self.collided + rest.collided,
            set_aside=self.set_aside + rest.set_aside,
            markers=self.markers + rest.markers,
            newest_version=max(self.newest_version, rest.newest_version),
            newest_ms=max(self.newest_ms, rest.newest_ms),
            oldest_ms=min(filter(None, (self.oldest_ms, rest.oldest_ms)), default=0),
            failed_sequence=rest.failed_sequence,
            error=rest.error,
        )
