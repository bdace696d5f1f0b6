"""A loop in a thread of its own, beside a block of code and no longer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(loop: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """Run `loop` in a thread while the block runs. It is given what is set at the block's end, and is waited for."""
    done = threading.Event()
    thread = threading.Thread(target=loop, args=(done,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
