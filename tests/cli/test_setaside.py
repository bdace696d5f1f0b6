"""What cannot be applied, as an operator lives it: it is set aside, listed, mended, redriven; then one may switch."""

import json
from contextlib import ExitStack

import pytest

from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of

pytestmark = pytest.mark.any_pair

FOREIGN = {"pk": {"S": "CUSTOMER#7"}, "sk": {"S": "ORDER#000003"}, "whose": {"S": "the application's"}}


@pytest.fixture
def migration(project: Project, stack: ExitStack) -> Migration:
    """Orders have a text of which DynamoDB takes no more than an item, one that must be a number, and a document."""
    columns = ("body LONGTEXT NULL", "weight VARCHAR(20) NULL", "details JSON NULL")
    project.execute(f"ALTER TABLE orders {', '.join(f'ADD COLUMN {one}' for one in columns)}")
    rule = "      exclude: [weight]\n      attributes: {kilograms: '{weight|number}'}\n      types: {details: JSON}\n"
    project.edit("keymap.yaml", f"  {project.schema}.purchase:", f"{rule}  {project.schema}.purchase:")
    project.execute("INSERT INTO orders VALUES (0, 7, 1, NULL, 'short', '1.5', NULL)")
    return Migration(project, stack)


def test_what_cannot_be_applied_is_set_aside_and_mended_before_the_switch(migration: Migration) -> None:
    project = migration.project
    migration.run()
    dynamodb, table = project.aws("dynamodb"), f"{project.name}-app"
    dynamodb.put_item(TableName=table, Item=FOREIGN)
    project.execute(
        "INSERT INTO orders VALUES (1, 7, 1, NULL, 'short', 'heavy', NULL)",  # no number
        "INSERT INTO orders VALUES (2, 7, 1, NULL, REPEAT('x', 450000), '2', NULL)",  # no item is so large
        "INSERT INTO orders VALUES (3, 7, 1, NULL, 'short', '3', NULL)",  # somebody else's item is there
        "INSERT INTO orders VALUES (4, 7, 1, NULL, 'short', '4', NULL)",
        """INSERT INTO orders VALUES (6, 7, 1, NULL, 'short', '6', '{"xxx": [{"": "xxx"}]}')""",  # no name is empty
        "UPDATE orders SET total = 9 WHERE id = 0",
    )
    until(lambda: len(answer_of(project, "apply", "failures")["set_aside"]) == 4)
    until(lambda: "Item" in dynamodb.get_item(TableName=table, Key=key(4)))
    listed = answer_of(project, "apply", "failures")["set_aside"]
    assert [one["kind"] for one in listed] == ["unmappable", "unwritable", "foreign", "unmappable"]
    assert all(one["source"] == f"{project.schema}.orders" and one["reason"] and one["remedy"] for one in listed)
    assert listed[3]["reason"].endswith(
        "column details holds a JSON document that DynamoDB does not take: a key of an object is empty"
    )
    assert listed[3]["remedy"] == "Store the column as text, with types: {details: S}, or exclude it"
    assert not any("heavy" in json.dumps(one) or "xxx" in json.dumps(one) for one in listed)
    answer = project.keyshift("apply", "failures")
    assert (answer.code, answer.out.count("FAIL"), "4 changes are set aside" in answer.out) == (1, 4, True)
    status = answer_of(project, "status")
    assert (status["set_aside"], "keyshift apply redrive" in status["next"]) == (4, True)

    answer = project.keyshift("cutover", "checklist")
    assert answer.code == 1
    assert "FAIL  nothing set aside" in answer.out
    answer = project.keyshift("apply", "redrive")
    assert (answer.code, answer.out.count("FAIL")) == (1, 4)

    project.execute(
        "UPDATE orders SET weight = '1' WHERE id = 1",
        "UPDATE orders SET body = 'short' WHERE id = 2",
        """UPDATE orders SET details = '{"named": 1}' WHERE id = 6""",
    )
    dynamodb.delete_item(TableName=table, Key=key(3))
    until(lambda: all("Item" in dynamodb.get_item(TableName=table, Key=key(number)) for number in (1, 2, 6)))
    answer = project.keyshift("apply", "redrive", listed[2]["id"])
    assert (answer.code, "redriven" in answer.out) == (1, True)
    answer = project.keyshift("apply", "redrive")
    assert (answer.code, answer.out.count("stale")) == (0, 3), answer.out + answer.err
    assert "no change is set aside" in answer.out
    assert project.aws("s3").list_objects_v2(Bucket=f"{project.name}-bucket", Prefix=folder(project))["KeyCount"] == 0

    project.execute("INSERT INTO orders VALUES (5, 7, 1, NULL, 'short', 'heavy', NULL)")
    until(lambda: answer_of(project, "status")["set_aside"] == 1)
    (last,) = answer_of(project, "apply", "failures")["set_aside"]
    assert project.keyshift("apply", "redrive", "--discard", last["id"]).code == 2
    assert project.keyshift("apply", "redrive", "--discard", "1.1.1.1/1", "--reason", "none").code == 2
    answer = project.keyshift("apply", "redrive", "--discard", last["id"], "--reason", "it is deleted")
    assert answer.code == 0, answer.err
    project.execute("DELETE FROM orders WHERE id = 5")

    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.out + answer.err
    assert "note  nothing discarded" in answer.out
    assert "it is deleted" in answer.out
    report = answer_of(project, "verify")
    assert (report["clean"], report["differences"], report["rows"]) == (True, 0, 6)
    assert project.keyshift("apply", "redrive").code == 0
    assert project.keyshift("destroy", "--yes", "--with-targets").code == 0
    assert project.made() == []


def key(number: int) -> dict[str, dict[str, str]]:
    return {"pk": {"S": "CUSTOMER#7"}, "sk": {"S": f"ORDER#{number:06d}"}}


def folder(project: Project) -> str:
    return f"keyshift/{answer_of(project, 'status')['migration']['id']}/setaside/"
