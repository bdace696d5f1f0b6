"""What the fuzz tests share: how many examples, how bytes are mutated, what a decoder may make of them.

`KEYSHIFT_FUZZ_EXAMPLES=20000 pytest tests/binlog/test_fuzz.py` runs each test on so many examples, drawn anew each
time, and takes an hour; the ordinary run takes a few dozen to a few hundred of each, always the same ones.
"""

import os
import resource
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from keymap.errors import KeyshiftError
from keymap.schema import Column as Known
from keymap.values import Json, Row
from keyshift import native
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Field, Kind
from keyshift.binlog.generate import GeneratedRows
from keyshift.binlog.rowevents import Images, Table
from keyshift.binlog.rows import ReferenceRows, RowCodec
from keyshift.binlog.tables import TableMap
from tests.binlog.decoded import images

MEMORY_BYTES_MAX = 3 << 30  # of the process's addresses: what is endless ends as a failure, not as the machine's end
_EXAMPLES = int(os.environ.get("KEYSHIFT_FUZZ_EXAMPLES", "0"))


def examples(quick: int) -> settings:
    """So many examples in the ordinary run, always the same; KEYSHIFT_FUZZ_EXAMPLES new ones in a long one."""
    slow = [HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(
        max_examples=_EXAMPLES or quick,
        derandomize=not _EXAMPLES,
        database=None,
        suppress_health_check=slow,
    )


@pytest.fixture(autouse=True, scope="module")
def bounded_memory() -> Iterator[None]:
    """Decoders that believe a length, or do not end, raise MemoryError here. Import it into a test's module."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_BYTES_MAX, before[1]))  # earlier tests' threads map much
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def codecs(fields: Sequence[Field]) -> dict[str, RowCodec]:
    """All decoders of rows with these columns; the first is the specification."""
    found: dict[str, RowCodec] = {"reference": ReferenceRows(fields), "generated": GeneratedRows(fields)}
    core = native.load("keyshift.binlog._core")
    return found | {"compiled": core.CompiledRows(fields)} if core else found


def fields_of(table_map: TableMap, known: Sequence[Known | None], names: Sequence[str]) -> list[Field]:
    """The fields of all columns."""
    columns = zip(table_map.columns, known, names, strict=True)
    return [field_of(column, one, column.name or name) for column, one, name in columns]


def outcome(work: Callable[[], Any]) -> Any:
    """What it gives, with types that `==` does not see; or the kind of refusal. Any other exception comes through."""
    try:
        return typed(work())
    except (Malformed, KeyshiftError):
        return "refused"


def typed(value: Any) -> Any:
    """Values that are equal only if their types and digits are: 1 is not True, 1.0 not 1.00, -0 not 0."""
    if isinstance(value, dict):
        return {name: typed(held) for name, held in value.items()}
    if isinstance(value, list):
        return [typed(held) for held in value]
    if isinstance(value, tuple):
        return tuple(typed(held) for held in value)
    return (type(value).__name__, repr(value))


_TYPES: dict[Kind, type] = {
    **dict.fromkeys((Kind.INT, Kind.UINT, Kind.YEAR, Kind.BIT), int),
    **dict.fromkeys((Kind.FLOAT, Kind.DOUBLE, Kind.DECIMAL), Decimal),
    **dict.fromkeys((Kind.DATE, Kind.TIMESTAMP, Kind.DATETIME, Kind.TIME, Kind.ENUM, Kind.TEXT), str),
    **dict.fromkeys((Kind.BYTES, Kind.BINARY), bytes),
    Kind.SET: tuple,
    Kind.JSON: Json,
}


def require_shape(rows: Sequence[Row], fields: Sequence[Field], data: bytes) -> None:
    """Rows that mutated bytes gave have every column, with a value of its type, and not more of them than bytes."""
    assert len(rows) <= len(data)
    for row in rows:
        assert list(row) == [field.name for field in fields]
        for field in fields:
            _require_value(row[field.name], field, data)


def _require_value(value: object, field: Field, data: bytes) -> None:
    expected = _TYPES.get(field.kind, str | bytes | Decimal | int)
    assert value is None or (isinstance(value, expected) and not isinstance(value, bool)), (field, value)
    if isinstance(value, Decimal):
        assert value.is_finite()
    if isinstance(value, str | bytes) and field.kind not in {Kind.ENUM, Kind.BINARY}:
        assert len(value) <= max(len(data), 40)


def agreed_images(kind: int, body: bytes, table: Table) -> Images | None:
    """The images if all decoders give them, None if all refuse."""
    found: list[Any] = []
    for name in codecs(table.fields):
        other = Table(table.map, table.fields)
        other.codec = lambda bitmap, name=name: codecs(table.present(bitmap))[name]  # type: ignore[method-assign]
        found.append(outcome(lambda other=other: images(kind, body, other)))
    found.append(outcome(lambda: images(kind, body, table)))
    assert all(one == found[0] for one in found), found
    return None if found[0] == "refused" else images(kind, body, table)


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one to three changes: bits, bytes, cut, longer, a part removed, doubled or moved."""
    mutated = bytearray(data)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        at = draw(st.integers(0, max(len(mutated) - 1, 0)))
        size = draw(st.sampled_from([1, 2, 4, 8, 40]))
        match draw(st.sampled_from(["bit", "bit", "byte", "byte", "number", "cut", "longer", "remove", "double"])):
            case "bit" if mutated:
                mutated[at] ^= 1 << draw(st.integers(0, 7))
            case "byte" if mutated:
                mutated[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF]))
            case "number":
                mutated[at : at + size] = draw(st.binary(min_size=size, max_size=size))
            case "cut":
                del mutated[at:]
            case "longer":
                mutated += draw(st.binary(min_size=1, max_size=size)) or b"\xff" * size
            case "remove":
                del mutated[at : at + size]
            case _:
                mutated[at:at] = mutated[at : at + size]
    return bytes(mutated)
