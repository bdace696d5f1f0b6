"""The pools in which a worker's batches are written."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from keymap.claims import Claim
from keyshift.apply.pools import WritePools

CLAIM = Claim("large", "", 1)


def test_what_waits_in_one_pool_leaves_the_other_free() -> None:
    stuck, done = threading.Event(), threading.Event()

    def slow() -> None:
        with pools.taken():
            assert list(pools.map(lambda _number: stuck.wait(10), range(8))) == [True] * 8
        done.set()

    with WritePools(2, 2) as pools:
        thread = threading.Thread(target=slow)
        thread.start()
        with pools.taken():
            assert list(pools.map(abs, range(-100, 0))) == list(range(100, 0, -1))
        assert not done.is_set()
        stuck.set()
        thread.join()
    assert done.is_set()


def test_one_batch_at_a_time_has_large_rows_in_hand() -> None:
    at_once, most, fetches, lock = 0, 0, 0, threading.Lock()

    def fetch(_claim: Claim) -> bytes:
        nonlocal fetches
        with lock:
            fetches += 1
        return b"row"

    def batch(_number: int) -> None:
        nonlocal at_once, most
        with pools.taken():
            assert [large(CLAIM) for _ in range(3)] == [b"row"] * 3
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.005)
            with lock:
                at_once -= 1

    with WritePools(4, 1) as pools, ThreadPoolExecutor(8) as readers:
        large = pools.alone(fetch)
        list(readers.map(batch, range(16)))
    assert (most, fetches) == (1, 48)
