"""The short way of a batch, folded before it is mapped, ends as the plain way does.

On endpoints, where the client has many puts under way at once, too.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from keymap.change import Change
from keymap.errors import KeyshiftError
from keyshift.apply import stream
from keyshift.apply.refusals import Foreign, Poison
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from keyshift.aws import many
from keyshift.aws.clients import guard_sends, make_clients
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from tests.apply.club import KEYS as CLUB_KEYS
from tests.apply.club import club
from tests.apply.club_history import Club, History
from tests.apply.conftest import Inline, Shop, fake_shop
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.history import migration_for, operations, packed, records
from tests.apply.keymaps import MIGRATION, change, create_tables, order, purchase
from tests.apply.test_convergence import EXAMPLES, Gate, Replay, seeds
from tests.servers.aws import isolate, unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Fault, duplicate, forgetful, reset_after, reset_before, server_error, throttle

Handle = Callable[[], BatchResult]


def plainly(handle: Handle) -> BatchResult:
    """What the plain way gives."""
    with patch.object(stream, "folded", lambda *_: None):
        return handle()


def same(one: BatchResult, other: BatchResult) -> bool:
    return replace(one, error=None) == replace(other, error=None) and str(one.error) == str(other.error)


@settings(max_examples=EXAMPLES // 3)
@given(steps=operations, seed=seeds)
def test_each_batch_has_the_same_outcome_and_leaves_the_same_items(steps: Any, seed: int) -> None:
    short, plain = (Replay(fake_shop(), steps, random.Random(seed)) for _ in range(2))
    chance = random.Random(seed)
    for _ in range(8):
        first = chance.randrange(len(short.records))
        count = chance.randrange(1, 6)
        results = [
            short.deliver(short.records[first : first + count]),
            plainly(lambda: plain.deliver(plain.records[first : first + count])),  # noqa: B023 - called at once
        ]
        assert same(*results)
        assert short.shop.dynamodb.tables == plain.shop.dynamodb.tables
        assert short.gate.seen_lanes == plain.gate.seen_lanes


@settings(max_examples=EXAMPLES // 6)
@given(seed=seeds)
def test_so_does_each_batch_of_rows_that_share_items(seed: int) -> None:
    chance = random.Random(seed)
    changes = History(chance, 30).changes
    stages = [Shop(club(), FakeDynamoDB(CLUB_KEYS), "", Inline()) for _ in range(2)]
    batch = records(packed(stages[0].keymap, changes, chance))
    short, plain = (StreamApplier(one.writer(), one.keymap, migration_for(one.keymap), Gate()) for one in stages)
    while batch:
        some, batch = batch[:9], batch[9:]
        assert same(short.handle(some), plainly(lambda: plain.handle(some)))  # noqa: B023 - called at once
        assert stages[0].dynamodb.tables == stages[1].dynamodb.tables


def applier(shop: Shop, dynamodb: Any = None) -> StreamApplier:
    return StreamApplier(shop.writer(dynamodb=dynamodb), shop.keymap, migration_for(shop.keymap), Gate())


def test_what_is_superseded_in_its_batch_is_not_looked_at_any_closer() -> None:
    """A change that could not be mapped is no matter where the batch holds a newer one of its item."""
    shop = fake_shop()
    changes = [change("orders", None, order(5, 1, status="x" * 450_000), 3), change("orders", None, order(5, 1), 4)]
    result = applier(shop).handle(records(packed(shop.keymap, changes, random.Random(1))))
    assert (result.error, result.operations) == (None, {"c": 2})
    assert len(shop.visible("app")) == 1


# On endpoints


@pytest.fixture
def lean_shop(real_shop: Shop, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The tables by the client that applies, which has many puts under way."""
    isolate(monkeypatch)
    clients = make_clients(CREDENTIALS["AWS_DEFAULT_REGION"], endpoints.urls)
    yield replace(real_shop, dynamodb=clients.dynamodb)
    clients.close()


def batch_of(shop: Shop, changes: list[Change]) -> list[stream.StreamRecord]:
    return records(packed(shop.keymap, changes, random.Random(4)))


def test_puts_are_set_removed_and_stale_as_one_by_one(lean_shop: Shop) -> None:
    found = applier(lean_shop)
    made = [change("orders", None, order(n, n % 3, n), 10 + n) for n in range(40)]
    first, again = found.handle(batch_of(lean_shop, made)), found.handle(batch_of(lean_shop, made))
    assert (first.set, first.removed, first.stale) == (40, 0, 0)
    assert (again.set, again.removed, again.stale) == (0, 0, 40)
    gone = [change("orders", order(n, n % 3, n), None, 100 + n) for n in range(20)]
    changed = [change("orders", order(n, n % 3, n), order(n, n % 3, -n), 100 + n) for n in range(20, 40)]
    grouped = [change("purchase", None, purchase(1, 1, n), 200 + n) for n in range(3)]
    third = found.handle(batch_of(lean_shop, [*gone, *changed, *grouped]))
    assert (third.set, third.removed, third.stale, third.error) == (23, 20, 0, None)
    assert {item["total"]["N"] for item in lean_shop.visible("app")} == {str(-n) for n in range(20, 40)}
    late = found.handle(batch_of(lean_shop, made))
    assert (late.set, late.stale) == (0, 40)


