"""What the daemon tells of itself per interval."""

from cdc.committed import Committed
from cdc.entries import Entries, Entry
from cdc.inbox import Point
from cdc.meter import Meter
from cdc.outbox import Outbox, Progress
from cdc.records import Stamp
from cdc.sender import Sent
from keymap.position import Position
from keymap.version import version

START = Position("binlog.000001", 4)


def test_a_line_holds_the_figures_of_its_interval_alone() -> None:
    now = [100.0]
    meter = Meter(10, lambda: now[0], lambda: 1_700_000_030_000)
    outbox = Outbox(Stamp("m.1", "d", 1, 2), Progress(START), 1_000)
    transaction = Committed(Entries(100), Position("binlog.000001", 99), "0-1-7", 1_700_000_000)
    meter.took(transaction)
    outbox.add([Entry((0,), version(1, 1, 50, row), b"{}") for row in range(2)], 10)
    meter.added(2)
    outbox.end(transaction.end)
    assert not meter.is_due()
    now[0] = 110.0
    assert meter.is_due()
    line = meter.line(outbox, Sent(records=3, data_bytes=1_000, retries=1, last_error="Throttled"))
    assert line["position"] == "binlog.000001:4", "what is accepted, not what was read"
    assert (line["gtid"], line["lag_seconds"]) == ("0-1-7", 30.0)
    assert (line["rows"], line["rows_per_second"], line["transactions"]) == (2, 0.2, 1)
    assert (line["records"], line["bytes"], line["bytes_per_second"]) == (3, 1_000, 100)
    assert (line["retries"], line["last_error"]) == (1, "Throttled")
    now[0] = 120.0
    again = meter.line(outbox, Sent(records=3, data_bytes=1_000, retries=1, last_error="Throttled"))
    assert (again["rows"], again["records"], again["retries"], again["last_error"]) == (0, 0, 0, "")


def test_there_is_no_lag_when_the_source_is_idle_and_everything_is_accepted() -> None:
    meter = Meter(10, lambda: 0.0, lambda: 1_700_000_030_000)
    outbox = Outbox(Stamp("m.1", "d", 1, 2), Progress(START), 1_000)
    meter.took(Point(START, 1_700_000_000, idle=False))
    assert meter.lag_seconds(outbox) == 30.0
    meter.took(Point(START, 0, idle=True))
    assert meter.lag_seconds(outbox) == 0.0
    outbox.add([Entry((0,), version(1, 1, 50, 0), b"{}")], 10)
    assert meter.lag_seconds(outbox) == 30.0
