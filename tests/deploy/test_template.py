"""The deployment's numbers are load-bearing: a wrong one loses changes in silence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdc.metrics import METRICS as CAPTURE
from keymap.rules import parse_keymap
from keyshift.apply.invocation import APPLIED, SETS
from keyshift.apply.invocation import METRICS as FUNCTION_METRICS
from keyshift.apply.tally import METRICS as APPLY
from keyshift.apply.tidy_tally import METRICS as TIDYING
from keyshift.aws.own_table import CONTROL_KEYS
from keyshift.aws.table_shape import keys_of
from keyshift.deploy.alarms import COLLIDED, FAILED, SET_ASIDE
from keyshift.deploy.dashboard import OPERATIONS
from keyshift.deploy.function import parallelization_factor
from keyshift.deploy.template import template, template_text
from keyshift.process.tasks import MetricsSettings
from tests.deploy.rendered import ROOT, TEMPLATE, example, of_type, rendered

FOUND = rendered()
(MAPPING,) = of_type(FOUND, "AWS::Lambda::EventSourceMapping").values()
(FUNCTION,) = of_type(FOUND, "AWS::Lambda::Function").values()
INDEXED = parse_keymap(
    """
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
    indexes: {by_day: {partition_key: {day: S}}, inverted: {partition_key: {sk: S}, sort_key: {pk: S}}}
    local_indexes: {by_total: {sort_key: {total: N}}}
  other: {partition_key: {pk: S}}
tables:
  shop.orders:
    - {target: app, key: {pk: "ORDER#{id}", sk: "#"}, include: [day, total]}
    - {target: other, key: {pk: "ORDER#{id}"}, include: []}
