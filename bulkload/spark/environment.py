"""Where a process of a packed environment (bulkload/spark/pack.py) finds the keymap: it was packed along.

Neither the driver of a cluster nor its executors have the files of the host that the load was begun on.
"""

import sys
from pathlib import Path
from typing import Final

PROJECT: Final = "keyshift-project"  # the keymap's folder, below the environment's root


def keymap_file(path: Path, root: Path | None = None) -> Path:
    """The keymap of the settings: the packed one where this process runs in a packed environment."""
    packed = (root or Path(sys.prefix)) / PROJECT
    return packed / path.name if packed.is_dir() else path
