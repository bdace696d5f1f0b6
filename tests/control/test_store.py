"""The store: consistent reads, and writes that know their own success."""

from collections.abc import Callable
from typing import Any

import pytest

from keyshift.control.migration import create, draw_id
from keyshift.control.record import AtMost, Check, Presence, Record
from keyshift.control.store import Conflict, NotInitialised, Store
from tests.control.conftest import migration
from tests.control.memory import refused
from tests.control.network import BrokenConnection, Fate, Network
from tests.servers.aws import unique

CHECK = Check("phase", {"phase": "load"})


def test_every_kind_of_value_comes_back(store: Store):
    values = {"s": "x", "empty": "", "n": -7, "yes": True, "no": False, "ns": frozenset({3, 1}), "l": ("b", "a")}
    store.swap("thing", None, values)
    record = store.get("thing")
    assert record is not None
    assert {name: record.attributes[name] for name in values} == values


def test_what_swap_returns_is_what_is_stored(store: Store):
    first = store.swap("thing", None, {"a": 1, "b": "x"})
    second = store.swap("thing", first, {"b": None, "c": True})
    assert second == store.get("thing")
    assert "b" not in second.attributes


def test_a_write_on_a_stale_read_is_refused(store: Store):
    first = store.swap("thing", None, {"a": 1})
    store.swap("thing", first, {"a": 2})
    with pytest.raises(Conflict):
        store.swap("thing", first, {"a": 3})
    with pytest.raises(Conflict):
        store.swap("thing", None, {"a": 3})


def test_a_write_is_refused_where_a_check_does_not_hold(store: Store):
    for expected in ({"phase": "replay"}, {"phase": Presence.ABSENT}, {"nothing": Presence.PRESENT}):
        with pytest.raises(Conflict):
            store.swap("thing", None, {"a": 1}, checks=[Check("phase", expected)])
    assert store.get("thing") is None
    store.swap("thing", None, {"a": 1}, checks=[CHECK, Check("other", {"state": Presence.ABSENT})])


@pytest.mark.parametrize("checks", [(), (CHECK,)])
def test_a_write_that_was_done_and_sent_again_is_recognised_as_done(
    store: Store, network: Network, checks: tuple[Check, ...]
):
    network.fates.extend([Fate.REPEATED, Fate.REPEATED])
    first = store.swap("thing", None, {"a": 1}, checks=checks)
    assert first == store.get("thing")
    second = store.swap("thing", first, {"a": 2}, checks=checks)
    assert second == store.get("thing")


def test_a_late_copy_of_a_write_is_refused_though_the_values_are_as_they_were(store: Store, network: Network):
    """replay -> closed (its copy is late), -> replay: the copy must not close it again."""
    first = store.swap("thing", None, {"phase": "replay"})
    network.fates.append(Fate.LATE)
    with pytest.raises(BrokenConnection):
        store.swap("thing", first, {"phase": "closed"})
    second = store.swap("thing", first, {"phase": "closed"})
    third = store.swap("thing", second, {"phase": "replay"})
    network.deliver()
    assert store.get("thing") == third


def test_a_fence_keeps_older_writers_out(store: Store):
    store.update("shard", {"fence": 2}, {"fence": AtMost(2)})
    store.update("shard", {"fence": 2, "a": 1}, {"fence": AtMost(2)})
    with pytest.raises(Conflict):
        store.update("shard", {"fence": 1}, {"fence": AtMost(1)})


def test_adding_to_a_set_twice_is_adding_once(store: Store):
    for member in (3, 1, 3):
        store.add("thing", "seen", member)
    record = store.get("thing")
    assert record is not None
    assert record.numbers("seen") == {1, 3}


def test_a_query_reads_all_pages_in_order(store: Store, monkeypatch: pytest.MonkeyPatch, dynamodb: Any):
    for number in range(7):
        store.swap(f"x#{number}", None, {"number": number, "more": "m"})
    store.swap("y#0", None, {"number": 9})
    pages = []

    def two_at_a_time(**request: Any) -> Any:
        pages.append(request)
        assert request["ConsistentRead"]
        return dynamodb.query(**request, Limit=2)

    monkeypatch.setattr(store._client, "query", two_at_a_time, raising=False)
    assert [record.number("number") for record in store.query("x#")] == list(range(7))
    assert len(pages) == 4
    assert [record.item for record in store.query("x#", descending=True)][:2] == ["x#6", "x#5"]
    assert next(store.query("x#", names=("number",))) == Record("x#0", {"number": 0})
    assert next(store.query("x#", names=("item",))) == Record("x#0", {})


class Contended:
    """A client whose first writes meet somebody else's transaction."""

    def __init__(self, client: Any, times: int, error: Callable[[], Exception]) -> None:
        self._client, self._times, self._error = client, times, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_item(self, **request: Any) -> Any:
        return self._call(self._client.update_item, request)

    def transact_write_items(self, **request: Any) -> Any:
        return self._call(self._client.transact_write_items, request)

    def _call(self, call: Callable[..., Any], request: Any) -> Any:
        self._times -= 1
        if self._times >= 0:
            raise self._error()
        return call(**request)


