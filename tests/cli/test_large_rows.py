"""Rows of many megabytes through the whole pipeline: what fits an item ends equal, what nobody needs is not sent."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of

pytestmark = pytest.mark.any_pair

MB = 1_000_000


def lengthen(project: Project) -> None:
    """Orders get a text of which an item has the beginning, and a picture that no item has."""
    project.execute("ALTER TABLE orders ADD COLUMN body LONGTEXT NOT NULL, ADD COLUMN photo LONGBLOB NULL")
    rule = "      exclude: [body, photo]\n      attributes: {begins: '{body|left(20)}'}\n"
    project.edit("keymap.yaml", f"  {project.schema}.purchase:", f"{rule}  {project.schema}.purchase:")


def objects(project: Project) -> list[str]:
    pages = project.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=f"{project.name}-bucket")
    names = [one["Key"] for page in pages for one in page.get("Contents", ())]
    return [name for name in names if "/claims/" in name]


def items(project: Project) -> dict[str, Any]:
    found = project.aws("dynamodb").scan(TableName=f"{project.name}-app", ConsistentRead=True)["Items"]
    return {
        item["pk"]["S"] + item["sk"]["S"]: item["begins"]["S"] for item in found if not item["_ks_v"]["S"].endswith("x")
    }


def test_rows_of_many_megabytes_are_loaded_followed_and_verified(project: Project) -> None:
    lengthen(project)
    values = ", ".join(f"({n}, {n % 3}, {n}, NULL, REPEAT('old ', 500000), REPEAT('p', 100000))" for n in range(6))
    project.execute(f"INSERT INTO orders VALUES {values}")
    with ExitStack() as stack:
        migration = Migration(project, stack)
        migration.load()
        project.execute(
            "BEGIN",
            "INSERT INTO purchase VALUES (1, 1, 1, 5)",
            f"UPDATE orders SET body = REPEAT('new', {5 * MB} / 3) WHERE id = 1",
            "UPDATE orders SET total = 7 WHERE id = 5",
            f"INSERT INTO orders VALUES (7, 1, 7, 'x', REPEAT('7', {5 * MB}), NULL)",
            "COMMIT",
            "BEGIN",
            f"UPDATE orders SET body = REPEAT('gone', {MB})",
            "CREATE TEMPORARY TABLE t (i INT)",
            "ROLLBACK",
        )
        project.execute(
            f"UPDATE orders SET customer_id = 8, body = REPEAT('moved', {MB}) WHERE id = 2",
            "DELETE FROM orders WHERE id = 3",
        )
        migration.start("apply", "run")
        until(lambda: "CUSTOMER#8ORDER#000002" in items(project), 60)
        answer = project.keyshift("cutover", "run")
        assert answer.code == 0, answer.out + answer.err
        assert answer_of(project, "verify")["clean"]
    old = "old " * 5
    assert items(project) == {
        "CUSTOMER#0ORDER#000000": old,
        "CUSTOMER#1ORDER#000001": "newnewnewnewnewnewne",
        "CUSTOMER#8ORDER#000002": "moved" * 4,
        "CUSTOMER#1ORDER#000004": old,
        "CUSTOMER#2ORDER#000005": old,
        "CUSTOMER#1ORDER#000007": "7" * 20,
    }
    assert len(objects(project)) == 5
    answer = project.keyshift("destroy", "--yes", "--with-targets")
    assert answer.code == 0, answer.err
    assert project.made() == []


def test_a_large_column_that_the_keymap_leaves_out_does_not_travel(project: Project) -> None:
    lengthen(project)
    with ExitStack() as stack:
        migration = Migration(project, stack)
        migration.load()
        project.execute(f"INSERT INTO orders VALUES (1, 1, 1, NULL, 'short', REPEAT('p', {5 * MB}))")
        migration.start("apply", "run")
        until(lambda: items(project))
        assert items(project) == {"CUSTOMER#1ORDER#000001": "short"}
        assert objects(project) == []
        answer = project.keyshift("cutover", "run")
        assert answer.code == 0, answer.out + answer.err


def test_a_consumer_that_finds_an_object_gone_says_so_and_goes_on_where_it_was_once_it_is_back(
    project: Project,
) -> None:
    lengthen(project)
    with ExitStack() as stack:
        migration = Migration(project, stack)
        migration.load()
        project.execute(f"INSERT INTO orders VALUES (1, 1, 1, NULL, REPEAT('7', {2 * MB}), NULL)")
        project.execute("UPDATE orders SET body = 'short' WHERE id = 1")
        until(lambda: len(objects(project)) == 2)
        s3, (name, _) = project.aws("s3"), sorted(objects(project))
        bucket = f"{project.name}-bucket"
        kept = s3.get_object(Bucket=bucket, Key=name)["Body"].read()
        s3.delete_object(Bucket=bucket, Key=name)
        answer = project.keyshift("apply", "run")
        assert answer.code != 0
        assert f"s3://{bucket}/{name} is not there" in answer.err
        assert items(project) == {}
        s3.put_object(Bucket=bucket, Key=name, Body=kept)
        migration.start("apply", "run")
        until(lambda: items(project))
        until(lambda: items(project) == {"CUSTOMER#1ORDER#000001": "short"})
