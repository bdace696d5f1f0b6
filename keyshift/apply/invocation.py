"""What the function tells of one batch: the fields of its log's lines, which CloudWatch makes metrics of.

The names are those of the consumer (keyshift.apply.tally). One line has the batch's figures; one more for each table
and operation in it counts the changes once by operation and once by table, since a line has one value of a dimension.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from keyshift.apply.result import BatchResult
from keyshift.apply.tally import METRICS as CONSUMER
from keyshift.apply.tally import counts_of
from keyshift.aws.errors import loggable
from keyshift.process.metric import Metric, embedded

APPLIED: Final = "keyshift_apply_applied_total"
OWN: Final = (
    Metric("keyshift_apply_oldest_change_age_seconds", "gauge", "Seconds", "of a batch's oldest change, once applied"),
    Metric("keyshift_apply_duration_seconds", "gauge", "Seconds", "from a batch's arrival at the function to its end"),
)
METRICS: Final = (*(one for one in CONSUMER if one.kind == "counter"), *OWN)
BY_TABLE: Final = tuple(one for one in METRICS if one.name == APPLIED)
SETS: Final = (("migration", "operation"), ("migration", "table"))


@dataclass(frozen=True, slots=True)
class Batch:
    """What was handed in: how many records, their compressed size, and how long it took until it was handled."""

    records: int
    bytes: int
    seconds: float


def lines(result: BatchResult, batch: Batch, migration: str, now_ms: int) -> Iterator[dict[str, Any]]:
    """The fields of each line. `now_ms`: the wall clock in milliseconds since 1970."""
    values: dict[str, float] = {
        f"keyshift_apply_{kind}_total": count for kind, count in counts_of(result, batch.bytes).items()
    }
    values["keyshift_apply_duration_seconds"] = round(batch.seconds, 3)
    if result.oldest_ms:
        values["keyshift_apply_oldest_change_age_seconds"] = round((now_ms - result.oldest_ms) / 1000, 3)
    yield {
        "records": batch.records,
        "done": result.records,
        **{f"op_{op}": count for op, count in sorted(result.operations.items())},
        "newest_version": result.newest_version,
        "error": str(loggable(result.error)) if result.error else None,
        **embedded(METRICS, values, now_ms, {"migration": migration}),
    }
    for (table, operation), count in sorted(result.tables.items()):
        dimensions = {"migration": migration, "operation": operation, "table": table}
        yield embedded(BY_TABLE, {APPLIED: count}, now_ms, dimensions, SETS)
