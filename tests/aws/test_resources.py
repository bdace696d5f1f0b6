"""Resources are made once however often they are asked for; only what carries our tag counts as ours."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keymap.errors import KeyshiftError, Problems
from keymap.targets import Index, KeyAttribute, Target
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.ownership import wait_until
from keyshift.aws.resources import (
    bucket_exists,
    delete_bucket,
    delete_table,
    empty_bucket,
    ensure_bucket,
    ensure_control_table,
    ensure_table,
    table_keys,
    table_problems,
)
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.process.stop import Stop, Stopped
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import duplicate, reset_after

OURS, THEIRS = "shop.1234abcd", "other.00000000"
PK, SK = KeyAttribute("pk", "S"), KeyAttribute("sk", "N")
OPEN = Index("open_orders", KeyAttribute("open", "S"), SK, ("note",))
BY_TOTAL = Index("by_total", PK, KeyAttribute("total", "N"), "keys", is_local=True)


@pytest.fixture
def name(clients: Clients) -> Iterator[str]:
    """A name for a table and a bucket, whatever of them the test makes."""
    name = unique("res")
    yield name
    delete_table(clients.dynamodb, name)
    delete_bucket(clients.s3, name, "keyshift")


def _target(name: str, *, sort_key: KeyAttribute | None = SK, capacity: int | None = None) -> Target:
    return Target(name, PK, sort_key, "provisioned" if capacity else "on_demand", capacity, capacity)


def _query(clients: Clients, table: str, index: str, key: str, value: str) -> list[Any]:
    """The items that the index holds under the key, by the table's sort key."""
    found = clients.dynamodb.query(
        TableName=table,
        IndexName=index,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":value": {"S": value}},
    )
    return sorted(found["Items"], key=lambda item: item["sk"]["N"])


def _keeps_table_tags(servers: str) -> bool:
    return servers.endswith("+embedded")  # DynamoDB Local has no tags


def test_a_wish_to_stop_ends_the_waiting() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        wait_until(lambda: False, "ever", stop)


def test_a_wait_that_lasts_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyshift.aws.ownership.READY_SECONDS_MAX", 0.1)
    with pytest.raises(KeyshiftError, match="for stream s to become active"):
        wait_until(lambda: False, "stream s to become active", Stop())


