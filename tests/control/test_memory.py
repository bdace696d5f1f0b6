"""The control table in memory answers as the real one does, whatever Store asks."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshift.control.migration import create
from keyshift.control.record import AtMost, Check, Presence
from keyshift.control.store import Conflict, Store
from tests.control.conftest import migration
from tests.control.memory import Memory
from tests.servers.aws import unique

ITEMS = st.sampled_from(["a", "a#1", "b"])
NAMES = st.sampled_from(["n", "t", "state"])
VALUES = st.one_of(st.integers(0, 2), st.sampled_from(["", "x"]), st.booleans(), st.none())
CHANGES = st.dictionaries(NAMES, VALUES, min_size=1)
WANTED = st.one_of(
    st.sampled_from([Presence.PRESENT, Presence.ABSENT, "x", True, 1]), st.builds(AtMost, st.integers(0, 2))
)
EXPECTED = st.dictionaries(NAMES, WANTED, min_size=1)
STEPS = st.one_of(
    st.tuples(
        st.just("swap"), ITEMS, CHANGES, st.booleans(), st.lists(st.builds(Check, st.just("c"), EXPECTED), max_size=1)
    ),
    st.tuples(st.just("update"), ITEMS, CHANGES, EXPECTED),
    st.tuples(st.just("add"), ITEMS, st.just("set"), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.lists(ITEMS, max_size=2, unique=True)),
    st.tuples(st.just("query"), st.sampled_from(["", "a", "a#"]), st.booleans(), st.lists(NAMES, max_size=1)),
)


def take(store: Store, step: tuple[Any, ...]) -> object:
    """What a step gives, as far as both must agree."""
    try:
        match step:
            case "swap", item, changes, fresh, checks:
                return store.swap(item, store.get(item) if fresh else None, changes, checks=checks).changed(
                    {"nonce": None}
                )
            case "update", item, changes, expected:
                return store.update(item, changes, {**expected, "state": Presence.ABSENT})
            case "add", item, name, member:
                return store.add(item, name, member)
            case "delete", items:
                return store.delete(items)
            case "query", prefix, descending, names:
                found = store.query(prefix, names=names, descending=descending)
                return [record.changed({"nonce": None}) for record in found]
    except Conflict:
        return "conflict"
    raise AssertionError(step)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_memory_and_server_agree(dynamodb: Any, table: str, steps: list[tuple[Any, ...]]):
    name = unique("m")
    stores = [Store(client, table, name, now_ms=lambda: 7) for client in (Memory(), dynamodb)]
    for store in stores:
        create(store, migration(name))
    for step in steps:
        first, second = (take(store, step) for store in stores)
        assert first == second