""",
    "keymap.yaml",
)
STORES = {name: one for name, one in FOUND["Resources"].items() if "Condition" in one and "Profile" not in name}


def test_the_file_beside_the_handler_is_the_one_that_is_rendered_for_the_example() -> None:
    """`SHOP_PASSWORD=x keyshift -c lambda/example.yaml deploy template > lambda/template.yaml` makes it anew."""
    text = template_text(*example())
    assert TEMPLATE.read_text() == text
    assert yaml.safe_load(text) == FOUND


def test_cfn_lint_finds_nothing_in_it_nor_in_one_with_indexes(tmp_path: Path) -> None:
    indexed = tmp_path / "indexed.yaml"
    indexed.write_text(template_text(example()[0], INDEXED))
    argv = [Path(sys.executable).parent / "cfn-lint", TEMPLATE, indexed]
    linted = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StartingPosition", "TRIM_HORIZON"),
        ("MaximumRetryAttempts", -1),
        ("MaximumRecordAgeInSeconds", -1),
        ("FunctionResponseTypes", ["ReportBatchItemFailures"]),
        ("BisectBatchOnFunctionError", True),
    ],
)
def test_the_event_source_mapping_never_discards_a_record(name: str, value: object) -> None:
    assert MAPPING[name] == value


def test_the_mapping_is_disabled_until_somebody_enables_replay() -> None:
    assert MAPPING["Enabled"] == {"Fn::If": ["Replays", True, False]}
    assert FOUND["Conditions"]["Replays"] == {"Fn::Equals": [{"Ref": "Replay"}, "enabled"]}
    assert FOUND["Parameters"]["Replay"]["Default"] == "disabled"


def test_no_destination_takes_a_failed_record_out_of_its_lane() -> None:
    assert "DestinationConfig" not in MAPPING
    assert of_type(FOUND, "AWS::Lambda::EventInvokeConfig") == {}


@pytest.mark.parametrize(("lanes", "shards", "factor"), [(64, 2, 10), (64, 6, 10), (64, 7, 9), (8, 4, 2), (8, 100, 1)])
def test_no_more_batches_at_a_time_than_a_shards_lanes_fill(lanes: int, shards: int, factor: int) -> None:
    assert parallelization_factor(lanes, shards) == factor


def test_what_holds_changes_or_items_outlives_the_stack() -> None:
    assert sorted(STORES) == ["Bucket", "Control", "Stream", "Target1"]
    for one in STORES.values():
        assert one["DeletionPolicy"] == "RetainExceptOnCreate"
        assert one["UpdateReplacePolicy"] == "Retain"


def test_stream_and_tables_are_those_of_the_settings_and_the_keymap() -> None:
    settings, keymap = example()
    stream = STORES["Stream"]["Properties"]
    assert (stream["Name"], stream["ShardCount"], stream["RetentionPeriodHours"]) == ("keyshift-shop", 2, 168)
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    control = STORES["Control"]["Properties"]
    assert (control["TableName"], keys_of(control)) == (settings.control_table, CONTROL_KEYS)
    (target,) = keymap.targets.values()
    assert keys_of(STORES["Target1"]["Properties"]) == target.keys


def test_the_handler_is_the_one_in_the_archive() -> None:
    module, function = FUNCTION["Handler"].split(".")
    assert f"def {function}(" in (TEMPLATE.parent / f"{module}.py").read_text()
    assert not (TEMPLATE.parent / "__init__.py").exists()


def test_the_function_is_told_what_the_handler_reads() -> None:
    text = (ROOT / "lambda" / "apply_stream.py").read_text()
    for name in FUNCTION["Environment"]["Variables"]:
        assert name in text, name


def test_the_iterator_age_is_watched_against_the_retention() -> None:
    alarm = of_type(FOUND, "AWS::CloudWatch::Alarm")["ReplayIsBehindAlarm1"]
    assert alarm["Threshold"] == 168 * 3_600_000 / 2


def test_each_global_index_has_an_alarm_and_lines_of_its_own_beside_its_tables() -> None:
    """A table's figure counts no throttle of its global indexes; a local one takes the table's own units."""
    found = template(example()[0], INDEXED)
    alarms = of_type(found, "AWS::CloudWatch::Alarm").values()
    throttled = [one for one in alarms if one["MetricName"] == "WriteThrottleEvents"]
    wanted = [["app"], ["other"], ["app", "by_day"], ["app", "inverted"]]
    names = ["TableName", "GlobalSecondaryIndexName"]
    assert [one["Dimensions"] for one in throttled] == [
        [{"Name": name, "Value": value} for name, value in zip(names, one, strict=False)] for one in wanted
    ]
    assert [one["AlarmName"].removeprefix("keyshift-shop-a-table-is-throttled") for one in throttled] == [
        *("", "-2", "-3", "-4")
    ]
    assert "Index inverted of table app takes fewer writes" in throttled[-1]["AlarmDescription"]
    (board,) = of_type(found, "AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"][-2:]:
        assert [one[2:] for one in widget["properties"]["metrics"]] == [
            [part for pair in zip(names, one, strict=False) for part in pair] for one in wanted
        ]


def test_the_documents_count_the_alarms_that_are_billed() -> None:
    count = len(of_type(FOUND, "AWS::CloudWatch::Alarm"))
    text = (ROOT / "docs" / "lambda.md").read_text()
    assert f"| {count - 1} alarms, one for each target table" in text


def figures(found: dict[str, Any]) -> set[str]:
    """Keyshift's own metrics that alarms and dashboard name."""
    named = {one["MetricName"] for one in of_type(found, "AWS::CloudWatch::Alarm").values()}
    (board,) = of_type(found, "AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]:
        named |= {one[1] for one in widget["properties"]["metrics"] if isinstance(one[0], str)}
    return {one for one in named if one.startswith("keyshift_")}


def test_alarms_and_dashboard_name_metrics_that_exist() -> None:
    there = {one.name for one in (*CAPTURE, *APPLY, *TIDYING, *FUNCTION_METRICS)}
    assert {FAILED, COLLIDED} < {one.name for one in FUNCTION_METRICS}
    assert figures(FOUND) == there  # the dashboard shows all of them


def test_the_dashboard_draws_changes_in_the_dimensions_that_the_function_tells() -> None:
    (board,) = of_type(FOUND, "AWS::CloudWatch::Dashboard").values()
    drawn = [
        one
        for widget in json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]
        for one in widget["properties"]["metrics"]
    ]
    sets = {tuple(one[2::2]) for one in drawn if one[1] == APPLIED}
    assert sets == {("migration",), *SETS}
    named = {one[5] for one in drawn if one[1] == APPLIED and len(one) > 4}
    assert named == {*OPERATIONS, *example()[1].tables}


def test_there_is_no_alarm_about_a_figure_that_never_comes() -> None:
    silent = rendered(metrics=MetricsSettings(emf=False))
    alarms = of_type(silent, "AWS::CloudWatch::Alarm").values()
    named = {one["MetricName"] for one in alarms if one["MetricName"].startswith("keyshift_")}
    assert named == {FAILED, COLLIDED, SET_ASIDE}
