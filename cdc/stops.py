"""Where capture stops at what an operator must decide about: recorded, so that they can, and others see it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from cdc.continuity import Lost
from cdc.shapes import Unfollowed
from keyshift.control.checkpoint import read_capture
from keyshift.control.halts import Halt, record_stop
from keyshift.control.store import Store

Steadily = Callable[[Callable[[], None], str], None]


@contextmanager
def recording_stops(store: Store, tables: Iterable[str], steadily: Steadily) -> Iterator[None]:
    """Record what ends the block, where it is such a stop. `tables` are the captured ones."""
    try:
        yield
    except (Unfollowed, Lost) as error:
        stop = error
        steadily(lambda: record_stop(store, _halt(store, tables, stop)), "recording where capture stopped")
        raise


def _halt(store: Store, tables: Iterable[str], stop: Unfollowed | Lost) -> Halt:
    if isinstance(stop, Unfollowed):
        return stop.halt
    status = read_capture(store)
    assert status.position is not None, "nothing is lost before capture has begun"
    return Halt(status.epoch, status.position.file, status.position.offset, tuple(tables), stop.message, lost=True)
