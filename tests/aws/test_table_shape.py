"""What CreateTable is asked for is what the keymap says, and what another table lacks of it is told with the remedy."""

from dataclasses import replace
from typing import Any

import pytest

from keymap.targets import Index, KeyAttribute, Target
from keyshift.aws.table_shape import problems, request

PK, SK = KeyAttribute("pk", "S"), KeyAttribute("sk", "S")
OPEN = Index("open_orders", KeyAttribute("open", "S"), PK, ("b", "a"))
BY_TOTAL = Index("by_total", PK, KeyAttribute("total", "N"), "keys", is_local=True)
PLAIN = Target("app", PK, SK, "on_demand", None, None)
TARGET = replace(PLAIN, indexes=(OPEN, BY_TOTAL))


def test_each_attribute_is_defined_once_and_indexes_go_under_their_kind() -> None:
    wanted = request(TARGET)
    defined = [(one["AttributeName"], one["AttributeType"]) for one in wanted["AttributeDefinitions"]]
    assert defined == [("open", "S"), ("pk", "S"), ("sk", "S"), ("total", "N")]
    (index,) = wanted["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "open_orders",
        "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"]},
    }
    (local,) = wanted["LocalSecondaryIndexes"]
    assert local["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert wanted["BillingMode"] == "PAY_PER_REQUEST"


def test_a_table_without_indexes_is_asked_for_none() -> None:
    assert request(PLAIN).keys() == {"TableName", "KeySchema", "AttributeDefinitions", "BillingMode"}


def described(target: Target = TARGET) -> dict[str, Any]:
    """A table as DescribeTable tells it: what was asked for, with more of no interest."""
    wanted = request(target)
    for index in wanted.get("GlobalSecondaryIndexes", []):
        index["IndexStatus"] = "ACTIVE"
    return {**wanted, "TableStatus": "ACTIVE", "ItemCount": 0}


def told(target: Target, table: dict[str, Any]) -> list[str]:
    return [problem.what for problem in problems(target, table)]


def test_the_table_that_was_asked_for_is_right() -> None:
    assert told(TARGET, described()) == []
    assert told(PLAIN, described(PLAIN)) == []


def test_the_order_of_a_projection_and_indexes_that_are_not_ours_do_not_matter() -> None:
    table = described()
    table["GlobalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"].reverse()
    assert told(TARGET, table) == []
    assert told(PLAIN, described()) == []


@pytest.mark.parametrize(
    ("other", "what", "remedy"),
    [
        (replace(OPEN, name="other"), "it has no index open_orders", "Create it"),
        (replace(OPEN, sort_key=None), "is (open S), (open S, pk S) is needed", "delete this index"),
        (replace(OPEN, partition_key=KeyAttribute("open", "N")), "is (open N, pk S), (open S, pk S)", "delete this"),
        (replace(OPEN, projection="all"), "open_orders projects ALL, INCLUDE (a, b) is needed", "delete this index"),
        (replace(OPEN, projection=("a",)), "projects INCLUDE (a), INCLUDE (a, b) is needed", "delete this index"),
        (replace(OPEN, partition_key=PK, sort_key=SK, is_local=True), "it has no index open_orders", "Create it"),
    ],
)
def test_a_missing_or_different_index_is_told_with_the_remedy(other: Index, what: str, remedy: str) -> None:
    (problem,) = problems(replace(TARGET, indexes=(OPEN,)), described(replace(TARGET, indexes=(other,))))
    assert problem.where == "table app"
    assert what in problem.what
    assert remedy in problem.remedy


def test_an_index_that_is_being_deleted_is_missing() -> None:
    table = described()
    table["GlobalSecondaryIndexes"][0]["IndexStatus"] = "DELETING"
    assert told(TARGET, table) == ["it has no index open_orders"]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(BY_TOTAL, projection="all"), "local index by_total projects ALL, KEYS_ONLY is needed"),
        (replace(BY_TOTAL, name="by_date"), "it has no local index by_total"),
    ],
)
def test_a_local_index_can_only_be_made_with_the_table(other: Index, what: str) -> None:
    (problem,) = problems(replace(TARGET, indexes=(BY_TOTAL,)), described(replace(TARGET, indexes=(other,))))
    assert what in problem.what
    assert "can only be made with it" in problem.remedy


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(told(TARGET, described(replace(PLAIN, sort_key=None)))) == 3
