"""What the consumer has done since its last status line, as the fields of that line."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from keyshift.apply.stream import BatchResult


class Tally:
    """Counts of batches since the last `line()`. `now_ms` is the wall clock in milliseconds since 1970."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._counts: Counter[str] = Counter()
        self._behind_ms: dict[str, int] = {}
        self._newest_ms = 0
        self._newest_version = ""

    def batch(self, result: BatchResult, bytes_: int) -> None:
        """A batch was handled; `bytes_` is its compressed size."""
        self._counts.update({f"op_{op}": count for op, count in result.operations.items()})
        self._counts.update(
            batches=1,
            records=result.records,
            bytes=bytes_,
            applied=result.applied,
            set=result.set,
            removed=result.removed,
            stale=result.stale,
            collided=result.collided,
            markers=result.markers,
        )
        self._newest_ms = max(self._newest_ms, result.newest_ms)
        self._newest_version = max(self._newest_version, result.newest_version)

    def behind(self, shard: str, milliseconds: int) -> None:
        """How far behind the shard's end the last read was (Kinesis' MillisBehindLatest)."""
        self._behind_ms[shard] = milliseconds

    def finished(self, shard: str) -> None:
        """The shard has no end any more that one could be behind of."""
        self._behind_ms.pop(shard, None)

    def line(self) -> dict[str, Any]:
        """The fields of the status line; counting begins anew. Lags are in seconds, None when nothing is known.

        `lag_seconds` is the shard that is furthest behind, `newest_change_age_seconds` the time since the newest change
        that was ever applied here happened at the source.
        """
        counts, self._counts = self._counts, Counter()
        kinds = ("batches", "records", "bytes", "applied", "set", "removed", "stale", "collided", "markers")
        operations = {name: counts[name] for name in sorted(counts) if name.startswith("op_")}
        return {
            **{kind: counts[kind] for kind in kinds},
            **operations,
            "shards": len(self._behind_ms),
            "lag_seconds": _seconds(max(self._behind_ms.values())) if self._behind_ms else None,
            "newest_change_age_seconds": _seconds(self._now_ms() - self._newest_ms) if self._newest_ms else None,
            "newest_version": self._newest_version,
        }


def _seconds(milliseconds: int) -> float:
    return round(milliseconds / 1000, 1)
