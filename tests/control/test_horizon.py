"""The horizon rises, in a phase, to where nothing is missing; it never falls."""

import pytest

from keymap.version import version
from keyshift.control.horizon import in_the_way, raise_horizon, read_horizon
from keyshift.control.migration import forget
from keyshift.control.phase import Phase
from keyshift.control.reloads import Reload, begin_reload, finish_reload
from keyshift.control.setasides import State, record_open, resolve
from keyshift.control.standing import read_standing
from keyshift.control.store import NotInitialised, Store
from tests.control.conftest import TABLES
from tests.control.test_setasides import set_aside


def at(offset: int, epoch: int = 1) -> str:
    return version(epoch, 1, offset, 0)


def test_it_rises_in_its_phase_only_and_consumers_read_it_with_that(store: Store):
    assert read_horizon(store) == read_standing(store, "").horizon == ""
    assert not raise_horizon(store, at(5), Phase.REPLAY), "rows are being loaded"
    assert raise_horizon(store, at(5), Phase.LOAD)
    assert raise_horizon(store, at(4), Phase.LOAD), "it is there already"
    assert read_standing(store, "").horizon == at(5)
    assert raise_horizon(store, at(1, epoch=2), Phase.LOAD)
    assert read_horizon(store) == at(1, epoch=2)
    forget(store)
    with pytest.raises(NotInitialised):
        raise_horizon(store, at(9), Phase.LOAD)


def test_a_table_that_is_loaded_again_and_a_change_that_is_set_aside_hold_it_back(store: Store):
    assert in_the_way(store, at(900)) == []
    reload = Reload(TABLES[0], version(1, 1, 90, 1), "TRUNCATE", "")
    begin_reload(store, reload)
    assert in_the_way(store, at(90)) == [], "it begins behind that"
    assert in_the_way(store, at(91)) == [f"table {TABLES[0]} is loaded again, and not done"]
    finish_reload(store, reload)
    for offset in (50, 60, 70):
        record_open(store, set_aside(0, version=at(offset)))
    resolve(store, set_aside(0, version=at(60)), State.REDRIVEN)
    assert in_the_way(store, at(49)) == []
    assert in_the_way(store, at(60)) == ["1 changes are set aside"]
    assert in_the_way(store, at(91)) == ["2 changes are set aside"]
