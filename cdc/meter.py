"""What the daemon tells of itself: one line per interval, the same keys every time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cdc.committed import Committed
from cdc.inbox import Point
from cdc.outbox import Outbox
from cdc.sender import Sent
from keymap.position import file_number


class Meter:
    """Counts what passes, and says when a line is due. `clock` is in seconds, `now_ms` the wall clock, for lag."""

    def __init__(self, interval_seconds: float, clock: Callable[[], float], now_ms: Callable[[], int]) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._now_ms = now_ms
        self._since = clock()
        self._before = Sent()
        self._rows = self._transactions = 0  # since the beginning
        self._rows_before = self._transactions_before = 0  # up to the last line
        self._gtid = ""
        self._timestamp = 0.0  # of the newest thing taken, seconds since 1970 at the source
        self._idle = False

    def took(self, item: Committed | Point) -> None:
        """Transactions, or a position, were taken from what was read."""
        if isinstance(item, Committed):
            self._transactions += item.count
            self._gtid = item.gtid or self._gtid
        self._timestamp = item.timestamp or self._timestamp
        self._idle = isinstance(item, Point) and item.idle

    def added(self, count: int) -> None:
        """So many changes were put into their lanes."""
        self._rows += count

    def is_due(self) -> bool:
        """Whether an interval has passed since the last line."""
        return self._clock() - self._since >= self._interval_seconds

    def line(self, outbox: Outbox, sent: Sent) -> dict[str, Any]:
        """The interval's figures; the next interval begins."""
        now = self._clock()
        seconds, progress, before = max(now - self._since, 1e-3), outbox.progress, self._before
        rows = self._rows - self._rows_before
        line = {
            "position": f"{progress.position.file}:{progress.position.offset}",
            "gtid": self._gtid,
            "lag_seconds": self.lag_seconds(outbox),
            "transactions": self._transactions - self._transactions_before,
            "rows": rows,
            "rows_per_second": round(rows / seconds, 1),
            "records": sent.records - before.records,
            "bytes": sent.data_bytes - before.data_bytes,
            "bytes_per_second": round((sent.data_bytes - before.data_bytes) / seconds),
            "claims": sent.claims - before.claims,
            "in_flight": outbox.in_flight,
            "waiting_bytes": outbox.pending_bytes,
            "retries": sent.retries - before.retries,
            "last_error": sent.last_error if sent.retries > before.retries else "",
            "changes_total": progress.changes,
        }
        self._since, self._rows_before, self._transactions_before = now, self._rows, self._transactions
        self._before = replace(sent)
        return line

    def figures(self, outbox: Outbox, sent: Sent) -> dict[str, float | None]:
        """The metrics that are counted here, as they are now (cdc/metrics)."""
        position = outbox.position
        return {
            "keyshift_capture_lag_seconds": self.lag_seconds(outbox),
            "keyshift_capture_position_file_number": file_number(position.file),
            "keyshift_capture_position_offset_bytes": position.offset,
            "keyshift_capture_transactions_total": self._transactions,
            "keyshift_capture_rows_total": self._rows,
            "keyshift_capture_records_total": sent.records,
            "keyshift_capture_sent_bytes_total": sent.data_bytes,
            "keyshift_capture_retries_total": sent.retries,
            "keyshift_capture_in_flight_records": outbox.in_flight,
            "keyshift_capture_outbox_bytes": outbox.pending_bytes,
        }

    def lag_seconds(self, outbox: Outbox) -> float:
        """How far the stream is behind the source; whole seconds and two clocks, so about one second is none."""
        if (self._idle and outbox.is_empty) or not self._timestamp:
            return 0.0
        return round(max(0.0, self._now_ms() / 1000 - self._timestamp), 1)
