"""Whether the small compiled parts are there and wanted. Each only does faster what a Python module does too.

They are built at install where Cython and a C compiler are found (docs/decisions/0009). The environment variable
KEYSHIFT_PURE=1 turns them off. `python -m keyshift.native` says which are in use.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Final

COMPILED: Final = (
    "keyshift.binlog._core",
    "keyshift.binlog._jsonb",
    "keyshift.mysql._text",
    "keyshift.mysql._lines",
)
SWITCH: Final = "KEYSHIFT_PURE"


def is_wanted() -> bool:
    """Whether compiled parts may be used: KEYSHIFT_PURE is not set, or is 0."""
    return os.environ.get(SWITCH, "") in {"", "0"}


def load(name: str) -> ModuleType | None:
    """The compiled module of that full name; None where it was not built or is not wanted.

    Raises ImportError where it was built and cannot be loaded: an installation to be repaired, not to be slow on.
    """
    if not is_wanted():
        return None
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def summary() -> str:
    """One line for a person: which compiled parts are in use, or why none is."""
    if not is_wanted():
        return f"Rows are read by pure Python: {SWITCH} is set"
    found = [name for name in COMPILED if load(name)]
    if len(found) == len(COMPILED):
        return "Rows are read by the compiled core"
    missing = ", ".join(name for name in COMPILED if name not in found)
    return f"Rows are read by pure Python, exact but slower: not built, for want of a C compiler or Python.h: {missing}"


if __name__ == "__main__":
    sys.stdout.write(summary() + "\n")
