"""The phase: replay opens on nothing but a loaded table, and moves on only from where it is."""

from collections.abc import Callable
from typing import Any

import pytest

from keymap.errors import KeyshiftError
from keyshift.control.chunks import record_dumped, record_loaded, record_table_dumped
from keyshift.control.lease import Lease, LeaseLost
from keyshift.control.phase import NotLoaded, Phase, TooEarly, close, open_replay, read_phase, reopen
from keyshift.control.store import Store
from keyshift.control.takeover import DRIFT
from tests.control.conftest import TABLES, Clock
from tests.control.network import Fate, Network
from tests.control.test_chunks import chunk

VALIDITY = 300.0
Acquire = Callable[[str], Lease]


@pytest.fixture
def loaded(acquired: Acquire) -> Lease:
    """Everything is loaded; the lease on "load" is held."""
    dump, load = acquired("dump"), acquired("load")
    for table in TABLES:
        for number in (1, 2, 3):
            record_dumped(dump, chunk(number, table))
            record_loaded(load, chunk(number, table))
        record_table_dumped(dump, table, 3, 30)
    return load


def test_replay_opens_when_everything_is_loaded(store: Store, loaded: Lease):
    open_replay(loaded, VALIDITY)
    assert read_phase(store) is Phase.REPLAY
    open_replay(loaded, VALIDITY)


def test_replay_does_not_open_on_an_empty_table_that_nobody_dumped(store: Store, acquired: Acquire):
    with pytest.raises(
        NotLoaded, match=r"2 steps .* table shop.orders is not dumped; table shop.purchase is not dumped"
    ):
        open_replay(acquired("load"), VALIDITY)
    assert read_phase(store) is Phase.LOAD


def test_replay_opens_over_tables_that_are_dumped_as_empty(store: Store, acquired: Acquire):
    dump = acquired("dump")
    for table in TABLES:
        record_table_dumped(dump, table, 0, 0)
    open_replay(acquired("load"), VALIDITY)
    assert read_phase(store) is Phase.REPLAY


def test_what_is_missing_is_counted_and_listed(
    store: Store, acquired: Acquire, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
):
    """Over several pages: a check that reads only the first one would open replay too early."""
    orders, purchase = TABLES
    dump, load = acquired("dump"), acquired("load")
    for number in range(1, 31):
        record_dumped(dump, chunk(number, orders))
        if number not in {7, 30}:
            record_loaded(load, chunk(number, orders))
    record_table_dumped(dump, orders, 30, 300)
    record_dumped(dump, chunk(1, purchase))
    record_loaded(load, chunk(1, purchase))
    monkeypatch.setattr(store._client, "query", lambda **more: dynamodb.query(**more, Limit=4), raising=False)
    with pytest.raises(NotLoaded) as caught:
        open_replay(load, VALIDITY)
    assert caught.value.missing == (
        "chunk 7 of shop.orders is not loaded",
        "chunk 30 of shop.orders is not loaded",
        "table shop.purchase is not dumped",
    )
    assert "3 steps" in str(caught.value)


def test_a_chunk_whose_record_vanished_is_missing_and_a_surplus_one_too(store: Store, loaded: Lease):
    store.delete([f"chunk#{TABLES[0]}#00000002"])
    store.swap(f"chunk#{TABLES[1]}#00000004", None, {"state": "dumped"})
    with pytest.raises(NotLoaded) as caught:
        open_replay(loaded, VALIDITY)
    assert caught.value.missing == ("chunk 2 of shop.orders is not loaded", "chunk 4 of shop.purchase is not loaded")


def test_an_error_shows_only_so_many():
    error = NotLoaded([f"chunk {number}" for number in range(50)])
    assert "50 steps" in error.message
    assert "and 30 more" in error.message
    assert len(error.missing) == 50


