"""The roles of the function and of the processes on hosts, each with what its part needs (permissions.py).

A policy names every target table, and has a limit in characters. So a role has as many policies as it takes.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from keymap.errors import KeyshiftError
from keyshift.deploy.permissions import (
    FUNCTION,
    KEY_ACTIONS,
    ROWS_ID,
    SOURCE_ID,
    Place,
    password_statements,
    policy,
    statements,
)
from keyshift.deploy.stores import with_key
from keyshift.process.settings import Settings

Statement = dict[str, Any]
ON_HOSTS: Final = {  # the role's logical name, and the parts that run under it
    "Daemon": ("cdc run",),
    "Loader": ("bulkload dump", "bulkload plan", "bulkload load"),
    "Verifier": ("verify",),
}
POLICIES_MAX: Final = 10  # IAM's, of a role; an account may ask for more
# IAM takes 6,144; the rest is for the key's statement. CloudFormation's names for partition, region and account are no
# shorter than what takes their place.
CHARACTERS_MAX: Final = 5_800


def roles(settings: Settings, place: Place) -> dict[str, Any]:
    """The resources, by their logical names; a host of EC2 takes its role as an instance profile.

    Raises KeyshiftError where the target tables are too many for a role.
    """
    found = _role("Function", "lambda.amazonaws.com", statements(FUNCTION, place))
    for name, parts in ON_HOSTS.items():
        wanted = [one for part in parts for one in statements(part, place)]
        wanted += _passwords(settings, place, reads_rows=name == "Loader")
        found |= _role(name, {"Ref": "HostService"}, wanted)
        found[f"{name}Profile"] = {
            "Type": "AWS::IAM::InstanceProfile",
            "Condition": "OnInstances",
            "Properties": {"Roles": [{"Ref": f"{name}Role"}]},
        }
    return found


def _passwords(settings: Settings, place: Place, *, reads_rows: bool) -> list[Statement]:
    """What logging in to the source needs, and to another server that rows are read from."""
    found = list(password_statements(settings.source, place))
    if reads_rows and settings.bulkload.source:
        instance = ROWS_ID if settings.rows_elsewhere else SOURCE_ID
        found += (one for one in password_statements(settings.rows, place, instance) if one not in found)
    return found


def _role(name: str, service: Any, wanted: list[Statement]) -> dict[str, Any]:  # noqa: ANN401 - text or a Ref
    """The role and its policies."""
    documents = list(split(wanted))
    if len(documents) > POLICIES_MAX:
        message = f"the target tables are too many for one role: {name}Role would need {len(documents)} policies"
        raise KeyshiftError(message, f"IAM takes {POLICIES_MAX}: let several migrations share the tables out")
    policies = {f"{name}Policy{number}": _policy(one) for number, one in enumerate(documents, 1)}
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    arns = [{"Ref": policy} for policy in policies]
    properties = {"AssumeRolePolicyDocument": policy([trust]), "ManagedPolicyArns": arns}
    return {**policies, f"{name}Role": {"Type": "AWS::IAM::Role", "Properties": properties}}


def split(wanted: Iterable[Statement]) -> Iterator[list[Statement]]:
    """The statements, shared out over as few policies as hold them."""
    document: list[Statement] = []
    for statement in wanted:
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            longer = _with(document, statement, resource)
            if document and len(json.dumps(longer, separators=(",", ":"))) > CHARACTERS_MAX:
                yield document
                longer = _with([], statement, resource)
            document = longer
    yield document


def _with(document: list[Statement], statement: Statement, resource: str) -> list[Statement]:
    """The document, which allows the statement's actions for this resource too."""
    rest = statement | {"Resource": None}
    if document and document[-1] | {"Resource": None} == rest:
        return [*document[:-1], statement | {"Resource": [*document[-1]["Resource"], resource]}]
    return [*document, statement | {"Resource": [resource]}]


def _policy(document: list[Statement]) -> dict[str, Any]:
    key = {"Effect": "Allow", "Resource": {"Ref": "KmsKeyArn"}, "Action": list(KEY_ACTIONS)}
    found = [one | {"Resource": [_sub(arn) for arn in one["Resource"]]} for one in document]
    properties = {"PolicyDocument": policy([*found, with_key(key)])}
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}


def _sub(arn: str) -> Any:  # noqa: ANN401 - text, or CloudFormation's function
    return {"Fn::Sub": arn} if "${" in arn else arn
