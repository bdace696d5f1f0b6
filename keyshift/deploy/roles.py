"""The roles of the function and of the processes on hosts, each with what its part needs (permissions.py)."""

from typing import Any

from keyshift.deploy.permissions import FUNCTION, KEY_ACTIONS, Place, password_statements, policy, statements
from keyshift.deploy.stores import with_key
from keyshift.process.settings import Settings

ON_HOSTS = {  # the role's logical name, and the parts that run under it
    "Daemon": ("cdc run",),
    "Loader": ("bulkload dump", "bulkload plan", "bulkload load"),
    "Verifier": ("verify",),
}


def roles(settings: Settings, place: Place) -> dict[str, Any]:
    """The resources, by their logical names; a host of EC2 takes its role as an instance profile."""
    found = {"FunctionRole": _role("lambda.amazonaws.com", FUNCTION, statements(FUNCTION, place))}
    for name, parts in ON_HOSTS.items():
        wanted = [one for part in parts for one in statements(part, place)]
        wanted += password_statements(settings.source, place)
        found[f"{name}Role"] = _role({"Ref": "HostService"}, name.lower(), wanted)
        found[f"{name}Profile"] = {
            "Type": "AWS::IAM::InstanceProfile",
            "Condition": "OnInstances",
            "Properties": {"Roles": [{"Ref": f"{name}Role"}]},
        }
    return found


def _role(service: Any, name: str, wanted: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - text or a Ref
    key = {"Effect": "Allow", "Resource": {"Ref": "KmsKeyArn"}, "Action": list(KEY_ACTIONS)}
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    properties = {
        "AssumeRolePolicyDocument": policy([trust]),
        "Policies": [
            {
                "PolicyName": f"keyshift-{name}",
                "PolicyDocument": policy([*map(_substituted, wanted), with_key(key)]),
            }
        ],
    }
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _substituted(statement: dict[str, Any]) -> dict[str, Any]:
    resource = statement["Resource"]
    if isinstance(resource, list):
        return statement | {"Resource": [_sub(one) for one in resource]}
    return statement | {"Resource": _sub(resource)}


def _sub(arn: str) -> Any:  # noqa: ANN401 - text, or CloudFormation's function
    return {"Fn::Sub": arn} if "${" in arn else arn
