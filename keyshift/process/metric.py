"""A figure that a process shows, and how CloudWatch reads figures out of a log: its embedded metric format (EMF).

CloudWatch makes a metric of each name in each dimension set, and adds up, averages and compares what arrives of it in a
period, from whichever process. So what is told of a counter is what it grew by since it was told last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

NAMESPACE: Final = "Keyshift"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `unit` is a word of CloudWatch's; a counter only grows while the process lives."""

    name: str
    kind: Literal["gauge", "counter"]
    unit: Literal["Seconds", "Bytes", "Count", "None"]
    meaning: str


def as_dimension(value: str) -> str:
    """A name as the value of a dimension, of which CloudWatch takes ASCII only."""
    return value.encode("ascii", "backslashreplace").decode()


def embedded(
    metrics: Sequence[Metric],
    values: Mapping[str, float],
    timestamp_ms: int,
    dimensions: Mapping[str, str],
    sets: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Those of the metrics that have a value, as one event of the log.

    `dimensions` are names and values; `sets` those names that each metric is made for, all together where none is
    given.
    """
    known = [{"Name": metric.name, "Unit": metric.unit} for metric in metrics if metric.name in values]
    wanted = [list(names) for names in sets or (tuple(dimensions),)]
    directive = {"Namespace": NAMESPACE, "Dimensions": wanted, "Metrics": known}
    return {
        "_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": [directive]},
        **{name: as_dimension(value) for name, value in dimensions.items()},
        **{metric["Name"]: values[metric["Name"]] for metric in known},
    }
