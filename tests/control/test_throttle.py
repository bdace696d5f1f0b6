"""What an operator asks of a dump that runs, and what it tells: in a real control table."""

from keyshift.control.lease import DUMP
from keyshift.control.pace import Pace, read_pace, record_pace
from keyshift.control.store import Store
from keyshift.control.throttle import Throttle, change_throttle, read_throttle


def test_what_was_asked_for_stays_until_it_is_changed_or_taken_back(store: Store) -> None:
    assert read_throttle(store) == Throttle()
    change_throttle(store, {"rows_per_second_max": 5}, paused=True)
    change_throttle(store, {"threads_running_max": 0}, paused=None)
    asked = Throttle(paused=True, rows_per_second_max=5, threads_running_max=0)
    assert read_throttle(store) == asked
    assert asked.limits == {"rows_per_second_max": 5, "threads_running_max": 0}
    assert change_throttle(store, {"bytes_per_second_max": 7}, paused=None, reset=True) == read_throttle(store)
    assert read_throttle(store) == Throttle(bytes_per_second_max=7)


def test_two_operators_who_ask_at_once_are_both_heard(store: Store) -> None:
    real = store.get
    asked: list[str] = []

    def between(item: str) -> object:
        record = real(item)
        if not asked:
            asked.append(item)
            change_throttle(store, {"rows_per_second_max": 1}, paused=None)
        return record

    store.get = between  # type: ignore[assignment,method-assign]
    change_throttle(store, {"bytes_per_second_max": 2}, paused=None)
    store.get = real  # type: ignore[method-assign]
    assert read_throttle(store) == Throttle(rows_per_second_max=1, bytes_per_second_max=2)


def test_a_pace_is_that_of_one_job_and_table(store: Store) -> None:
    assert read_pace(store, DUMP, "shop.a#b") == Pace()
    record_pace(store, DUMP, "shop.a#b", Pace(1, 2, 3, "it was paused"))
    told = read_pace(store, DUMP, "shop.a#b")
    assert (told.rows, told.rows_total, told.rows_per_second, told.waits) == (1, 2, 3, "it was paused")
    assert told.at_ms > 0
    record_pace(store, DUMP, "shop.a#b", Pace(2, 2, 3))
    assert read_pace(store, DUMP, "shop.a#b").waits == ""
    assert read_pace(store, DUMP, "shop.b") == Pace()
