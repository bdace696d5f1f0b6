# The row decoder in C: the same rows, values and errors as keyshift.binlog.rows.reference_rows.

from collections.abc import Sequence

from keymap.values import Row
from keyshift.binlog.fields import Field

class CompiledRows:
    names: tuple[str, ...]
    def __init__(self, fields: Sequence[Field]) -> None: ...
    def rows(self, data: bytes, at: int, end: int) -> list[Row]: ...
    def pairs(self, data: bytes, at: int, end: int) -> list[tuple[Row, Row]]: ...
