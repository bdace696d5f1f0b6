"""What the load spends: no more than is set, and no faster than the table takes, whatever the endpoint tells of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bulkload.load.budget import Budget, budget_for
from bulkload.load.metered import Metered
from keymap.errors import Problems
from keymap.item_units import TABLE, put_units, update_units
from keymap.targets import Index, KeyAttribute, Target
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.items import batch_put, put
from keyshift.aws.resources import delete_table, ensure_table
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.process.sections import AwsSettings, EndpointSettings
from keyshift.process.stop import NEVER
from keyshift.process.tasks import BulkloadSettings
from tests.bulkload.world import World
from tests.servers.alternator import NEWER, OLDER, reckoning
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, Capacity, refusal

PK = KeyAttribute("pk", "S")
BY_NAME = Index("by_name", KeyAttribute("name", "S"), None, "keys")
LOCAL = Index("by_total", PK, KeyAttribute("total", "N"), is_local=True)


def item(number: int, size: int = 10) -> dict[str, Any]:
    return {"pk": {"S": f"k{number}"}, "name": {"S": "n"}, "note": {"S": "x" * size}}


@pytest.fixture
def clients(dynamodb: FaultProxy) -> Iterator[Clients]:
    """As the load's own: each try is one of ours."""
    clients = make_clients("us-east-1", {"dynamodb": dynamodb.url}, attempts_max=1)
    yield clients
    clients.close()


@pytest.fixture
def target(endpoints: Endpoints) -> Iterator[Target]:
    target = Target(unique("budget"), PK, None, "on_demand", None, None, (BY_NAME,))
    direct = make_clients("us-east-1", endpoints.urls)
    ensure_table(direct.dynamodb, target, "owner")
    yield target
    delete_table(direct.dynamodb, target.name)
    direct.close()


def stored(clients: Clients, target: Target) -> int:
    pages = clients.dynamodb.get_paginator("scan").paginate(TableName=target.name, Select="COUNT")
    return sum(page["Count"] for page in pages)


def test_a_put_is_weighed_by_table_and_index_as_dynamodb_does(clients: Clients, target: Target) -> None:
    for size in (10, 1500, 5000):
        told = clients.dynamodb.batch_write_item(
            RequestItems={target.name: [{"PutRequest": {"Item": item(size, size)}}]}, ReturnConsumedCapacity="INDEXES"
        )["ConsumedCapacity"][0]
        consumed = {name: one["CapacityUnits"] for name, one in told["GlobalSecondaryIndexes"].items()}
        assert put_units(target, item(size, size)) == {TABLE: told["Table"]["CapacityUnits"], **consumed}


def test_local_indexes_are_paid_by_the_table_and_an_item_without_its_key_is_in_no_index() -> None:
    target = Target("t", PK, None, "on_demand", None, None, (LOCAL, BY_NAME))
    both = item(1, 1500) | {"total": {"N": "1"}}
    assert put_units(target, both) == {TABLE: 4, "by_name": 1}
    assert put_units(target, {"pk": {"S": "a"}}) == {TABLE: 1}
    assert update_units(target, {"ExpressionAttributeValues": {":a": {"S": "x" * 2000}}}) == {TABLE: 3, "by_name": 1}


def test_a_throttled_table_gets_everything_and_is_asked_little_more_than_it_takes(
    clients: Clients, dynamodb: FaultProxy, target: Target
) -> None:
    """Counted, not timed: 1,500 items in batches of 25 are 60 requests; the table takes 400 in a second."""
    dynamodb.rules = (Rule(Capacity(400.0).limited, ("BatchWriteItem",)),)
    budget = Budget({}, NEVER)
    metered: Any = Metered(clients.dynamodb, budget, {target.name: target})
    batch_put(metered, {target.name: map(item, range(1500))})
    assert stored(clients, target) == 1500
    assert dynamodb.faults["Capacity"] == dynamodb.calls["BatchWriteItem"] < 60 * 1.6
    assert budget.limited(target.name)
    assert not budget.limited("another")