class TestTable:
    @pytest.mark.parametrize("sort_key", [SK, None])
    def test_it_is_made_with_the_targets_key(self, clients: Clients, name: str, sort_key: KeyAttribute | None) -> None:
        target = _target(name, sort_key=sort_key)
        assert table_keys(clients.dynamodb, name) is None
        assert ensure_table(clients.dynamodb, target, OURS)
        assert table_keys(clients.dynamodb, name) == target.keys

    def test_provisioned_capacity_is_what_the_keymap_says(self, clients: Clients, name: str) -> None:
        ensure_table(clients.dynamodb, _target(name, capacity=7), OURS)
        found = clients.dynamodb.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
        assert (found["ReadCapacityUnits"], found["WriteCapacityUnits"]) == (7, 7)

    def test_a_second_time_changes_nothing_and_it_is_ours_where_tags_are_kept(
        self, clients: Clients, name: str, servers: str
    ) -> None:
        assert ensure_table(clients.dynamodb, _target(name), OURS)
        assert ensure_table(clients.dynamodb, _target(name), OURS) == _keeps_table_tags(servers)

    def test_somebody_elses_with_the_same_key_is_used_and_not_ours(self, clients: Clients, name: str) -> None:
        ensure_table(clients.dynamodb, _target(name), THEIRS)
        assert not ensure_table(clients.dynamodb, _target(name), OURS)

    @pytest.mark.parametrize("other", [None, KeyAttribute("sk", "S"), KeyAttribute("other", "N")])
    def test_another_key_is_a_problem_that_shows_both(
        self, clients: Clients, name: str, other: KeyAttribute | None
    ) -> None:
        ensure_table(clients.dynamodb, _target(name, sort_key=other), THEIRS)
        with pytest.raises(Problems, match=rf"table {name}: its key is \(pk S.*\), \(pk S, sk N\) is needed"):
            ensure_table(clients.dynamodb, _target(name), OURS)

    @pytest.mark.parametrize("fault", [reset_after, duplicate])
    def test_a_create_whose_answer_was_lost_is_ours_by_its_tag(
        self, faulty: Clients, dynamodb_faults: FaultProxy, name: str, servers: str, fault: Any
    ) -> None:
        dynamodb_faults.rules = (Rule(fault, ("CreateTable",), times=1),)
        assert ensure_table(faulty.dynamodb, _target(name), OURS) == _keeps_table_tags(servers)

    def test_the_control_table_has_the_key_that_the_control_part_uses(self, clients: Clients, name: str) -> None:
        assert ensure_control_table(clients.dynamodb, name, OURS)
        assert table_keys(clients.dynamodb, name) == (KeyAttribute("migration", "S"), KeyAttribute("item", "S"))

    def test_its_indexes_are_made_with_it_and_hold_the_items_that_have_their_keys(
        self, clients: Clients, name: str
    ) -> None:
        target = replace(_target(name), indexes=(OPEN, BY_TOTAL))
        assert table_problems(clients.dynamodb, target) is None
        assert ensure_table(clients.dynamodb, target, OURS)
        assert table_problems(clients.dynamodb, target) == []
        full: Any = {"open": {"S": "ann"}, "total": {"N": "5"}, "note": {"S": "x"}, "other": {"S": "y"}}
        for number, left_out in enumerate(("", "open", "total")):
            item = {key: value for key, value in full.items() if key != left_out}
            clients.dynamodb.put_item(TableName=name, Item={"pk": {"S": "p"}, "sk": {"N": str(number)}, **item})
        assert _query(clients, name, "open_orders", "open", "ann") == [
            {"pk": {"S": "p"}, "sk": {"N": number}, "open": {"S": "ann"}, "note": {"S": "x"}} for number in ("0", "2")
        ]
        assert _query(clients, name, "by_total", "pk", "p") == [
            {"pk": {"S": "p"}, "sk": {"N": number}, "total": {"N": "5"}} for number in ("0", "1")
        ]

    def test_a_provisioned_tables_index_has_its_own_capacity(self, clients: Clients, name: str) -> None:
        index = replace(OPEN, projection="all", read_capacity=3, write_capacity=4)
        ensure_table(clients.dynamodb, replace(_target(name, capacity=7), indexes=(index,)), OURS)
        (found,) = clients.dynamodb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"]
        capacity = found["ProvisionedThroughput"]
        assert (capacity["ReadCapacityUnits"], capacity["WriteCapacityUnits"]) == (3, 4)

    def test_a_table_without_the_targets_indexes_is_a_problem(self, clients: Clients, name: str) -> None:
        ensure_table(clients.dynamodb, _target(name), THEIRS)
        target = replace(_target(name), indexes=(OPEN, BY_TOTAL))
        with pytest.raises(Problems) as refused:
            ensure_table(clients.dynamodb, target, OURS)
        told = ["it has no index open_orders", "it has no local index by_total"]
        assert [problem.what for problem in refused.value.problems] == told

    def test_removing_it_waits_until_it_is_gone_and_may_be_repeated(
        self, faulty: Clients, dynamodb_faults: FaultProxy, name: str
    ) -> None:
        ensure_table(faulty.dynamodb, _target(name), OURS)
        dynamodb_faults.rules = (Rule(reset_after, ("DeleteTable",), times=1),)
        delete_table(faulty.dynamodb, name)
        assert table_keys(faulty.dynamodb, name) is None
        delete_table(faulty.dynamodb, name)
        assert ensure_table(faulty.dynamodb, _target(name), OURS)


