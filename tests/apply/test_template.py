"""The deployment's numbers are load-bearing: a wrong one loses changes in silence."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from keymap.claims import claim_of, claims_folder
from keyshift.control.migration import draw_id

TEMPLATE = Path(__file__).parents[2] / "lambda" / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, kept as their arguments."""


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))
RESOURCES: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]
FUNCTION = RESOURCES["ApplyFunction"]["Properties"]
MAPPING = FUNCTION["Events"]["Changes"]["Properties"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Enabled", False),  # replay is closed until every chunk is loaded
        ("StartingPosition", "TRIM_HORIZON"),
        ("MaximumRetryAttempts", -1),
        ("MaximumRecordAgeInSeconds", -1),
        ("FunctionResponseTypes", ["ReportBatchItemFailures"]),
        ("BisectBatchOnFunctionError", True),
    ],
)
def test_the_event_source_mapping_never_discards_a_record(name: str, value: object) -> None:
    assert MAPPING[name] == value


def test_no_destination_takes_a_failed_record_out_of_its_lane() -> None:
    assert "DestinationConfig" not in MAPPING
    assert "EventInvokeConfig" not in FUNCTION


def test_the_function_may_write_items_and_the_control_table_and_nothing_else() -> None:
    (policy,) = RESOURCES["ApplyRole"]["Properties"]["Policies"]
    actions = {action for one in policy["PolicyDocument"]["Statement"] for action in one["Action"]}
    assert {action for action in actions if action.startswith("dynamodb:")} == {
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }
    assert not any("*" in action for action in actions)
    assert all(one["Resource"] != "*" for one in policy["PolicyDocument"]["Statement"])


def test_the_function_may_read_what_fits_no_record_of_this_migration_and_nothing_else_in_s3() -> None:
    (policy,) = RESOURCES["ApplyRole"]["Properties"]["Policies"]
    (statement,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Action"][0].startswith("s3:")]
    assert statement["Action"] == ["s3:GetObject"]
    pattern = statement["Resource"].partition(":s3:::")[2]
    for name, value in {"Bucket": "b", "BucketPrefix": "keyshift", "Migration": "shop"}.items():
        pattern = pattern.replace(f"${{{name}}}", value)
    folder = claims_folder("keyshift", draw_id("shop"))
    assert fnmatch(f"b/{claim_of(b'{}', 'v', folder).object}", pattern)
    assert not fnmatch(f"b/keyshift/{draw_id('shop')}/dump/x.zst", pattern)


def test_the_handler_is_the_one_in_the_archive() -> None:
    module, function = FUNCTION["Handler"].split(".")
    assert f"def {function}(" in (TEMPLATE.parent / f"{module}.py").read_text()
    assert not (TEMPLATE.parent / "__init__.py").exists()
