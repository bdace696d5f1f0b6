"""How far lanes are applied: only upwards, each by itself, whoever tells it, however often and late."""

from typing import Any

import pytest

from keymap.version import version
from keyshift.control.lanes import LANES_PREFIX, applied_of, raise_applied
from keyshift.control.migration import forget, show_digest
from keyshift.control.phase import KeymapChanged, Phase
from keyshift.control.reloads import Reload, begin_reload, floor_of_epoch, void_before
from keyshift.control.standing import read_standing
from keyshift.control.store import NotInitialised, Store
from tests.control.conftest import TABLES
from tests.control.network import BrokenConnection, Fate, Network


def at(offset: int, epoch: int = 1) -> str:
    return version(epoch, 1, offset, 0)


def applied(store: Store) -> dict[int, str]:
    return dict(read_standing(store, "").applied)


def test_lanes_are_raised_and_read_with_the_phase(store: Store, network: Network):
    assert applied(store) == {}
    lanes = {0: at(5), 15: at(6), 16: at(7), 4095: at(8)}
    raise_applied(store, lanes, {})
    standing = read_standing(store, "d" * 64)
    assert (standing.phase, dict(standing.applied)) == (Phase.LOAD, lanes)
    network.writes = 0
    raise_applied(store, {0: at(5), 15: at(2)}, standing.applied)
    assert network.writes == 0, "nothing new costs nothing"
    raise_applied(store, {0: at(9), 1: at(1)}, standing.applied)
    assert (network.writes, applied(store)) == (1, lanes | {0: at(9), 1: at(1)})


def test_a_lane_is_never_set_back_and_what_is_newer_beside_it_counts(store: Store):
    """As a batch does that is delivered again, or applied by somebody who was slow."""
    raise_applied(store, {0: at(5), 1: at(5), 2: at(5, epoch=2)}, {})
    raise_applied(store, {0: at(4), 1: at(6), 2: at(900), 3: at(1)}, {})
    assert applied(store) == {0: at(5), 1: at(6), 2: at(5, epoch=2), 3: at(1)}


def test_an_answer_that_is_lost_and_a_request_that_comes_late_do_no_harm(store: Store, network: Network):
    network.fates.append(Fate.REPEATED)
    raise_applied(store, {0: at(5), 1: at(5)}, {})
    network.fates.append(Fate.LATE)
    with pytest.raises(BrokenConnection):
        raise_applied(store, {0: at(6)}, {})
    raise_applied(store, {0: at(7)}, {0: at(5)})
    network.deliver()
    assert applied(store) == {0: at(7), 1: at(5)}


def test_a_group_of_lanes_is_billed_as_one_kilobyte(store: Store, dynamodb: Any):
    raise_applied(store, {lane: at(10**12) for lane in range(4080, 4096)}, {})
    items = dynamodb.scan(TableName=store.table, ConsistentRead=True)["Items"]
    (item,) = (one for one in items if one["migration"]["S"] == store.id and LANES_PREFIX in one["item"]["S"])
    assert sum(len(name) + len(value["S"]) for name, value in item.items()) < 1024


def test_a_reader_with_another_keymap_and_one_of_a_run_that_is_gone_are_told(store: Store):
    show_digest(store, "e" * 64)
    with pytest.raises(KeymapChanged):
        read_standing(store, "d" * 64)
    forget(store)
    with pytest.raises(NotInitialised):
        read_standing(store, "")


def test_changes_are_void_before_the_place_from_which_the_last_captured_table_is_loaded_again(store: Store):
    assert void_before(store) == ""
    begin_reload(store, Reload(TABLES[0], floor_of_epoch(2), "lost", ""))
    assert void_before(store) == ""
    begin_reload(store, Reload(TABLES[1], version(2, 3, 90, 1), "TRUNCATE", ""))
    assert void_before(store) == version(2, 0, 0, 0)
    assert at(900) < void_before(store) < at(4, epoch=2)


def test_other_items_are_no_lanes(store: Store):
    raise_applied(store, {3: at(5)}, {})
    assert applied_of(store.query("")) == {3: at(5)}
