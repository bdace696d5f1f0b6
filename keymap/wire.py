"""The change record and the pack: what travels on the stream, and how rows are written down in dump files.

One Kinesis record is one pack: gzip of lines, a header and then one change per line, all JSON with Debezium's envelope
names, so that ``base64 -d | gunzip | jq`` reads it. Values are typed so that decimals and bytes survive: text, integers
and null are plain JSON; the others are objects of one key: ``{"N": "12.30"}``, ``{"B": base64}``, ``{"J": JSON text}``,
``{"SS": [..]}``.

A change that does not fit lies in S3, and its line holds ``claim`` in place of the two images (keymap.claims). A pack
with such a line is of another format, so that a consumer from before says what it lacks.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from gzip import BadGzipFile, compress, decompress
from types import MappingProxyType
from typing import Any, Final, TypeVar

import orjson

from keymap.change import Change, Source
from keymap.claims import Claim, Fetch, opened, unfetched
from keymap.errors import KeyshiftError
from keymap.values import Canonical, Json, Row

T = TypeVar("T")

FORMAT = 1
CLAIM_FORMAT = 2  # of packs with pointers to S3
PACK_BYTES_MAX = 900_000  # of raw change lines: even where nothing compresses, a record stays under Kinesis' 1 MiB
_HEADER_BYTES_MAX = 4_096  # a few hundred, with names as long as they may be
_LEVEL = 1  # gzip's fastest: most of the gain for a third of the time; measured by `make bench`
_INT64_END = 1 << 63


class WireError(KeyshiftError):
    """A record that this version cannot read: damaged, not ours, or of another format."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a pack says of itself.

    `kind` is "changes" or "barrier"; `follows` the version of the lane's last change before this pack ("" at the lane's
    start), by which a gap can be told; `last` the version of the last change within (of a barrier: what it follows);
    `barrier` the marker's number, 0 for changes.
    """

    migration: str
    digest: str
    epoch: int
    lane: int
    kind: str
    follows: str
    last: str
    barrier: int
    count: int


def encode_value(value: Canonical) -> Any:  # noqa: ANN401 - JSON
    """A canonical value as typed JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -_INT64_END <= value < 2 * _INT64_END else {"I": str(value)}
    if isinstance(value, Decimal):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": base64.b64encode(value).decode()}
    return {"J": value.text} if isinstance(value, Json) else {"SS": list(value)}


def decode_value(value: Any) -> Canonical:  # noqa: ANN401 - JSON
    """The canonical value of typed JSON. Raises WireError on a type that this version does not know."""
    if value is None or isinstance(value, str | int):
        return value
    return decode_typed(value)


_TYPED: Final[Mapping[str, Callable[[Any], Canonical]]] = MappingProxyType(
    {"N": Decimal, "B": binascii.a2b_base64, "J": Json, "SS": tuple, "I": int}
)


def decode_typed(value: Any) -> Canonical:  # noqa: ANN401 - JSON
    """The same of a value that is no plain JSON."""
    if type(value) is dict and len(value) == 1:
        for kind, held in value.items():
            if read := _TYPED.get(kind):
                return read(held)
    raise WireError("a value has a type that this version does not know", "Deploy the version that wrote the record")


def encode_row(row: Row) -> dict[str, Any]:
    """A row as typed JSON."""
    return {name: encode_value(value) for name, value in row.items()}


def _encode_odd(value: Canonical) -> Any:  # noqa: ANN401 - JSON
    """Of a value that the JSON writer does not know: most are decimals."""
    return {"N": str(value)} if type(value) is Decimal else encode_value(value)


def row_json(row: Row, *, has_sets: bool) -> bytes:
    """A row as JSON text. `has_sets`: it may hold a SET, which the JSON writer would take for a plain list."""
    return (None if has_sets else _at_once(row)) or dumps(encode_row(row))


def values_json(values: Sequence[Canonical], *, has_sets: bool) -> bytes:
    """Values as a JSON array; `has_sets` as for row_json."""
    return (None if has_sets else _at_once(values)) or dumps(list(map(encode_value, values)))


def _at_once(values: Row | Sequence[Canonical]) -> bytes | None:
    """Values without a SET as JSON text, None where one is an integer beyond 64 bits, which the JSON writer refuses."""
    try:
        return orjson.dumps(values, _encode_odd, orjson.OPT_PASSTHROUGH_DATACLASS)  # Json is one
    except orjson.JSONEncodeError:
        return None


PLAIN: Final = frozenset({str, int, bool, type(None)})  # what JSON has itself, and most values are: without a call


def decode_row(encoded: dict[str, Any]) -> Row:
    """The row of typed JSON."""
    return {name: value if type(value) in PLAIN else decode_typed(value) for name, value in encoded.items()}


dumps = orjson.dumps
loads = orjson.loads


