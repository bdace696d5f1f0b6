"""The manifest of a dumped table: one JSON object beside its chunks, written last.

It says what the rows mean (columns, types, primary key) and which chunks there are, so that loading needs no source.
What has been done is decided by the control table alone; the manifest must agree with it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from keymap.errors import KeyshiftError
from keymap.schema import Column, TableSchema
from keymap.wire import decode_value, dumps, encode_value, loads
from keyshift.control.bounds import Bound
from keyshift.control.chunks import Chunk, ChunkState

FORMAT = 1
_DAMAGE = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)


class ManifestError(KeyshiftError):
    """A manifest that cannot be read, or that is another's."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that was dumped of one table; its `chunks` have the state `dumped`, whatever became of them since."""

    migration: str
    schema: TableSchema
    chunks: tuple[Chunk, ...]

    @property
    def table(self) -> str:
        """`db.table`."""
        return self.schema.full_name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in the order of the chunk files."""
        return tuple(self.schema.by_name)

    @property
    def rows(self) -> int:
        """Rows in all chunks."""
        return sum(chunk.rows for chunk in self.chunks)


def make_manifest(migration: str, schema: TableSchema, recorded: Iterable[Chunk]) -> Manifest:
    """The manifest of a table of which these are all chunks, as the control table records them."""
    return Manifest(migration, schema, tuple(map(_as_dumped, recorded)))


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    schema = manifest.schema
    return dumps(
        {
            "keyshift": FORMAT,
            "migration": manifest.migration,
            "database": schema.database,
            "table": schema.name,
            "engine": schema.engine,
            "columns": [asdict(column) for column in schema.columns],
            "primary_key": schema.primary_key,
            "rows": manifest.rows,
            "chunks": [_encoded(chunk) for chunk in manifest.chunks],
        }
    )


def decode_manifest(data: bytes, name: str) -> Manifest:
    """The manifest in object `name`. Raises ManifestError where it is damaged or of another version."""
    try:
        fields = loads(data)
        if fields["keyshift"] != FORMAT:
            message = f"{name} has format {fields['keyshift']}, and this version reads {FORMAT}"
            raise ManifestError(message, "Load with the version that dumped")
        return _manifest(fields)
    except _DAMAGE as error:
        raise ManifestError(f"{name} is damaged ({type(error).__name__})", _REMEDY) from error


def require_agreement(manifest: Manifest, name: str, migration: str, table: str, recorded: Iterable[Chunk]) -> None:
    """Raise ManifestError unless what object `name` says is of this migration (its id), table and recorded chunks."""
    expected = tuple(map(_as_dumped, recorded))
    if manifest.migration != migration:
        what = f"it belongs to migration {manifest.migration}, not to {migration}"
    elif manifest.table != table:
        what = f"it describes {manifest.table}, not {table}"
    elif manifest.chunks != expected:
        what = "its chunks are not those that the control table records"
    else:
        return
    raise ManifestError(f"{name} cannot be used: {what}", _REMEDY)


_REMEDY = "Restore the object, or start the migration anew (`keyshift destroy`, `keyshift init`)"


def _as_dumped(chunk: Chunk) -> Chunk:
    """Without what has become of it since."""
    return replace(chunk, state=ChunkState.DUMPED, rejected=0)


def _encoded(chunk: Chunk) -> dict[str, Any]:
    fields = asdict(chunk) | {"lower": _encoded_bound(chunk.lower), "upper": _encoded_bound(chunk.upper)}
    return {name: value for name, value in fields.items() if name not in {"table", "state", "rejected"}}


def _encoded_bound(bound: Bound) -> list[Any] | None:
    return None if bound is None else [encode_value(value) for value in bound]


def _decoded_bound(bound: list[Any] | None) -> Bound:
    return None if bound is None else tuple(map(decode_value, bound))


def _manifest(fields: dict[str, Any]) -> Manifest:
    schema = TableSchema(
        database=fields["database"],
        name=fields["table"],
        columns=tuple(Column(**column) for column in fields["columns"]),
        primary_key=tuple(fields["primary_key"]),
        engine=fields["engine"],
    )
    chunks = tuple(
        Chunk(
            table=schema.full_name,
            **chunk | {"lower": _decoded_bound(chunk["lower"]), "upper": _decoded_bound(chunk["upper"])},
        )
        for chunk in fields["chunks"]
    )
    return Manifest(fields["migration"], schema, chunks)