ONE = lambda: refused("TransactionConflictException")  # noqa: E731
MANY = lambda: refused("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}])  # noqa: E731


@pytest.mark.parametrize(("error", "checks"), [(ONE, ()), (MANY, (CHECK,))])
def test_a_write_beside_somebody_elses_transaction_is_tried_again(store: Store, dynamodb: Any, error: Any, checks: Any):
    slept: list[float] = []
    contended = Store(Contended(dynamodb, 3, error), store.table, store.name, sleep=slept.append)
    contended.swap("thing", None, {"a": 1}, checks=checks)
    assert len(slept) == 3
    hopeless = Store(Contended(dynamodb, 1000, error), store.table, store.name, sleep=slept.append)
    with pytest.raises(dynamodb.exceptions.ClientError):
        hopeless.swap("other", None, {"a": 1}, checks=checks)
    assert sum(slept) < 5


def test_a_refusal_beside_contention_is_a_refusal(store: Store, dynamodb: Any):
    reasons = [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}]
    error = lambda: refused("TransactionCanceledException", CancellationReasons=reasons)  # noqa: E731
    contended = Store(Contended(dynamodb, 1, error), store.table, store.name)
    with pytest.raises(Conflict):
        contended.swap("thing", None, {"a": 1}, checks=[CHECK])


def test_other_errors_reach_the_caller(store: Store, dynamodb: Any):
    broken = Store(Contended(dynamodb, 1, lambda: refused("AccessDeniedException")), store.table, store.name)
    with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
        broken.swap("thing", None, {"a": 1})


def test_a_table_that_is_not_there_says_what_to_do(dynamodb: Any):
    with pytest.raises(NotInitialised, match=r"no control table nowhere-1.*keyshift init"):
        Store(dynamodb, "nowhere-1", "m").get("phase")


def test_a_migration_that_is_not_there_says_what_to_do(dynamodb: Any, table: str):
    with pytest.raises(NotInitialised, match=r"knows no migration nobody.*keyshift init"):
        Store(dynamodb, table, "nobody").get("phase")


def test_purge_leaves_nothing_and_can_be_repeated(store: Store, dynamodb: Any):
    for number in range(60):
        store.swap(f"chunk#{number}", None, {"a": 1})
    run = store.id
    store.purge()
    store.purge()
    for partition in (run, store.name):
        answer = dynamodb.query(
            TableName=store.table,
            KeyConditionExpression="migration = :m",
            ExpressionAttributeValues={":m": {"S": partition}},
        )
        assert not answer["Items"]


def test_a_purge_killed_anywhere_is_completed_by_the_next(store: Store, dynamodb: Any, monkeypatch: pytest.MonkeyPatch):
    for number in range(30):
        store.swap(f"chunk#{number}", None, {"a": 1})
    run = store.id
    for survived in range(3):
        calls = iter(range(100))

        def dying(calls: Any = calls, survived: int = survived, **request: Any) -> Any:
            if next(calls) >= survived:
                raise BrokenConnection
            return dynamodb.batch_write_item(**request)

        monkeypatch.setattr(store._client, "batch_write_item", dying, raising=False)
        with pytest.raises(BrokenConnection):
            Store(store._client, store.table, store.name).purge()
    monkeypatch.undo()
    Store(dynamodb, store.table, store.name).purge()
    left = dynamodb.scan(TableName=store.table, ConsistentRead=True)["Items"]
    assert not [item for item in left if item["migration"]["S"] in {run, store.name}]


def test_unprocessed_deletes_are_sent_again(store: Store, dynamodb: Any, monkeypatch: pytest.MonkeyPatch):
    for number in range(4):
        store.swap(f"x#{number}", None, {"a": 1})

    def one_at_a_time(RequestItems: Any) -> Any:  # noqa: N803 - botocore's name
        ((name, requests),) = RequestItems.items()
        dynamodb.batch_write_item(RequestItems={name: requests[:1]})
        return {"UnprocessedItems": {name: requests[1:]} if requests[1:] else {}}

    monkeypatch.setattr(store._client, "batch_write_item", one_at_a_time, raising=False)
    store.delete([f"x#{number}" for number in range(4)])
    assert not list(store.query("x#"))


def test_a_process_of_a_destroyed_run_neither_sees_nor_touches_a_new_run_of_the_name(dynamodb: Any, table: str):
    name = unique("m")
    old, new = Store(dynamodb, table, name), Store(dynamodb, table, name)
    create(old, migration(name, "00000001"))
    record = old.swap("capture", None, {"a": 1})
    Store(dynamodb, table, name).purge()
    create(new, migration(name, "00000002"))
    new.swap("capture", None, {"a": 2})
    assert old.get("capture") is None
    with pytest.raises(Conflict):
        old.swap("capture", record, {"a": 3})
    with pytest.raises(NotInitialised, match="destroyed and made anew"):
        old.head()
    assert new.get("capture").number("a") == 2  # type: ignore[union-attr]


def test_ids_are_drawn_anew_for_each_run():
    assert draw_id("shop") != draw_id("shop")
    assert draw_id("shop", lambda count: "ab" * count) == "shop.abababab"
