"""Small parts: batches, jobs on threads, and who may be overwritten."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.load.send import batches
from bulkload.load.targets import reason_against
from bulkload.parallel import run_all
from keymap.patch import Item
from keymap.version import floor, mark, version
from keyshift.aws.items import WRITES_PER_BATCH_MAX
from keyshift.process.stop import Stop, Stopped
from tests.keymap.keymaps import keymap

MIGRATION = "shop.0000000a"
KEYMAP = keymap()
BOOKS = KEYMAP.bookkeeping


@given(st.integers(0, 200))
def test_every_put_is_in_one_batch_that_dynamodb_takes(count: int) -> None:
    puts: list[tuple[str, Item]] = [("t", {"n": {"N": str(number)}}) for number in range(count)]
    made = batches(puts)
    assert sorted(int(item["n"]["N"]) for batch in made for _, item in batch) == list(range(count))
    assert all(1 <= len(batch) <= WRITES_PER_BATCH_MAX for batch in made)


def test_neighbours_are_in_different_batches() -> None:
    made = batches([("t", {"n": {"N": str(number)}}) for number in range(100)])
    assert [int(item["n"]["N"]) for _, item in made[0][:3]] == [0, 4, 8]


def test_all_jobs_are_run_and_not_more_at_once_than_allowed() -> None:
    running, most, done, lock = [0], [0], [], threading.Lock()

    def job(number: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001)
        with lock:
            running[0] -= 1
            done.append(number)

    with ThreadPoolExecutor(8) as executor:
        run_all((lambda number=number: job(number) for number in range(50)), executor, 3, Stop())  # type: ignore[misc]
    assert sorted(done) == list(range(50))
    assert 1 < most[0] <= 3


def test_the_first_failure_ends_the_rest_and_nothing_runs_any_more() -> None:
    begun, running = [0], threading.Semaphore(0)

    def job(number: int) -> None:
        begun[0] += 1
        if number == 3:
            raise ValueError("three")
        time.sleep(0.005)
        running.release()

    with ThreadPoolExecutor(4) as executor, pytest.raises(ValueError, match="three"):
        run_all((lambda number=number: job(number) for number in range(1000)), executor, 4, Stop())  # type: ignore[misc]
    assert begun[0] < 20
    assert sum(running.acquire(blocking=False) for _ in range(begun[0])) == begun[0] - 1


def test_a_stop_ends_the_jobs_before_the_next_one() -> None:
    stop, begun = Stop(), [0]

    def job() -> None:
        begun[0] += 1
        if begun[0] == 5:
            stop.set()

    with ThreadPoolExecutor(1) as executor, pytest.raises(Stopped):
        run_all((job for _ in range(100)), executor, 1, stop)
    assert begun[0] == 5


def item(migration: str, **marks: str) -> Item:
    return {BOOKS.migration: {"S": migration}} | {BOOKS.mark(slot): {"S": text} for slot, text in marks.items()}


@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_only_what_the_bulk_load_wrote_may_be_overwritten(
    epoch: int, file: int, offset: int, row: int, tombstone: bool
) -> None:
    """A live slot at the lowest version of this epoch or an earlier one; every slot of an item must be so."""
    written = mark(version(epoch, file, offset, row), tombstone=tombstone)
    ours = (file, offset, row) == (0, 0, 0) and epoch <= 3 and not tombstone
    assert (reason_against(KEYMAP, MIGRATION, 3, item(MIGRATION, a=written)) == "") is ours
    assert (reason_against(KEYMAP, MIGRATION, 3, item(MIGRATION, a=written, b=floor(3))) == "") is ours
    assert "shop.0000000b" in reason_against(KEYMAP, MIGRATION, 3, item("shop.0000000b", a=written))


def test_an_item_without_bookkeeping_is_foreign() -> None:
    assert reason_against(KEYMAP, MIGRATION, 1, {"pk": {"S": "x"}}) == "was not written by Keyshift"
