"""One list of actions: docs/permissions.md and the stack's roles are both made of it."""

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest

from keymap.claims import claim_of, claims_folder, set_aside_folder
from keymap.errors import KeyshiftError
from keyshift.control.migration import draw_id
from keyshift.deploy.permissions import (
    FUNCTION,
    KEY_ACTIONS,
    PARTS,
    Place,
    password_statements,
    place_of,
    policy,
    statements,
)
from keyshift.deploy.roles import ON_HOSTS, POLICIES_MAX, roles, split
from keyshift.process.source import RowsSettings
from tests.cli.test_permissions import document_under
from tests.deploy.rendered import example, of_type, rendered
from tests.mysql.test_permissions import PAGE

SETTINGS, KEYMAP = example()
PLACE = Place(
    "shop",
    "keyshift-control",
    "keyshift-shop",
    "my-keyshift-dumps",
    "keyshift",
    ("purchases",),
    partition="aws",
    region="eu-central-1",
    account="111122223333",
)


@pytest.mark.parametrize("part", PARTS)
def test_the_page_tells_what_a_part_may_do(part: str) -> None:
    heading = "The Lambda function" if part == FUNCTION else f"`keyshift {part}`"
    assert document_under(heading) == policy(statements(part, PLACE))


def test_the_page_tells_how_a_password_is_read() -> None:
    source = SETTINGS.source
    given = (
        source.model_copy(update={"password_secret": "shop#password"}),
        source.model_copy(update={"password_parameter": "/shop/password"}),
        source.model_copy(update={"auth": "iam"}),
    )
    told = [one for source in given for one in password_statements(source, PLACE)]
    text = json.dumps(told).replace("${DbiResourceId}", "DbiResourceId")
    assert document_under("The source's password")["Statement"] == json.loads(text)
    given_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop-AbCdEf"
    (statement,) = password_statements(source.model_copy(update={"password_secret": given_arn}), PLACE)
    assert statement["Resource"] == given_arn


def test_the_loader_may_log_in_where_rows_are_read_from_too_and_nobody_else() -> None:
    source = SETTINGS.source.model_copy(update={"password_secret": "shop"})
    rows = RowsSettings(host="replica", user="rows", auth="iam")
    settings = SETTINGS.model_copy(
        update={"source": source, "bulkload": SETTINGS.bulkload.model_copy(update={"source": rows})}
    )
    policies = {name: json.dumps(one) for name, one in roles(settings, PLACE).items() if "Policy" in name}
    loader = "".join(text for name, text in policies.items() if name.startswith("Loader"))
    others = "".join(text for name, text in policies.items() if not name.startswith("Loader"))
    assert "dbuser:${RowsDbiResourceId}/rows" in loader
    assert "secret:shop-??????" in loader
    assert "secret:shop-??????" in others
    assert "rds-db" not in others


def granted(statements: list[dict[str, Any]]) -> set[str]:
    """Every action, on each resource, under its condition."""
    return {
        json.dumps([action, resource, one.get("Condition")])
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    }


def test_each_role_has_what_its_parts_need_and_nothing_else() -> None:
    made, policies = of_type(rendered(), "AWS::IAM::Role"), of_type(rendered(), "AWS::IAM::ManagedPolicy")
    parts = {"FunctionRole": (FUNCTION,)} | {f"{name}Role": parts for name, parts in ON_HOSTS.items()}
    assert made.keys() == parts.keys()
    for name, role in made.items():
        place = place_of(SETTINGS, tuple(KEYMAP.targets))
        wanted = [one for part in parts[name] for one in statements(part, place)]
        own = [policies[one["Ref"]]["PolicyDocument"]["Statement"] for one in role["ManagedPolicyArns"]]
        text = re.sub(r'\{"Fn::Sub": ("[^"]*")\}', r"\1", json.dumps(own))
        found = [one for document in json.loads(text) for one in document if "Fn::If" not in one]
        assert granted(found) == granted(wanted)


def test_many_tables_are_shared_out_over_policies_that_iam_takes() -> None:
    place = place_of(SETTINGS, tuple(f"table-of-some-length-{number}" for number in range(150)))
    wanted = [one for part in ON_HOSTS["Loader"] for one in statements(part, place)]
    documents = list(split(wanted))
    assert 1 < len(documents) <= POLICIES_MAX
    assert granted([one for found in documents for one in found]) == granted(wanted)
    for one in documents:
        assert len(json.dumps({"Version": "2012-10-17", "Statement": one}, separators=(",", ":"))) < 6_144
    with pytest.raises(KeyshiftError, match="too many for one role"):
        roles(SETTINGS, place_of(SETTINGS, tuple(f"{'t' * 200}-{number}" for number in range(200))))


def test_a_key_of_ones_own_is_for_every_part_as_the_page_says() -> None:
    assert all(f"`{action}`" in PAGE.read_text() for action in KEY_ACTIONS)
    for made in of_type(rendered(), "AWS::IAM::ManagedPolicy").values():
        condition, key, otherwise = made["PolicyDocument"]["Statement"][-1]["Fn::If"]
        assert (condition, key["Action"], otherwise) == ("HasKey", list(KEY_ACTIONS), {"Ref": "AWS::NoValue"})


def test_no_part_may_do_everything_or_anything_everywhere() -> None:
    for part in PARTS:
        for statement in statements(part, PLACE):
            assert statement["Resource"] != "*"
            assert not any("*" in action for action in statement["Action"])


def test_the_function_may_read_what_fits_no_record_and_set_aside_and_nothing_else_in_s3() -> None:
    found = [one for one in statements(FUNCTION, PLACE) if one["Action"][0].startswith("s3:")]
    assert [one["Action"] for one in found] == [["s3:GetObject"], ["s3:PutObject"]]
    there, run = "arn:aws:s3:::my-keyshift-dumps", draw_id("shop")
    for folder, statement in zip((claims_folder, set_aside_folder), found, strict=True):
        assert fnmatch(f"{there}/{claim_of(b'{}', 'v', folder('keyshift', run)).object}", statement["Resource"])
        assert not fnmatch(f"{there}/keyshift/{run}/dump/x.zst", statement["Resource"])
