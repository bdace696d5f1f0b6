"""How one column of a row image is read: the seam between what a table map says and the two row decoders.

`Field.read` is the whole truth about a column, one value at a time. `Field.kind` tells a decoder that it may do the
same faster: the generated one (rows.py) and the compiled one know each kind by itself, and call `read` for the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from keymap.values import Canonical

Read = Callable[[bytes, int], tuple[Canonical, int]]  # data, where the value begins -> the value, where it ends


class Kind(IntEnum):
    """The stored forms that a decoder may know by itself. In brackets: what `size`, `scale`, `labels` mean."""

    OTHER = 0  # only `read` knows how
    INT = 1  # [size: 1, 2, 3, 4 or 8 bytes] signed, lowest byte first -> int
    UINT = 2  # [size] the same, unsigned
    FLOAT = 3  # float32 -> Decimal with its shortest digits
    DOUBLE = 4  # -> Decimal(repr(float))
    DECIMAL = 5  # [size: precision, scale] groups of nine digits -> Decimal with `scale` places
    DATE = 6  # 3 bytes -> "YYYY-MM-DD", zero and partial dates too
    YEAR = 7  # 1 byte -> int, 0 for YEAR 0
    BIT = 8  # [size: bytes] highest byte first -> int
    TIMESTAMP = 9  # [scale: digits of a second] MySQL 5.6's form -> "YYYY-MM-DDTHH:MM:SS[.f]Z"
    DATETIME = 10  # [scale] MySQL 5.6's form -> "YYYY-MM-DDTHH:MM:SS[.f]"
    TIME = 11  # [scale] MySQL 5.6's form -> "[-]HH:MM:SS[.f]"
    ENUM = 12  # [size: 1 or 2 bytes, labels: by stored number, the first is ""] -> str
    SET = 13  # [size: 1 to 8 bytes, labels: by bit] -> tuple of labels in their order
    TEXT = 14  # [size: bytes of the length, 1 to 4] UTF-8 if `decode` is None -> str
    BYTES = 15  # [size: bytes of the length] -> bytes
    BINARY = 16  # [size: bytes of the length, scale: width] padded to the width with zeros -> bytes
    JSON = 17  # [size: bytes of the length] MySQL's binary JSON -> keymap.values.Json


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a row image. NULL is not its business: it takes no bytes."""

    name: str
    kind: Kind
    read: Read
    size: int = 0
    scale: int = 0
    labels: tuple[str, ...] = ()
    decode: Callable[[bytes], str] | None = None
