"""One list of actions: docs/permissions.md and the stack's roles are both made of it."""

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest

from keymap.claims import claim_of, claims_folder
from keyshift.control.migration import draw_id
from keyshift.deploy.permissions import FUNCTION, PARTS, Place, document, password_statements, place_of
from keyshift.deploy.roles import ON_HOSTS
from tests.cli.test_permissions import document_under
from tests.deploy.rendered import example, of_type, rendered

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
    assert document_under(heading) == document(part, PLACE)


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


def granted(role: dict[str, Any]) -> list[str]:
    """Every action of a role, with what it is for."""
    (policy,) = role["Policies"]
    statements = [one for one in policy["PolicyDocument"]["Statement"] if "Fn::If" not in one]
    return sorted(json.dumps([one["Action"], one["Resource"], one.get("Condition")]) for one in statements)


def test_each_role_has_what_its_parts_need_and_nothing_else() -> None:
    made = of_type(rendered(), "AWS::IAM::Role")
    parts = {"FunctionRole": (FUNCTION,)} | {f"{name}Role": parts for name, parts in ON_HOSTS.items()}
    assert made.keys() == parts.keys()
    for name, role in made.items():
        place = place_of(SETTINGS, tuple(KEYMAP.targets))
        wanted = [one for part in parts[name] for one in document(part, place)["Statement"]]
        text = re.sub(r'\{"Fn::Sub": ("[^"]*")\}', r"\1", json.dumps(role))
        assert granted(json.loads(text)) == sorted(
            json.dumps([one["Action"], one["Resource"], one.get("Condition")]) for one in wanted
        )


def test_no_part_may_do_everything_or_anything_everywhere() -> None:
    for part in PARTS:
        for statement in document(part, PLACE)["Statement"]:
            assert statement["Resource"] != "*"
            assert not any("*" in action for action in statement["Action"])


def test_the_function_may_read_what_fits_no_record_of_this_migration_and_nothing_else_in_s3() -> None:
    (statement,) = [one for one in document(FUNCTION, PLACE)["Statement"] if one["Action"][0].startswith("s3:")]
    assert statement["Action"] == ["s3:GetObject"]
    there = "arn:aws:s3:::my-keyshift-dumps"
    folder = claims_folder("keyshift", draw_id("shop"))
    assert fnmatch(f"{there}/{claim_of(b'{}', 'v', folder).object}", statement["Resource"])
    assert not fnmatch(f"{there}/keyshift/{draw_id('shop')}/dump/x.zst", statement["Resource"])
