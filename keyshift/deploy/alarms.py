"""The alarms of the stack. Each has its heading in docs/runbook.md, which its description names; a test looks.

Metrics of the services are there always, and the function's own, which it writes to its log. The daemon's are there
where it writes them (`metrics.emf`) and its log is sent to CloudWatch: so its alarms are rendered with that setting
only, and none is about a figure that never comes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from keymap.rules import Keymap
from keyshift.deploy.function import FUNCTION
from keyshift.deploy.stores import INDEX, TABLE, write_dimensions
from keyshift.process.metric import NAMESPACE
from keyshift.process.settings import Settings

RUNBOOK: Final = "docs/runbook.md"
SET_ASIDE: Final = "keyshift_apply_set_aside_total"
# Of the retention. Half leaves as much time to mend it as it took to be told; replay begins this far behind, at most,
# where the load took no longer than the settings ask for.
RETENTION_SHARE: Final = 0.5
CAPTURE_LAG_SECONDS_MAX: Final = 300
FAILED, COLLIDED = "keyshift_apply_failed_total", "keyshift_apply_collided_total"
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Alarm:
    """When to call somebody: `metric` above `above` (or below `below`) in each of `periods` of `seconds`."""

    heading: str  # in the runbook, and the alarm's name
    means: str
    namespace: str
    metric: str
    dimensions: Mapping[str, Any]
    statistic: Literal["Sum", "Maximum"]
    above: float | None = None
    below: float | None = None
    seconds: int = 60
    periods: int = 3
    missing: Literal["notBreaching", "breaching"] = "notBreaching"

    @property
    def slug(self) -> str:
        """The heading as a part of names and links."""
        return self.heading.lower().replace(" ", "-")


def alarms(settings: Settings, keymap: Keymap) -> dict[str, Any]:
    """The resources, by their logical names."""
    found: dict[str, Any] = {}
    for alarm in (*_of_the_function(settings), *_of_the_stores(settings, keymap), *_of_the_daemon(settings)):
        title = "".join(map(str.capitalize, alarm.heading.split()))
        number = sum(name.startswith(f"{title}Alarm") for name in found)
        found[f"{title}Alarm{number + 1}"] = _resource(alarm, settings, number)
    return found


def _of_the_function(settings: Settings) -> Iterator[Alarm]:
    name = {"FunctionName": {"Ref": FUNCTION}}
    own = {"migration": settings.migration}
    age_ms = settings.stream.retention_hours * _HOUR_MS * RETENTION_SHARE
    means = "Replay is so far behind that changes near the end of the stream's retention: beyond it they are lost"
    yield Alarm("Replay is behind", means, "AWS/Lambda", "IteratorAge", name, "Maximum", above=age_ms, periods=5)
    means = "Invocations end with an error, and their shards stand still"
    yield Alarm("Replay fails", means, "AWS/Lambda", "Errors", name, "Sum", above=0)
    means = "Lambda does not run the function as often as it should: its concurrency is used up"
    yield Alarm("Replay is throttled", means, "AWS/Lambda", "Throttles", name, "Sum", above=0, periods=5)
    # What an invocation answers for a part of its batch is no error to Lambda, and in none of its metrics.
    means = "A change is not applied for now, and what follows it in its lane waits"
    yield Alarm("A change is held back", means, NAMESPACE, FAILED, own, "Sum", above=0)
    means = "A change can never be applied as it is. It is kept, what follows it goes on, and there is no switching"
    yield Alarm("A change is set aside", means, NAMESPACE, SET_ASIDE, own, "Sum", above=0, periods=1)
    means = "Two live rows want one place of an item"
    yield Alarm("Rows collide", means, NAMESPACE, COLLIDED, own, "Sum", above=0, periods=1)


def _of_the_stores(settings: Settings, keymap: Keymap) -> Iterator[Alarm]:
    means = "The stream takes fewer records than the daemon sends"
    stream = {"StreamName": settings.stream.name}
    refused = "WriteProvisionedThroughputExceeded"
    yield Alarm("The stream is throttled", means, "AWS/Kinesis", refused, stream, "Sum", above=0, periods=5)
    refused = "WriteThrottleEvents"
    for dimensions in write_dimensions(keymap):
        means = f"{_named(dimensions)} takes fewer writes than are asked of it"
        yield Alarm("A table is throttled", means, "AWS/DynamoDB", refused, dimensions, "Sum", above=0, periods=5)


def _named(dimensions: Mapping[str, str]) -> str:
    table, index = dimensions[TABLE], dimensions.get(INDEX)
    return f"Index {index} of table {table}" if index else f"Table {table}"


def _of_the_daemon(settings: Settings) -> Iterator[Alarm]:
    if not settings.metrics.emf:
        return
    own = {"migration": settings.migration}
    means = "No daemon says that it captures. The source's binlog keeps the changes for as long as it is kept"
    active = "keyshift_capture_active"
    yield Alarm(
        "Capture is down",
        means,
        NAMESPACE,
        active,
        own,
        "Maximum",
        below=1,
        seconds=300,
        periods=1,
        missing="breaching",
    )
    means = "The stream is minutes behind the source"
    lag, most = "keyshift_capture_lag_seconds", CAPTURE_LAG_SECONDS_MAX
    yield Alarm("Capture is behind", means, NAMESPACE, lag, own, "Maximum", above=most, periods=5)


def _resource(alarm: Alarm, settings: Settings, number: int) -> dict[str, Any]:
    comparison = "GreaterThanThreshold" if alarm.below is None else "LessThanThreshold"
    topic = {"Fn::If": ["HasTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    properties = {
        "AlarmName": f"keyshift-{settings.migration}-{alarm.slug}{f'-{number + 1}' if number else ''}",
        "AlarmDescription": f"{alarm.means}. What to do: {RUNBOOK}#{alarm.slug}",
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        "Statistic": alarm.statistic,
        "Period": alarm.seconds,
        "EvaluationPeriods": alarm.periods,
        "Threshold": alarm.above if alarm.below is None else alarm.below,
        "ComparisonOperator": comparison,
        "TreatMissingData": alarm.missing,
        "AlarmActions": topic,
        "OKActions": topic,
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