@pytest.mark.parametrize("endpoint", ["tells", "refuses indexes", "tells nothing"])
def test_what_is_consumed_counts_as_told_and_as_estimated_where_nothing_is_told(
    clients: Clients, dynamodb: FaultProxy, target: Target, endpoint: str
) -> None:
    def untold(call: Call) -> Answer:
        """As Alternator: a finer question is refused, and an older one answers none."""
        if b'"INDEXES"' in call.body:
            return refusal("ValidationException", "INDEXES consumed capacity is not supported")
        body = call.body.replace(b'"TOTAL"', b'"NONE"') if endpoint == "tells nothing" else call.body
        return call.forward(body)

    if endpoint != "tells":
        dynamodb.rules = (Rule(untold),)
    seen: list[tuple[Any, Any]] = []

    class Seen(Budget):
        def spent(self, table: str, taken: Any, used: Any) -> None:
            seen.append((taken, used))
            super().spent(table, taken, used)

    budget = Seen({(target.name, TABLE): 1e6, (target.name, "by_name"): 1e6}, NEVER)
    metered: Any = Metered(clients.dynamodb, budget, {target.name: target})
    batch_put(metered, {target.name: [item(number, 1500) for number in range(3)]})
    new = {"TableName": target.name, "Item": item(9), "ConditionExpression": "attribute_not_exists(pk)"}
    put(metered, new)
    put(metered, new)
    (taken, told), (_, one), (refused_taken, refused_used) = seen
    assert taken == {TABLE: 6, "by_name": 3}
    # One sum is taken for the table's, whether its indexes are counted in (as AWS does) or not.
    assert told in ([{TABLE: 6}, {TABLE: 9}] if endpoint == "refuses indexes" else [{TABLE: 6, "by_name": 3}])
    assert one[TABLE] in {1, 2}
    assert refused_used == refused_taken, "a condition that fails costs as much, and nothing is told"
    assert dynamodb.calls["BatchWriteItem"] == (1 if endpoint == "tells" else 2), "the refusal is remembered"


def test_a_refusal_of_the_item_is_no_refusal_of_the_question(clients: Clients, target: Target) -> None:
    metered: Any = Metered(clients.dynamodb, Budget({}, NEVER), {target.name: target})
    with pytest.raises(clients.dynamodb.exceptions.ClientError, match="ValidationException"):
        batch_put(metered, {target.name: [{"name": {"S": "without a key"}}]})
    batch_put(metered, {target.name: [item(1)]})
    assert stored(clients, target) == 1


def test_what_an_endpoint_answers_for_one_call_it_may_refuse_for_another(
    clients: Clients, dynamodb: FaultProxy, target: Target
) -> None:
    """And calls that are under way together may each ask before any of them knows."""
    dynamodb.rules = (Rule(reckoning, ("BatchWriteItem",)),)
    metered: Any = Metered(clients.dynamodb, Budget({}, NEVER), {target.name: target})
    put(metered, {"TableName": target.name, "Item": item(0)})
    with ThreadPoolExecutor(8) as executor:
        asked = [executor.submit(batch_put, metered, {target.name: [item(number)]}) for number in range(1, 25)]
    for one in asked:
        one.result()
    assert stored(clients, target) == 25


def test_a_percentage_goes_by_the_tables_own_capacity(clients: Clients, target: Target) -> None:
    half = BulkloadSettings(write_percent_max=50)
    provisioned = Target(unique("budget"), PK, None, "provisioned", 5, 300)
    ensure_table(clients.dynamodb, provisioned, "owner")
    budget = budget_for(half, clients.dynamodb, [provisioned], NEVER, 0.5)
    assert budget.units_per_second(provisioned.name) == pytest.approx(75)
    delete_table(clients.dynamodb, provisioned.name)
    missing = Target(unique("none"), PK, None, "on_demand", None, None)
    with pytest.raises(Problems, match="does not tell"):
        budget_for(half, clients.dynamodb, [missing], NEVER)
    fixed = budget_for(BulkloadSettings(write_units_per_second_max=80), clients.dynamodb, [target], NEVER, 0.25)
    assert fixed.units_per_second(target.name) == pytest.approx(20)


@pytest.mark.parametrize("rules", [NEWER, OLDER], ids=["newer", "older"])
def test_a_load_into_an_endpoint_that_is_only_compatible(world: World, dynamodb: FaultProxy, rules: Any) -> None:
    """The control table stands elsewhere; a budget holds, though nobody tells what is consumed."""
    dynamodb.rules = rules
    urls = EndpointSettings(dynamodb=dynamodb.url, control_table=world.clients.dynamodb.meta.endpoint_url, s3=s3(world))
    clients = make_clients("us-east-1", urls.urls)
    settings = world.settings.model_copy(update={"aws": AwsSettings(region="us-east-1", endpoints=urls)})
    there = replace(world, settings=settings, clients=clients)
    assert there.dump().complete
    assert there.load(write_units_per_second_max=500).complete
    assert world.stored() == world.expected()
    assert not dynamodb.calls["TransactWriteItems"]
    clients.close()


def s3(world: World) -> str:
    return str(world.clients.s3.meta.endpoint_url)