def test_replay_waits_for_the_signatures_of_a_loader_that_was_replaced(store: Store, loaded: Lease, clock: Clock):
    """What the replaced loader signed right before it fell asleep may be accepted until its signature ends."""
    successor = Lease(store, "load", "second:2", 10.0, clock)
    assert not successor.try_acquire()
    clock.now += 10 * DRIFT + 0.1
    assert successor.try_acquire()
    clock.now += 5
    with pytest.raises(LeaseLost):
        open_replay(loaded, VALIDITY)
    with pytest.raises(TooEarly, match="opens in 295 s") as caught:
        open_replay(_renewed(successor), VALIDITY)
    assert caught.value.seconds == pytest.approx(295)
    clock.now += 295
    open_replay(_renewed(successor), VALIDITY)
    assert read_phase(store) is Phase.REPLAY


def _renewed(lease: Lease) -> Lease:
    lease.renew()
    return lease


def test_only_the_holder_of_the_load_lease_opens_replay(store: Store, loaded: Lease, clock: Clock, acquired: Acquire):
    with pytest.raises(ValueError, match="the lease load is needed"):
        open_replay(acquired("other"), VALIDITY)
    clock.now += 11
    with pytest.raises(LeaseLost):
        open_replay(loaded, VALIDITY)
    assert read_phase(store) is Phase.LOAD


def test_a_loader_that_lost_its_lease_between_the_check_and_the_write_does_not_open(
    store: Store, loaded: Lease, network: Network, dynamodb: Any
):
    other = Store(dynamodb, store.table, store.name)

    def take_over() -> None:
        network.before_write = lambda: None
        other.swap("load", other.get("load"), {"fence": 9, "token": "other"})

    network.before_write = take_over
    with pytest.raises(LeaseLost):
        open_replay(loaded, VALIDITY)
    assert read_phase(store) is Phase.LOAD


def test_the_phase_goes_round_and_each_step_may_be_repeated(store: Store, loaded: Lease):
    open_replay(loaded, VALIDITY)
    for step, phase in ((close, Phase.CLOSED), (reopen, Phase.REPLAY), (close, Phase.CLOSED)):
        step(store)
        step(store)
        assert read_phase(store) is phase
    with pytest.raises(KeyshiftError, match="the phase is `closed`, not `load`"):
        open_replay(loaded, VALIDITY)


def test_what_was_never_opened_can_neither_be_closed_nor_reopened(store: Store):
    for step, words in ((close, "cannot be closed: the phase is `load`"), (reopen, "cannot be opened again")):
        with pytest.raises(KeyshiftError, match=words):
            step(store)
    assert read_phase(store) is Phase.LOAD


def test_the_epoch_stays_with_the_phase(store: Store, loaded: Lease):
    open_replay(loaded, VALIDITY)
    assert store.get("phase").number("epoch") == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("fate", [Fate.REPEATED, Fate.LOST, Fate.UNSENT, Fate.LATE])
def test_steps_without_an_answer_may_be_repeated_and_late_ones_change_nothing(
    store: Store, loaded: Lease, network: Network, fate: Fate
):
    steps = (lambda: open_replay(loaded, VALIDITY), lambda: close(store), lambda: reopen(store))
    for step in steps:
        network.through(fate, step)
    network.deliver_all()
    assert read_phase(store) is Phase.REPLAY


def test_close_and_reopen_at_once_leave_one_of_both(store: Store, loaded: Lease, network: Network, dynamodb: Any):
    other = Store(dynamodb, store.table, store.name)
    open_replay(loaded, VALIDITY)

    def overtake() -> None:
        network.before_write = lambda: None
        close(other)
        reopen(other)

    network.before_write = overtake
    close(store)
    assert read_phase(other) is Phase.CLOSED


def test_a_phase_of_a_later_version_is_refused(store: Store):
    store.swap("phase", store.get("phase"), {"phase": "drain"})
    with pytest.raises(KeyshiftError, match="phase 'drain', which this version does not know"):
        read_phase(store)
