"""A place between the rows of a table, as the control table has it: a primary key, or the first values of one."""

from keymap.values import Canonical
from keymap.wire import decode_value, dumps, encode_value, loads

Bound = tuple[Canonical, ...] | None  # None: the table's beginning, or its end


def encode_bound(bound: Bound) -> str:
    """As JSON text."""
    return dumps(None if bound is None else [encode_value(value) for value in bound]).decode()


def decode_bound(text: str) -> Bound:
    """From JSON text."""
    values = loads(text)
    return None if values is None else tuple(decode_value(value) for value in values)
