"""The stack of one migration as a CloudFormation template, from its settings and its keymap.

It is plain CloudFormation rather than SAM: every resource stands there as it will be, for the linter, for the tests'
endpoints and for whoever reads it, and it deploys without a transform (docs/decisions/0033).
"""

from typing import Any, Final

from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keymap.yaml_text import comment, entry, opened
from keyshift.deploy.alarms import alarms
from keyshift.deploy.dashboard import dashboard
from keyshift.deploy.function import FUNCTION, MAPPING, function
from keyshift.deploy.permissions import ROWS_ID, SOURCE_ID, place_of
from keyshift.deploy.roles import ON_HOSTS, roles
from keyshift.deploy.stores import stores
from keyshift.process.settings import Settings

RESOURCES_MAX: Final = 500  # CloudFormation's
HOST_SERVICES: Final = ("ec2.amazonaws.com", "ecs-tasks.amazonaws.com")
_HEAD: Final = "By `keyshift deploy template`, from settings and keymap: change those, and render it again."


def template(settings: Settings, keymap: Keymap) -> dict[str, Any]:
    """The template as maps and lists. Raises KeyshiftError where the target tables are too many for a stack."""
    place = place_of(settings, tuple(keymap.targets))
    resources = {
        **stores(settings, keymap),
        **function(settings, place),
        **roles(settings, place),
        **alarms(settings, keymap),
        **dashboard(settings, keymap),
    }
    if len(resources) > RESOURCES_MAX:
        tables = f"{len(keymap.targets)} target tables with their indexes"
        raise KeyshiftError(
            f"the stack would have {len(resources)} resources for {tables}",
            f"CloudFormation takes {RESOURCES_MAX}: let several migrations share the tables out",
        )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Keyshift: migration {settings.migration}, from MySQL to DynamoDB.",
        "Parameters": _parameters(settings),
        "Conditions": _conditions(),
        "Resources": resources,
        "Outputs": _outputs(),
    }


def template_text(settings: Settings, keymap: Keymap) -> str:
    """The template as YAML."""
    lines = comment(_HEAD)
    for name, value in template(settings, keymap).items():
        if isinstance(value, dict):
            lines += ["", *opened(name, 0)]
            lines += [line for inner, one in value.items() for line in entry(inner, one, 2)]
        else:
            lines += entry(name, value, 0)
    return "\n".join(lines) + "\n"


def _parameters(settings: Settings) -> dict[str, Any]:
    found = {
        "CodeBucket": _text("Bucket that holds the function's archive", pattern="[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        "CodeKey": _text("The archive's key there. Give each archive a key of its own: another one is deployed"),
        "Architecture": _choice("What the archive was built for", "arm64", "x86_64"),
        "Replay": _choice("enabled, once the bulk load has opened replay, until the switch", "disabled", "enabled"),
        "Resources": _choice("existing: `keyshift init` has made stream, tables and bucket", "create", "existing"),
        "ControlTable": _choice("existing: another migration uses the same one", "create", "existing"),
        "KmsKeyArn": _text("A key of your own for all that is stored; empty: those of AWS", default=""),
        "AlarmTopicArn": _text("SNS topic that alarms go to; empty: nowhere", default=""),
        "HostService": _choice("Where daemon, load and verify run, which may take their roles", *HOST_SERVICES),
    }
    if settings.source.auth == "iam":
        found[SOURCE_ID] = _text("Of the source instance, or of its Aurora cluster (cluster-…)")
    if settings.rows_elsewhere and settings.rows.auth == "iam":
        found[ROWS_ID] = _text("Of the instance that rows are read from (bulkload.source)")
    return found


def _text(description: str, *, pattern: str = "", default: str | None = None) -> dict[str, Any]:
    given = {} if default is None else {"Default": default}
    allowed = {"AllowedPattern": pattern} if pattern else {}
    return {"Type": "String", **given, **allowed, "Description": description}


def _choice(description: str, first: str, *others: str) -> dict[str, Any]:
    return {"Type": "String", "Default": first, "AllowedValues": [first, *others], "Description": description}


def _conditions() -> dict[str, Any]:
    makes = {"Fn::Equals": [{"Ref": "Resources"}, "create"]}
    return {
        "Replays": {"Fn::Equals": [{"Ref": "Replay"}, "enabled"]},
        "MakesResources": makes,
        "MakesControlTable": {"Fn::And": [makes, {"Fn::Equals": [{"Ref": "ControlTable"}, "create"]}]},
        "HasKey": {"Fn::Not": [{"Fn::Equals": [{"Ref": "KmsKeyArn"}, ""]}]},
        "HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}]},
        "OnInstances": {"Fn::Equals": [{"Ref": "HostService"}, HOST_SERVICES[0]]},
    }


def _outputs() -> dict[str, Any]:
    found = {
        "Function": {"Description": "The function's name", "Value": {"Ref": FUNCTION}},
        "EventSourceMapping": {"Description": "The mapping that Replay enables", "Value": {"Ref": MAPPING}},
    }
    for name in ON_HOSTS:
        found[f"{name}RoleArn"] = {"Value": {"Fn::GetAtt": [f"{name}Role", "Arn"]}}
    return found
