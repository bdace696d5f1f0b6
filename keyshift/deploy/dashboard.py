"""The dashboard: the whole pipeline from left to right, the source's lag to the tables' writes.

What the daemon, `keyshift apply run` and `keyshift apply tidy` show is there where they write it (`metrics.emf`) and
their log is sent to CloudWatch. The function always does. Counters are told by what they grew, so what is drawn is
their sum.
"""

import json
from itertools import chain, islice
from typing import Any, Final

from cdc.metrics import METRICS as CAPTURE
from keymap.rules import Keymap
from keyshift.apply.invocation import APPLIED, OWN
from keyshift.apply.tally import METRICS as APPLY
from keyshift.apply.tidy_tally import METRICS as TIDYING
from keyshift.deploy.function import function_name
from keyshift.deploy.stores import write_dimensions
from keyshift.process.metric import NAMESPACE, Metric, as_dimension
from keyshift.process.settings import Settings

_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3
OPERATIONS: Final = ("c", "u", "d")
_TABLES_MAX: Final = 50  # captured ones, in one graph
_LINES_MAX: Final = 500  # that CloudWatch draws in one graph


def dashboard(settings: Settings, keymap: Keymap) -> dict[str, Any]:
    """The resource, by its logical name."""
    body = {"widgets": [_placed(number, one) for number, one in enumerate(_widgets(settings, keymap))]}
    properties = {
        "DashboardName": f"keyshift-{settings.migration}",
        "DashboardBody": {"Fn::Sub": json.dumps(body, separators=(",", ":"))},
    }
    return {"Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}}


def _widgets(settings: Settings, keymap: Keymap) -> list[dict[str, Any]]:
    name, function, own = settings.stream.name, function_name(settings), ["migration", settings.migration]
    lambdas = [["AWS/Lambda", one, "FunctionName", function] for one in ("Invocations", "Errors", "Throttles")]
    records = ("IncomingRecords", "WriteProvisionedThroughputExceeded")
    age = [["AWS/Lambda", "IteratorAge", "FunctionName", function]]
    return [
        _graph("Daemon: seconds and bytes", _own(CAPTURE, "gauge", own), "Maximum"),
        _graph("Daemon: each minute", _own(CAPTURE, "counter", own)),
        _graph("Stream: bytes in", [["AWS/Kinesis", "IncomingBytes", "StreamName", name]]),
        _graph("Stream: records", [["AWS/Kinesis", one, "StreamName", name] for one in records]),
        _graph("Function: age of what it reads, ms", age, "Maximum"),
        _graph("Function: invocations", lambdas),
        _graph("Function: seconds", _own(OWN, "gauge", own), "Maximum"),
        _graph("Replay: each minute", _own(APPLY, "counter", own)),
        _graph("Replay: changes by operation", [[NAMESPACE, APPLIED, *own, "operation", one] for one in OPERATIONS]),
        _graph("Replay: changes by table", [[NAMESPACE, APPLIED, *own, "table", one] for one in sources(keymap)]),
        _graph("keyshift apply run: gauges", _own(APPLY, "gauge", own), "Maximum"),
        _graph("Tidying: seconds", _own(TIDYING, "gauge", own), "Maximum"),
        _graph("Tidying: each minute", _own(TIDYING, "counter", own)),
        _graph("Tables: write units", _of_writes("ConsumedWriteCapacityUnits", keymap)),
        _graph("Tables: throttles", _of_writes("WriteThrottleEvents", keymap)),
    ]


def sources(keymap: Keymap) -> list[str]:
    """The captured tables that are drawn, as the function names them to CloudWatch."""
    return [as_dimension(one) for one in keymap.tables[:_TABLES_MAX]]


def _own(metrics: tuple[Metric, ...], kind: str, own: list[str]) -> list[list[Any]]:
    return [[NAMESPACE, one.name, *own] for one in metrics if one.kind == kind]


def _of_writes(metric: str, keymap: Keymap) -> list[list[Any]]:
    dimensions = islice(write_dimensions(keymap), _LINES_MAX)
    return [["AWS/DynamoDB", metric, *chain.from_iterable(one.items())] for one in dimensions]


def _graph(title: str, metrics: list[list[Any]], statistic: str = "Sum") -> dict[str, Any]:
    properties = {"title": title, "metrics": metrics, "stat": statistic, "period": 60, "region": "${AWS::Region}"}
    return {"type": "metric", "properties": properties | {"view": "timeSeries"}}


def _placed(number: int, widget: dict[str, Any]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {"x": column * _WIDTH, "y": row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT, **widget}