def test_what_is_foreign_or_too_large_fails_its_record_and_all_else_is_written(lean_shop: Shop) -> None:
    app = lean_shop.prefix + "app"
    theirs = {"pk": {"S": "CUSTOMER#0"}, "sk": {"S": "ORDER#0003"}}
    lean_shop.dynamodb.put_item(TableName=app, Item=theirs)
    made = [change("orders", None, order(n, 0, n), 10 + n) for n in range(6)]
    batch = [*batch_of(lean_shop, made[:3]), *batch_of(lean_shop, made[3:4]), *batch_of(lean_shop, made[4:])]
    result = applier(lean_shop).handle(batch)
    assert isinstance(result.error, Foreign)
    assert (result.set, len(lean_shop.items("app"))) == (5, 6)
    assert theirs in lean_shop.items("app")
    large = [change("orders", None, order(7, 1, status="x" * 450_000), 50), change("orders", None, order(8, 1), 51)]
    result = applier(lean_shop).handle(batch_of(lean_shop, large))
    assert isinstance(result.error, Poison)
    assert result.set == 1


def test_lost_answers_throttles_and_refusals_without_the_item_end_in_the_same_items(lean_shop: Shop) -> None:
    faults = [Rule(fault, ("PutItem",), 0.04) for fault in (reset_after, reset_before, throttle, duplicate, forgetful)]
    with FaultProxy(lean_shop.dynamodb.meta.endpoint_url, *faults, seed=3) as proxy:
        clients = make_clients(CREDENTIALS["AWS_DEFAULT_REGION"], {"dynamodb": proxy.url})
        found = applier(lean_shop, clients.dynamodb)
        for turn in range(4):
            changes = [change("orders", None, order(n, n % 3, turn), 100 * turn + n) for n in range(30)]
            result = found.handle(batch_of(lean_shop, [*changes, *changes]))
            assert (result.error, result.set + result.stale) == (None, 30)
        clients.close()
        assert min(proxy.faults[rule.name] for rule in faults) > 0
    assert {item["total"]["N"] for item in lean_shop.visible("app")} == {"3"}
    assert len(lean_shop.visible("app")) == 30


@pytest.mark.parametrize("fault", [throttle, server_error, reset_before])
def test_a_service_that_fails_is_not_flooded(lean_shop: Shop, fault: Fault) -> None:
    """After a few failures the rest is left to whoever writes one by one, with pauses."""
    with FaultProxy(lean_shop.dynamodb.meta.endpoint_url, Rule(fault, ("PutItem",))) as proxy:
        clients = make_clients(CREDENTIALS["AWS_DEFAULT_REGION"], {"dynamodb": proxy.url})
        found = many.many_writes(clients.dynamodb, lean_shop.keymap, MIGRATION, 4)
        assert found
        assert list(found.send([("put_item", b"{}")] * 300)) == []
        clients.close()
    assert proxy.calls["PutItem"] <= many.FAILURES_MAX + 4


def test_where_a_guard_objects_nothing_more_is_sent_and_each_item_left_fails(lean_shop: Shop) -> None:
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        if len(asked) > 10:
            raise KeyshiftError("too late")

    guard_sends(lean_shop.dynamodb, guard)
    many_changes = [change("orders", None, order(n, n % 3), n) for n in range(1, 41)]
    result = applier(lean_shop).handle(batch_of(lean_shop, many_changes))
    lean_shop.dynamodb.hooks.guards.clear()
    assert str(result.error) == "too late"
    assert len(lean_shop.items("app")) <= 10
    again = applier(lean_shop).handle(batch_of(lean_shop, many_changes))
    assert (again.error, len(lean_shop.items("app"))) == (None, 40)


def test_rows_that_share_items_and_pass_them_on_converge(
    endpoints: Endpoints, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups, owners and maps by many requests at once, in any order, with duplicates."""
    isolate(monkeypatch)
    clients = make_clients(CREDENTIALS["AWS_DEFAULT_REGION"], endpoints.urls)
    chance = random.Random(6)
    found, history = Club(club(prefix := unique("club") + "-"), clients.dynamodb, prefix, executor), History(chance, 80)
    create_tables(found.dynamodb, found.keymap)
    found.load(history, start := 25)
    batch = records(packed(found.keymap, history.changes[start:], chance))
    batch += chance.choices(batch, k=20)
    chance.shuffle(batch)
    consumer = StreamApplier(found.writer, found.keymap, migration_for(found.keymap), Gate(in_order=False))
    for begin in range(0, len(batch), 9):
        assert consumer.handle(batch[begin : begin + 9]).error is None
    assert found.visible() == history.expected()
    for name in found.keymap.targets:
        found.dynamodb.delete_table(TableName=name)
    clients.close()
