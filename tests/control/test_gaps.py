"""A gap is told by whoever meets it, and is over by what becomes of its lane, not because somebody takes it away."""

from keymap.version import version
from keyshift.control.gaps import read_gaps, record_gap
from keyshift.control.lanes import raise_applied
from keyshift.control.reloads import Reload, begin_reload, floor_of_epoch
from keyshift.control.store import Store
from tests.control.conftest import TABLES


def at(offset: int) -> str:
    return version(1, 1, offset, 0)


def told(store: Store) -> list[tuple[int, str, str]]:
    return [(one.lane, one.applied, one.follows) for one in read_gaps(store)]


def test_a_gap_stands_until_its_lane_is_applied_up_to_there(store: Store):
    assert told(store) == []
    raise_applied(store, {3: at(5), 20: at(9)}, {})
    for _ in range(2):
        record_gap(store, 20, at(40))
        record_gap(store, 3, at(7))
    record_gap(store, 4, at(1))
    assert told(store) == [(3, at(5), at(7)), (4, "", at(1)), (20, at(9), at(40))]
    assert all(one.at_ms > 0 for one in read_gaps(store))
    raise_applied(store, {3: at(6), 4: at(1), 20: at(50)}, {})
    assert told(store) == [(3, at(6), at(7))], "some of what was missing was delivered, and all of it"
    record_gap(store, 20, at(40))  # by a consumer that was slow
    assert told(store) == [(3, at(6), at(7))]


def test_a_gap_is_over_where_all_tables_are_loaded_again_behind_it(store: Store):
    record_gap(store, 3, at(7))
    for table in TABLES:
        assert told(store) == [(3, "", at(7))]
        begin_reload(store, Reload(table, floor_of_epoch(2), "asked for", "a gap"))
    assert told(store) == []
    record_gap(store, 3, version(2, 1, 1, 0))
    assert told(store) == [(3, "", version(2, 1, 1, 0))], "what is missing behind that place is needed"
