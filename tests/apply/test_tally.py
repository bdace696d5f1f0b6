"""The line that a worker writes in each interval: what it did in that time, and how far it is behind."""

from keyshift.apply.result import BatchResult
from keyshift.apply.tally import Tally


def test_a_line_counts_by_operation_since_the_line_before_and_metrics_since_the_beginning() -> None:
    tally = Tally(lambda: 10_000)
    tally.batch(
        BatchResult(records=3, tables={("a", "c"): 2, ("b", "u"): 1}, set=3, newest_ms=8_500, newest_version="2"), 100
    )
    tally.batch(BatchResult(records=1, tables={("a", "u"): 4, ("a", "r"): 1}, set=2, stale=3, newest_ms=7_000), 50)
    tally.behind("a", 1_500)
    tally.behind("b", 200)
    first = tally.line()
    assert {name: count for name, count in first.items() if name.startswith("op_")} == {"op_c": 2, "op_r": 1, "op_u": 5}
    assert (first["applied"], first["batches"], first["records"], first["bytes"]) == (8, 2, 4, 150)
    assert (first["set"], first["stale"]) == (5, 3)
    assert (first["shards"], first["lag_seconds"], first["newest_change_age_seconds"]) == (2, 1.5, 1.5)
    tally.batch(BatchResult(records=1, tables={("a", "d"): 1}, removed=1), 10)
    tally.finished("a")
    second = tally.line()
    assert {name: count for name, count in second.items() if name.startswith("op_")} == {"op_d": 1}
    assert (second["applied"], second["removed"], second["lag_seconds"], second["newest_version"]) == (1, 1, 0.2, "2")
    assert tally.figures()["keyshift_apply_applied_total"] == 9
