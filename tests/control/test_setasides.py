"""What is set aside, in the control table: recorded once, over once, open again only where something was taken away."""

from dataclasses import replace
from typing import Any

import pytest

from keymap.claims import Claim
from keymap.version import version
from keyshift.control.lease import REDRIVE, Lease, LeaseLost
from keyshift.control.setasides import (
    Kind,
    SetAside,
    State,
    count_open,
    forget_object,
    read_all,
    read_open,
    record_open,
    record_reason,
    resolve,
    with_objects,
)
from keyshift.control.store import Store
from tests.control.conftest import Clock, migration
from tests.control.memory import Memory


@pytest.fixture
def table() -> Store:
    from keyshift.control.migration import create

    store = Store(Memory(), "control", "shop", now_ms=lambda: 7)
    create(store, migration("shop"))
    return store


def set_aside(at: int, lane: int = 2, **other: Any) -> SetAside:
    fields: dict[str, Any] = {
        "version": version(1, 3, at, 0),
        "lane": lane,
        "kind": Kind.UNWRITABLE,
        "source": "shop.orders",
        "target": "",
        "key": "",
        "place": f"binlog.000003:{at}:0",
        "digest": "d" * 16,
        "reason": "too large",
        "remedy": "Shorten it",
        "claim": Claim(f"keyshift/shop.1/setaside/{at}-{lane}-1.gz", "ab", 10),
        "at_ms": 7,
    }
    return SetAside(**{**fields, **other})


def test_they_are_listed_oldest_change_first_as_they_were_recorded(table: Store) -> None:
    every = [set_aside(900, target="app", key="0a"), set_aside(77, lane=3), set_aside(77), set_aside(10_000)]
    for one in every:
        record_open(table, one)
        record_open(table, replace(one, reason="another"))  # delivered again: the first stays
    assert read_open(table) == [every[2], every[1], every[0], every[3]]
    assert count_open(table) == 4


def test_an_id_names_a_change_and_a_lane() -> None:
    assert set_aside(4711, lane=12).id == "1.3.4711.0/12"


def test_what_is_over_stays_recorded_and_is_over_once(table: Store) -> None:
    one = set_aside(5)
    record_open(table, one)
    resolve(table, one, State.STALE)
    resolve(table, one, State.DISCARDED, note="late")
    record_reason(table, replace(one, reason="late"))
    record_open(table, one)  # a delivery that had begun before
    assert read_all(table) == [replace(one, state=State.STALE)]
    assert (read_open(table), count_open(table)) == ([], 0)
    assert with_objects(read_all(table)) == read_all(table)
    forget_object(table, one)
    assert with_objects(read_all(table)) == []


def test_set_aside_again_it_is_open_and_nothing_of_before_reaches_it(table: Store) -> None:
    one = set_aside(5)
    record_open(table, one)
    resolve(table, one, State.REDRIVEN)
    again = replace(one, attempt=2, claim=Claim("keyshift/shop.1/setaside/5-2-2.gz", "ab", 10))
    record_open(table, again)
    resolve(table, one, State.STALE)  # of a redrive that slept
    forget_object(table, one)
    assert read_open(table) == [again]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_what_was_applied_and_is_gone_is_set_aside_again(state: State, kind: Kind) -> None:
    """Only where somebody has looked: of what cannot be mapped nobody has."""
    opens_again = state in {State.REDRIVEN, State.STALE} and kind is not Kind.UNMAPPABLE
    assert set_aside(5, state=state).stands_for(kind) is not opens_again


def test_the_reason_of_now_takes_the_place_of_the_first(table: Store) -> None:
    one = set_aside(5)
    record_open(table, one)
    record_reason(table, replace(one, kind=Kind.FOREIGN, target="app", key="0a", reason="in the way"))
    (found,) = read_open(table)
    assert (found.kind, found.target, found.key, found.reason) == (Kind.FOREIGN, "app", "0a", "in the way")


def test_under_a_lease_that_is_lost_nothing_is_recorded_as_over(table: Store) -> None:
    clock, one = Clock(), set_aside(5)
    record_open(table, one)
    lease = Lease(table, REDRIVE, "host:1", 10.0, clock)
    assert lease.try_acquire()
    held = table.get(REDRIVE)
    table.swap(REDRIVE, held, {"token": "somebody else"})
    with pytest.raises(LeaseLost):
        resolve(table, one, State.REDRIVEN, lease=lease)
    assert read_open(table) == [one]
