"""A chunk as a file: zstd of lines, a header and then one JSON array of canonical values per row.

``zstd -dc CHUNK | head`` shows it to a person. Files of an earlier version are gzip, and are read as well
(docs/decisions/0026). The values have the form that they have on the stream (keymap.wire), so
a chunk holds what was read and not what the keymap makes of it. A file is only half of a chunk's truth: how many rows
it has and what its SHA-256 is stands in the control table, and a reader refuses a file that says otherwise.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from typing import IO, Any, Final

from keymap.errors import KeyshiftError
from keymap.generate import row_maker
from keymap.values import Row
from keymap.version import floor
from keymap.wire import WireError, dumps, loads
from keyshift.zstd import zstd

FORMAT = 1
SUFFIX: Final = ".zst"
_OPTIONS: Final[dict[int, int]] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}
_GZIP: Final = b"\x1f\x8b"  # what its files begin with
_BLOCK_BYTES: Final = 128 * 1024  # of one call to the compressor: a call per row costs more than the compression


class ChunkError(KeyshiftError):
    """A chunk file that is not what it should be: damaged, cut short, or of another migration, table or version."""


@dataclass(frozen=True, slots=True)
class ChunkHeader:
    """What a chunk file says of itself.

    Its rows carry the lowest version of `epoch`, or, where the table is loaded again, the version `floor`.
    """

    migration: str
    table: str
    columns: tuple[str, ...]
    epoch: int
    floor: str = ""

    @property
    def version(self) -> str:
        """The version that the rows carry."""
        return self.floor or floor(self.epoch)


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk file in memory; `raw_bytes` is its size before compression."""

    data: bytes
    rows: int
    sha256: str
    raw_bytes: int


class ChunkWriter:
    """Makes a chunk file of lines, as they come: in memory is what is packed, and less than a block that is not."""

    def __init__(self, header: ChunkHeader) -> None:
        self._packer = zstd.ZstdCompressor(options=_OPTIONS)
        self._packed: list[bytes] = []
        self._lines: list[bytes] = []
        self._waiting = self._raw_bytes = 0
        self.write(_header_line(header))

    def write(self, lines: bytes) -> None:
        """Add whole lines, each with its end."""
        self._lines.append(lines)
        self._waiting += len(lines)
        self._raw_bytes += len(lines)
        if self._waiting >= _BLOCK_BYTES:
            self._pack()

    def end(self, rows: int) -> EncodedChunk:
        """The file, of so many rows."""
        self._pack()
        data = b"".join((*self._packed, self._packer.flush()))
        return EncodedChunk(data, rows, hashlib.sha256(data).hexdigest(), self._raw_bytes)

    def _pack(self) -> None:
        self._packed.append(self._packer.compress(b"".join(self._lines)))
        self._lines.clear()
        self._waiting = 0


def _header_line(header: ChunkHeader) -> bytes:
    return (
        dumps(
            {
                "keyshift": FORMAT,
                "migration": header.migration,
                "table": header.table,
                "epoch": header.epoch,
                "columns": header.columns,
                **({"floor": header.floor} if header.floor else {}),
            }
        )
        + b"\n"
    )


def check_digest(data: bytes, sha256: str, name: str) -> None:
    """Raises ChunkError unless the bytes of object `name` are those that were dumped."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        message = f"{name} is damaged: its SHA-256 is {found}, and {sha256} was dumped"
        raise ChunkError(message, _ANEW)


_ANEW = "Restore the object, or start the migration anew (`keyshift destroy`, `keyshift init`)"
_NOT_WHOLE = (zstd.ZstdError, BadGzipFile, zlib.error, EOFError)
_DAMAGE = (*_NOT_WHOLE, WireError, KeyError, TypeError, ValueError, ArithmeticError)


def _unpacked(file: IO[bytes]) -> GzipFile | zstd.ZstdFile:
    begin = file.read(len(_GZIP))
    file.seek(0)
    return GzipFile(fileobj=file, mode="rb") if begin == _GZIP else zstd.ZstdFile(file)


class ChunkReader:
    """Reads the file of a chunk, which can seek, as a stream, a row at a time. `name` is the object's, for messages.

    Damage may show only at the end of the file: act on the rows when the last one has been read. Both the constructor
    and the iteration raise ChunkError.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name = name
        self._lines = _unpacked(file)
        try:
            self.header = self._read_header(self._lines.readline())
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def require(self, migration: str, table: str, columns: tuple[str, ...]) -> None:
        """Raises ChunkError unless the file is of this migration (its id) and table, with these columns at least.

        Of the other columns it has those that the table had when it was read: a column that came later was NULL then.
        """
        header = self.header
        if header.migration != migration:
            message = f"{self._name} belongs to migration {header.migration}, not to {migration}"
            raise ChunkError(message, "Give the migration a bucket.prefix of its own")
        if header.table != table:
            raise ChunkError(f"{self._name} holds rows of {header.table}, not of {table}", _ANEW)
        if missing := [column for column in columns if column not in header.columns]:
            raise ChunkError(f"{self._name} has no column {', '.join(missing)} of {table}'s primary key", _ANEW)

    def rows(self, expected: int) -> Iterator[Row]:
        """All rows. Raises ChunkError also where the file does not hold `expected` of them."""
        count, made = 0, row_maker(self.header.columns)
        try:
            for line in self._lines:
                values = loads(line)
                if type(values) is not list:
                    raise TypeError("a row is not an array")
                yield made(values)
                count += 1
        except _DAMAGE as error:
            raise self._damaged(error) from error
        if count != expected:
            raise ChunkError(f"{self._name} holds {count} rows, and {expected} were dumped", _ANEW)

    def _read_header(self, line: bytes) -> ChunkHeader:
        fields: Any = loads(line)
        if fields["keyshift"] != FORMAT:
            message = f"{self._name} has format {fields['keyshift']}, and this version reads {FORMAT}"
            raise ChunkError(message, "Load with the version that dumped")
        return ChunkHeader(
            str(fields["migration"]),
            str(fields["table"]),
            tuple(map(str, fields["columns"])),
            int(fields["epoch"]),
            str(fields.get("floor", "")),
        )

    def _damaged(self, error: BaseException) -> ChunkError:
        return ChunkError(f"{self._name} is damaged ({type(error).__name__})", _ANEW)