class TestBucket:
    def test_it_is_made_once_and_stays_ours(self, clients: Clients, name: str) -> None:
        assert not bucket_exists(clients.s3, name)
        assert ensure_bucket(clients.s3, name, OURS)
        assert bucket_exists(clients.s3, name)
        assert ensure_bucket(clients.s3, name, OURS)
        assert not ensure_bucket(clients.s3, name, THEIRS)

    def test_another_region_is_named_as_its_location(self, endpoints: Endpoints, name: str) -> None:
        clients = make_clients("eu-central-1", endpoints.urls)
        assert ensure_bucket(clients.s3, name, OURS)
        assert clients.s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-central-1"

    def test_one_of_the_account_is_used_and_not_ours(self, clients: Clients, name: str) -> None:
        clients.s3.create_bucket(Bucket=name)
        assert not ensure_bucket(clients.s3, name, OURS)

    @pytest.mark.parametrize("fault", [reset_after, duplicate])
    def test_a_create_whose_answer_was_lost_is_ours_by_its_tag(
        self, faulty: Clients, s3_faults: FaultProxy, name: str, fault: Any
    ) -> None:
        s3_faults.rules = (Rule(fault, ("PUT",), times=1),)
        assert ensure_bucket(faulty.s3, name, OURS)

    def test_emptying_removes_what_is_under_our_prefix_and_nothing_else(self, clients: Clients, name: str) -> None:
        ensure_bucket(clients.s3, name, OURS)
        for key in ("keyshift/a", "keyshift/b/c", "keyshift2/d", "keyshift", "e"):
            clients.s3.put_object(Bucket=name, Key=key, Body=b"x")
        clients.s3.create_multipart_upload(Bucket=name, Key="keyshift/unfinished")
        clients.s3.create_multipart_upload(Bucket=name, Key="other/unfinished")
        assert empty_bucket(clients.s3, name, "keyshift") == 3
        left = clients.s3.list_objects_v2(Bucket=name)["Contents"]
        assert [one["Key"] for one in left] == ["e", "keyshift", "keyshift2/d"]
        uploads = clients.s3.list_multipart_uploads(Bucket=name)["Uploads"]
        assert [one["Key"] for one in uploads] == ["other/unfinished"]
        clients.s3.abort_multipart_upload(Bucket=name, Key="other/unfinished", UploadId=uploads[0]["UploadId"])
        _remove_all(clients, name)

    def test_more_than_one_page_of_objects_is_removed(self, clients: Clients, name: str) -> None:
        ensure_bucket(clients.s3, name, OURS)
        for number in range(1005):
            clients.s3.put_object(Bucket=name, Key=f"keyshift/{number}", Body=b"")
        assert delete_bucket(clients.s3, name, "keyshift")

    def test_a_bucket_with_other_objects_stays(self, clients: Clients, name: str) -> None:
        ensure_bucket(clients.s3, name, OURS)
        clients.s3.put_object(Bucket=name, Key="other", Body=b"x")
        assert not delete_bucket(clients.s3, name, "keyshift")
        assert bucket_exists(clients.s3, name)
        _remove_all(clients, name)

    def test_one_that_is_gone_may_be_removed_again(self, faulty: Clients, s3_faults: FaultProxy, name: str) -> None:
        ensure_bucket(faulty.s3, name, OURS)
        s3_faults.rules = (Rule(reset_after, ("DELETE",), times=1),)
        assert delete_bucket(faulty.s3, name, "keyshift")
        assert delete_bucket(faulty.s3, name, "keyshift")
        assert empty_bucket(faulty.s3, name, "keyshift") == 0

    def test_a_name_that_s3_refuses_is_a_clear_error(self, clients: Clients) -> None:
        with pytest.raises(KeyshiftError, match=r"creating bucket 1\.2\.3\.4 failed"):
            ensure_bucket(clients.s3, "1.2.3.4", OURS)


def _remove_all(clients: Clients, name: str) -> None:
    for one in clients.s3.list_objects_v2(Bucket=name).get("Contents", []):
        clients.s3.delete_object(Bucket=name, Key=one["Key"])
