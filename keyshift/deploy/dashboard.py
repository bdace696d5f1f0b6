"""The dashboard: the whole pipeline from left to right, the source's lag to the tables' writes.

What the daemon and `keyshift apply run` show is there where they write it (`metrics.emf`) and their log is sent to
CloudWatch. Their counters only grow, so what is drawn is their rate.
"""

import json
from typing import Any, Final

from cdc.metrics import METRICS as CAPTURE
from keymap.rules import Keymap
from keyshift.apply.tally import METRICS as APPLY
from keyshift.deploy.function import COLLIDED, FAILED, function_name
from keyshift.process.metrics import NAMESPACE, Metric
from keyshift.process.settings import Settings

_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3
_TABLES_MAX: Final = 50  # in one graph; CloudWatch draws 500 lines


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
    tables = list(keymap.targets)[:_TABLES_MAX]
    lambdas = [["AWS/Lambda", one, "FunctionName", function] for one in ("Invocations", "Errors", "Throttles")]
    return [
        _graph("Daemon: seconds and bytes", _gauges(CAPTURE, own), "Maximum"),
        _graph("Daemon: each second", _rates(CAPTURE, own), "Maximum"),
        _graph("Stream: bytes in", [["AWS/Kinesis", "IncomingBytes", "StreamName", name]], "Sum"),
        _graph(
            "Stream: records",
            [
                ["AWS/Kinesis", one, "StreamName", name]
                for one in ("IncomingRecords", "WriteProvisionedThroughputExceeded")
            ],
            "Sum",
        ),
        _graph(
            "Function: age of what it reads, ms", [["AWS/Lambda", "IteratorAge", "FunctionName", function]], "Maximum"
        ),
        _graph("Function: invocations", lambdas, "Sum"),
        _graph("Function: duration, ms", [["AWS/Lambda", "Duration", "FunctionName", function]], "Average"),
        _graph("Function: what it could not apply", [[NAMESPACE, one, *own] for one in (FAILED, COLLIDED)], "Sum"),
        _graph("keyshift apply run: gauges", _gauges(APPLY, own), "Maximum"),
        _graph("keyshift apply run: each second", _rates(APPLY, own), "Maximum"),
        _graph(
            "Tables: write units", [["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", one] for one in tables]
        ),
        _graph("Tables: throttles", [["AWS/DynamoDB", "WriteThrottleEvents", "TableName", one] for one in tables]),
    ]


def _gauges(metrics: tuple[Metric, ...], own: list[str]) -> list[list[Any]]:
    return [[NAMESPACE, one.name, *own] for one in metrics if one.kind == "gauge"]


def _rates(metrics: tuple[Metric, ...], own: list[str]) -> list[list[Any]]:
    found: list[list[Any]] = []
    for one in metrics:
        if one.kind == "counter":
            key = f"m{len(found)}"
            found.append([{"expression": f"RATE({key})", "label": one.name}])
            found.append([NAMESPACE, one.name, *own, {"id": key, "visible": False}])
    return found


def _graph(title: str, metrics: list[list[Any]], statistic: str = "Sum") -> dict[str, Any]:
    properties = {"title": title, "metrics": metrics, "stat": statistic, "period": 60, "region": "${AWS::Region}"}
    return {"type": "metric", "properties": properties | {"view": "timeSeries"}}


def _placed(number: int, widget: dict[str, Any]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {"x": column * _WIDTH, "y": row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT, **widget}