def encode_change(change: Change) -> bytes:
    """One change as one line of JSON, without the line's end."""
    database, _, table = change.table.partition(".")
    source = change.source
    return dumps(
        {
            "op": change.op,
            "before": None if change.before is None else encode_row(change.before),
            "after": None if change.after is None else encode_row(change.after),
            "source": {
                "db": database,
                "table": table,
                "file": source.file,
                "pos": source.pos,
                "row": source.row,
                "gtid": source.gtid,
                "server_uuid": source.server_uuid,
                "ts_ms": source.ts_ms,
            },
            "ts_ms": source.ts_ms,
            "version": change.version,
        }
    )


def _decode_change(line: bytes) -> Change | Claim:
    record = loads(line)
    if "claim" in record:
        return Claim(**record["claim"])
    source = dict(record["source"])
    table = f"{source.pop('db')}.{source.pop('table')}"
    before, after = record["before"], record["after"]
    return Change(
        op=record["op"],
        table=table,
        before=None if before is None else decode_row(before),
        after=None if after is None else decode_row(after),
        version=record["version"],
        source=Source(**source),
    )


def encode_pack(header: Header, lines: Sequence[bytes], version: int = FORMAT) -> bytes:
    """The record's data, of a format's `version`. The caller keeps the lines' sum within PACK_BYTES_MAX."""
    first = (
        b'{"keyshift":%d,' % version + dumps(header)[1:]
    )  # orjson knows dataclasses, for a tenth of what asdict costs
    return compress(b"\n".join([first, *lines]), _LEVEL, mtime=0)


def decode_header(data: bytes) -> Header:
    """Only the header of a record, without unpacking the changes. Raises WireError."""
    return _guarded(lambda: _header(zlib.decompressobj(31).decompress(data, _HEADER_BYTES_MAX).partition(b"\n")[0]))


def decode_pack(data: bytes, fetch: Fetch = unfetched) -> tuple[Header, list[Change]]:
    """Header and changes of a record; `fetch` gives the objects of those that lie in S3, and what it raises is raised.

    Raises WireError where the record is damaged or of a format not known here, ClaimError where an object is.
    """
    header, found = _guarded(lambda: _pack(decompress(data)))
    return header, [claimed(one, fetch) if isinstance(one, Claim) else one for one in found]


def decode_documents(data: bytes) -> tuple[Header, Iterator[dict[str, Any]]]:
    """Header and changes of a record, each as the document of its line: for readers who need little of most of them.

    They are read as they are asked for. Raises WireError, and ValueError for a line that is no JSON.
    """
    header, lines = _guarded(lambda: _lines(decompress(data)))
    return header, map(loads, lines)


def decode_gtids(data: bytes) -> frozenset[str]:
    """The GTIDs of a record's changes, "" for those without, and without fetching what lies in S3. Raises WireError."""
    return _guarded(lambda: frozenset(loads(line)["source"]["gtid"] for line in decompress(data).split(b"\n")[1:]))


def claimed(claim: Claim, fetch: Fetch) -> Change:
    """The change that lies in S3. Raises what `fetch` does, ClaimError where the object is damaged, and WireError."""
    line = opened(fetch(claim), claim)
    change = _guarded(lambda: _decode_change(line))
    if isinstance(change, Claim):
        raise WireError(f"the object {claim.object} holds a pointer, and no change", _FOREIGN)
    return change


def _pack(raw: bytes) -> tuple[Header, list[Change | Claim]]:
    header, lines = _lines(raw)
    return header, [_decode_change(line) for line in lines]


def _lines(raw: bytes) -> tuple[Header, list[bytes]]:
    first, *lines = raw.split(b"\n")
    header = _header(first)
    if len(lines) != header.count:
        raise WireError(f"a record of lane {header.lane} says {header.count} changes and holds {len(lines)}", _FOREIGN)
    return header, lines


_FOREIGN = "Something else writes to this stream: give the migration a stream of its own"


def _header(line: bytes) -> Header:
    fields = loads(line)
    if not isinstance(fields, dict) or "keyshift" not in fields:
        raise WireError("the stream holds a record that is not Keyshift's", _FOREIGN)
    if fields.pop("keyshift") not in {FORMAT, CLAIM_FORMAT}:
        raise WireError("the stream holds a record of another format", "Deploy the consumer of the daemon's version")
    return Header(**fields)


def _guarded(read: Callable[[], T]) -> T:
    """Whatever a foreign or damaged record makes the readers raise is one error: a record that cannot be read."""
    try:
        return read()
    except (
        BadGzipFile,
        EOFError,
        zlib.error,
        KeyError,
        TypeError,
        ValueError,
        binascii.Error,
        ArithmeticError,
    ) as error:
        raise WireError(f"the stream holds a record that cannot be read ({type(error).__name__})", _FOREIGN) from error
