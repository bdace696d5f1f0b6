"""Python's search for cyclic garbage, put off while rows are in hand.

Rows, patches and items are dictionaries in dictionaries; nothing in them refers back, so they go when they are done
with. Yet there are so many that Python looks through all of them again and again, which takes as long as making them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_CONTAINERS: Final = 50_000  # more made than freed, before the youngest are looked at


@contextmanager
def collected_later() -> Iterator[None]:
    """For work on a bounded number of rows: Python does not look for cyclic garbage within.

    Let go of them before the end. Several threads may be within: the first that ends has it looked for again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def collected_seldom() -> Iterator[None]:
    """For work without an end: Python looks for cyclic garbage when much has come together.

    Cycles come of errors and of AWS' client, a few in a second: they are found a little later.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_CONTAINERS, 20, 20)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
