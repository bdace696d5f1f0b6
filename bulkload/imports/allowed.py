"""What can be brought in by an import from S3, told before anything is made. Pure.

Figures are AWS's: developer guide, "Import format quotas and validation".
"""

from collections.abc import Iterable, Iterator
from typing import Final

from keymap.errors import Problem
from keymap.targets import Target
from keyshift.process.tasks import BulkloadSettings

IMPORT: Final = "import"  # bulkload.engine
OBJECTS_MAX: Final = 50_000  # that one import reads
OBJECT_BYTES: Final = 64 * 1024 * 1024  # of lines in one of them, in memory until it is packed
TABLE_BYTES_MAX: Final = OBJECTS_MAX * OBJECT_BYTES  # of lines for one table
_TB: Final = 1024**4
_LARGE_REGIONS: Final = frozenset({"us-east-1", "us-west-2", "eu-west-1"})
_LOCAL: Final = "set bulkload.engine to local"


def import_problems(settings: BulkloadSettings, targets: Iterable[Target]) -> Iterator[Problem]:
    """What of settings and keymap no import can do; nothing where the settings want none."""
    if settings.engine != IMPORT:
        return
    if settings.folder is not None:
        what = "the dump lies in a folder, and DynamoDB imports from S3 only"
        yield Problem("bulkload.folder", what, f"Leave it out, so that the bucket is used, or {_LOCAL}")
    for target in targets:
        for index in target.indexes:
            if index.is_local:
                what = f"it has the local index {index.name}, which an import cannot make, and nobody afterwards"
                yield Problem(f"table {target.name}", what, f"Make it a global index, or {_LOCAL}")


def in_the_way(table: str) -> Problem:
    """A target table that is there, and that no import of the migration made."""
    what = "it is there already, and an import only makes new tables"
    return Problem(
        f"table {table}", what, f"Remove it if nobody needs it, name another table in the keymap, or {_LOCAL}"
    )


def source_bytes_max(region: str | None) -> int:
    """How large all files of an account's imports that run at once may be, in bytes, compressed as they are."""
    return (15 if region in _LARGE_REGIONS else 1) * _TB
