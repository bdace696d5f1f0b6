"""A table is made with what the settings want it to take, and what it takes is read as its endpoint tells it."""

from dataclasses import replace
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keymap.item_units import TABLE
from keymap.prices import warm_cost
from keymap.targets import Index, KeyAttribute, Target
from keyshift.aws.billing import creation_cost
from keyshift.aws.capacity import Throughput, capacity_of, raise_warm, read_capacity, warm_request
from keyshift.aws.clients import Clients
from keyshift.aws.resources import delete_table, ensure_table
from keyshift.aws.table_shape import request
from keyshift.process.capacity import CapacitySection
from tests.servers.aws import unique

PK = KeyAttribute("pk", "S")
BY_NAME = Index("by_name", KeyAttribute("name", "S"), None, "keys")
APP = Target("app", PK, None, "on_demand", None, None, (BY_NAME,))
PROVISIONED = replace(
    APP,
    billing="provisioned",
    read_capacity=1,
    write_capacity=2,
    indexes=(replace(BY_NAME, read_capacity=3, write_capacity=4),),
)


def wanted(**given: Any) -> CapacitySection:
    return CapacitySection.model_validate(given)


def made(target: Target, capacity: CapacitySection | None) -> tuple[Any, Any]:
    """What CreateTable is told of table and index, apart from their keys."""
    names = ("BillingMode", "ProvisionedThroughput", "WarmThroughput", "OnDemandThroughput")
    asked = request(target, capacity)
    (index,) = asked["GlobalSecondaryIndexes"]
    return tuple({name: one[name] for name in names if name in one} for one in (asked, index))  # type: ignore[return-value]


def units(read: int, write: int) -> dict[str, Any]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


@pytest.mark.parametrize(
    ("target", "given", "table", "index"),
    [
        (APP, None, {"BillingMode": "PAY_PER_REQUEST"}, {}),
        (
            PROVISIONED,
            None,
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(1, 2)},
            {"ProvisionedThroughput": units(3, 4)},
        ),
        (
            PROVISIONED,
            {"write_units_max": 7},
            {"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": {"MaxWriteRequestUnits": 7}},
            {},
        ),
        (
            APP,
            {"read_units": 5, "write_units": 6, "warm_write_units": 9000},
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": units(5, 6),
                "WarmThroughput": {"WriteUnitsPerSecond": 9000},
            },
            {"ProvisionedThroughput": units(5, 6)},
        ),
        (
            APP,
            {"indexes": {"by_name": {"warm_read_units": 13_000, "read_units_max": 1}}},
            {"BillingMode": "PAY_PER_REQUEST"},
            {"WarmThroughput": {"ReadUnitsPerSecond": 13_000}, "OnDemandThroughput": {"MaxReadRequestUnits": 1}},
        ),
    ],
)
def test_the_settings_stand_in_the_place_of_the_keymaps_billing(
    target: Target, given: dict[str, Any] | None, table: Any, index: Any
) -> None:
    assert made(target, wanted(**given) if given is not None else None) == (table, index)


def test_warm_throughput_of_a_new_table_costs_what_is_above_its_own() -> None:
    assert creation_cost(wanted(warm_write_units=4000, warm_read_units=12_000)) == 0
    index = {"by_name": {"warm_write_units": 5000}}
    assert creation_cost(wanted(warm_write_units=10_000, indexes=index)) == pytest.approx(7000 * 0.00065)
    assert creation_cost(wanted(read_units=1, write_units=100, warm_write_units=1100)) == pytest.approx(0.65)
    assert warm_cost(-5, 10_000) == pytest.approx(1.3)


@pytest.mark.parametrize(
    ("told", "takes", "origin"),
    [
        (
            {"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}, "WarmThroughput": {"WriteUnitsPerSecond": 4000}},
            4000,
            "warm",
        ),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "WarmThroughput": {"WriteUnitsPerSecond": 4000},
                "OnDemandThroughput": {"MaxWriteRequestUnits": 500},
            },
            500,
            "maximum",
        ),
        ({"ProvisionedThroughput": units(1, 70), "WarmThroughput": {"WriteUnitsPerSecond": 4000}}, 70, "provisioned"),
        ({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}, "ProvisionedThroughput": units(0, 0)}, None, ""),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "OnDemandThroughput": {"MaxWriteRequestUnits": -1},
            },
            None,
            "",
        ),
        ({}, None, ""),
    ],
)
def test_what_a_table_takes_is_what_limits_it_now(told: dict[str, Any], takes: int | None, origin: str) -> None:
    table = capacity_of(told).throughputs[TABLE]
    assert (table.write_units_per_second, table.origin) == (takes, origin)


def test_a_table_and_its_indexes_are_raised_by_one_call() -> None:
    assert warm_request("app", {TABLE: 9, "by_name": 8}) == {
        "TableName": "app",
        "WarmThroughput": {"WriteUnitsPerSecond": 9},
        "GlobalSecondaryIndexUpdates": [
            {"Update": {"IndexName": "by_name", "WarmThroughput": {"WriteUnitsPerSecond": 8}}}
        ],
    }


def test_a_table_is_made_and_read_at_a_real_endpoint_which_may_know_no_warm_throughput(clients: Clients) -> None:
    target = replace(APP, name=unique("capacity"))
    assert read_capacity(clients.dynamodb, target.name) is None
    index = {"by_name": {"read_units": 3, "write_units": 40}}
    ensure_table(clients.dynamodb, target, "o", capacity=wanted(read_units=1, write_units=20, indexes=index))
    told = read_capacity(clients.dynamodb, target.name)
    assert told
    takes = {payer: one.write_units_per_second for payer, one in told.throughputs.items()}
    assert takes == {TABLE: 20, "by_name": 40}
    assert isinstance(told.throughputs[TABLE], Throughput)
    with pytest.raises(KeyshiftError, match=r"changed nothing|Nothing to update"):
        raise_warm(clients.dynamodb, target.name, {TABLE: 50_000})
    delete_table(clients.dynamodb, target.name)
