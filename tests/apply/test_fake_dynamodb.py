"""The fake answers as the real one does, to exactly the requests that Keyshift makes."""

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keymap.items import put_request
from keymap.patch import WHOLE, Patch
from keymap.updates import update_request
from keymap.version import version
from keyshift.cli.demo.endpoints import Endpoints
from tests.apply.club import KEYS as CLUB_KEYS
from tests.apply.club import club
from tests.apply.club_history import Club, History
from tests.apply.conftest import Inline, Shop, fake_shop
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.keymaps import KEYS, MIGRATION, create_tables, in_order
from tests.servers.aws import client, unique

OTHER = "shop.0000000b"


def attempt(client: Any, request: dict[str, Any]) -> object:
    """What a client is told: nothing, or a code and the old item."""
    call = client.put_item if "Item" in request else client.update_item
    try:
        call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response.get("Item")
    return "written"


def some_request(shop: Shop, chance: random.Random) -> dict[str, Any]:
    migration = chance.choice([MIGRATION, MIGRATION, MIGRATION, OTHER])
    value = {"S": chance.choice(["a", "é", "😀", ""])}
    if chance.random() < 0.5:
        attributes = None if chance.random() < 0.3 else {chance.choice("ab"): value}
        key = (chance.choice("pq"), "s")
        return put_request(
            shop.keymap, migration, Patch(shop.prefix + "app", key, WHOLE, attributes, at(chance.randrange(5)))
        )
    patches = [
        Patch(
            shop.prefix + "purchases",
            (chance.randrange(2), 1),
            slot,
            chance.choice([None, {}, {slot: value}]),
            at(chance.randrange(5)),
        )
        for slot in chance.sample("xyz", chance.randrange(1, 4))
    ]
    patches = [Patch(one.table, patches[0].key, one.slot, one.attributes, one.version) for one in patches]
    return update_request(shop.keymap, migration, patches)


def at(place: int) -> str:
    return version(1, 1, place, 0)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_run_of_requests_has_the_same_answers_and_leaves_the_same_items(real_shop: Shop, seed: int) -> None:
    fake = fake_shop()
    for name in KEYS:
        for item in real_shop.items(name):
            fake.dynamodb.put_item(TableName=name, Item=item)
    chance_real, chance_fake = random.Random(seed), random.Random(seed)
    for _ in range(20):
        real_answer = attempt(real_shop.dynamodb, some_request(real_shop, chance_real))
        assert attempt(fake.dynamodb, some_request(fake, chance_fake)) == real_answer
    for name in KEYS:
        assert in_order(fake.items(name)) == in_order(real_shop.items(name))


@pytest.mark.parametrize("seed", range(4))
def test_a_run_of_the_writers_requests_on_shared_items_has_the_same_answers(endpoints: Endpoints, seed: int) -> None:
    """Entries of maps, and slots with owners: every request that the real code makes of a history."""
    prefix = unique("club") + "-"
    real = client("dynamodb", endpoints, attempts=3)
    found, beside = Club(club(prefix), FakeDynamoDB(club_keys(prefix)), prefix, Inline()), []
    create_tables(real, found.keymap)
    chance = random.Random(seed)
    history = History(chance, 50)
    changes = history.changes + chance.choices(history.changes, k=20)
    chance.shuffle(changes)

    class Both:
        """Sends each request to both, and answers as the fake does."""

        def put_item(self, **request: Any) -> Any:
            return self._both(request, found.dynamodb.put_item)

        def update_item(self, **request: Any) -> Any:
            return self._both(request, found.dynamodb.update_item)

        @staticmethod
        def _both(request: dict[str, Any], call: Any) -> Any:
            answer = attempt(real, request)
            try:
                told = call(**request)
            except ClientError as error:
                beside.append((answer, (error.response["Error"]["Code"], error.response.get("Item"))))
                raise
            beside.append((answer, "written"))
            return told

    both = Club(found.keymap, Both(), prefix, Inline())
    while changes:
        both.apply([changes.pop() for _ in range(min(3, len(changes)))])
    assert [real_answer for real_answer, _ in beside] == [fake_answer for _, fake_answer in beside]
    assert len(beside) > 50
    for name in found.keymap.targets:
        assert in_order(real.scan(TableName=name)["Items"]) == in_order(found.dynamodb.scan(TableName=name)["Items"])
        real.delete_table(TableName=name)


def club_keys(prefix: str) -> dict[str, tuple[str, ...]]:
    return {prefix + name: keys for name, keys in CLUB_KEYS.items()}


def test_an_item_over_400_kb_is_refused(any_shop: Shop) -> None:
    request = {
        "TableName": any_shop.prefix + "app",
        "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}, "a": {"S": "x" * 400 * 1024}},
    }
    assert attempt(any_shop.dynamodb, request) == ("ValidationException", None)


def test_an_item_that_grows_over_400_kb_is_refused_and_stays(any_shop: Shop) -> None:
    table, half = any_shop.prefix + "purchases", {"S": "x" * 250 * 1024}
    for slot, answer in (("a", "written"), ("b", ("ValidationException", None))):
        patch = Patch(table, (1, 1), slot, {slot: half}, at(1))
        assert attempt(any_shop.dynamodb, update_request(any_shop.keymap, MIGRATION, [patch])) == answer
    (item,) = any_shop.items("purchases")
    assert "a" in item
    assert "b" not in item
