"""Python's search for cyclic garbage, put off while rows are in hand."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_later() -> Iterator[None]:
    """For work on a bounded number of rows: Python does not look for cyclic garbage within.

    Rows, patches and items are dictionaries in dictionaries; nothing in them refers back, so they go when they are done
    with. Yet a chunk has so many that Python looks through all of them again and again, which takes as long as making
    them. Let go of them before the end. Several threads may be within: the first that ends has it looked for again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
