"""A migration: created once whoever asks, compared with what is asked for, forgotten completely."""

from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keyshift.control.migration import (
    Migration,
    NotInitialised,
    Resource,
    create,
    forget,
    load,
    record_created,
    require_digest,
)
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import Store
from tests.control.conftest import TABLES, migration
from tests.control.network import BrokenConnection, Fate, Network
from tests.servers.aws import unique


@pytest.fixture
def fresh(network: Network, table: str) -> Store:
    return Store(network, table, unique("m"))


def test_what_is_created_is_loaded(fresh: Store):
    wanted = migration(fresh.name)
    assert create(fresh, wanted) == wanted
    assert load(fresh) == wanted
    assert load(fresh).epoch == 1
    assert read_phase(fresh) is Phase.LOAD


def test_a_second_init_finds_the_first_one_and_keeps_its_id(fresh: Store):
    create(fresh, migration(fresh.name, "00000001"))
    again = create(Store(fresh._client, fresh.table, fresh.name), migration(fresh.name, "00000002", created_at_ms=9))
    assert again == migration(fresh.name, "00000001")


def test_the_order_of_tables_is_no_difference(fresh: Store):
    create(fresh, migration(fresh.name))
    create(fresh, migration(fresh.name, tables=TABLES[::-1]))


def test_another_init_is_refused_with_all_differences_and_changes_nothing(fresh: Store):
    first = create(fresh, migration(fresh.name))
    other = migration(fresh.name, lanes=8, tables=("shop.orders",), digest="e" * 64, bucket="other")
    with pytest.raises(KeyshiftError) as caught:
        create(fresh, other)
    for words in (
        "lanes 4, now 8",
        "tables shop.orders, shop.purchase, now shop.orders",
        "digest ddd",
        "bucket bucket, now other",
        "keyshift destroy",
    ):
        assert words in str(caught.value)
    assert load(fresh) == first


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_an_init_without_an_answer_can_be_repeated_and_leaves_one_run(fresh: Store, network: Network, fate: Fate):
    network.fates.append(fate)
    first = migration(fresh.name, "00000001")
    if fate is Fate.REPEATED:
        assert create(fresh, first) == first
    else:
        with pytest.raises(BrokenConnection):
            create(fresh, first)
    store = Store(network, fresh.table, fresh.name)
    found = create(store, migration(fresh.name, "00000002"))
    network.deliver_all()
    assert found.id == f"{fresh.name}.0000000{2 if fate in {Fate.UNSENT, Fate.LATE} else 1}"
    assert load(Store(network, fresh.table, fresh.name)) == found
    assert read_phase(store) is Phase.LOAD


def test_two_inits_at_once_end_with_one_run(fresh: Store, network: Network, dynamodb: Any):
    other = Store(dynamodb, fresh.table, fresh.name)
    found: list[Migration] = []
    network.before_write = lambda: found.append(create(other, migration(fresh.name, "00000002")))
    assert [create(fresh, migration(fresh.name, "00000001"))] == found
    assert found[0].id.endswith("2")


def test_what_was_created_is_remembered_once_in_order(store: Store, network: Network):
    stream, table = Resource("stream", "s"), Resource("table", "a:b")
    network.fates.extend([Fate.REPEATED, Fate.REPEATED])
    for resource in (stream, table, stream):
        record_created(store, resource)
    assert load(store).created == (stream, table)
    create(store, migration(store.name))
    assert load(store).created == (stream, table)


def test_two_who_record_at_once_both_succeed(store: Store, network: Network, dynamodb: Any):
    other = Store(dynamodb, store.table, store.name)

    def overtake() -> None:
        network.before_write = lambda: None
        record_created(other, Resource("bucket", "b"))

    network.before_write = overtake
    record_created(store, Resource("stream", "s"))
    assert {resource.kind for resource in load(store).created} == {"bucket", "stream"}


def test_a_process_with_another_keymap_is_refused(store: Store):
    require_digest(load(store), "d" * 64)
    with pytest.raises(KeyshiftError, match="initialised with keymap dddddddddddd, and this process has keymap eeee"):
        require_digest(load(store), "e" * 64)


def test_forgetting_leaves_nothing_to_load_and_a_new_run_begins_anew(store: Store):
    first = load(store)
    forget(store)
    forget(store)
    with pytest.raises(NotInitialised):
        load(store)
    create(store, migration(store.name, "00000002"))
    assert load(store).id != first.id


def test_a_half_destroyed_migration_can_be_loaded_to_destroy_the_rest_but_has_no_phase(store: Store):
    record_created(store, Resource("stream", "s"))
    store.delete(["phase"])
    assert (load(store).epoch, load(store).created) == (0, (Resource("stream", "s"),))
    with pytest.raises(NotInitialised, match="being destroyed"):
        read_phase(store)


def test_two_migrations_share_a_table_without_seeing_each_other(store: Store, fresh: Store):
    create(fresh, migration(fresh.name))
    forget(store)
    assert load(fresh).name == fresh.name


def test_a_store_of_another_name_is_a_mistake_of_ours(fresh: Store):
    with pytest.raises(ValueError, match="not other's"):
        create(fresh, migration("other"))
