"""Work on rows is not interrupted to look for garbage, and afterwards it is looked for again, whatever happened."""

import gc
import threading

import pytest

from keyshift.process.garbage import collected_later


def test_within_nothing_is_looked_for_and_afterwards_it_is() -> None:
    with collected_later():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_changes_nothing_about_it() -> None:
    with pytest.raises(ZeroDivisionError), collected_later():
        _ = 1 / 0
    assert gc.isenabled()


def test_after_the_last_of_many_threads_it_is_looked_for_again() -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        for _ in range(50):
            with collected_later():
                barrier.wait(10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert gc.isenabled()
