"""Events of partial updates, built by hand: right, and wrong."""

import contextlib
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.values import Json
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.rowevents import Table
from keyshift.binlog.tables import LoggedColumn, TableMap
from tests.binlog import encode, encode_json
from tests.binlog.decoded import partial_images
from tests.binlog.encode_json import opaque_decimal


def event(after: bytes, *, columns: int = 2, before: bytes | None = None) -> bytes:
    """The body of an event for one row, of an INT (5 before) and a JSON column."""
    image = before if before is not None else b"\0" + struct.pack("<i", 5) + stored(encode_json.document(BEFORE))
    present = bytes([(1 << columns) - 1])
    return (1).to_bytes(6, "little") + b"\1\0\2\0" + bytes([columns]) + present * 2 + image + after


BEFORE = {"a": [1, 2], "b": {"c": 0.5}}
TABLE = Table(
    TableMap(
        "d",
        "t",
        (LoggedColumn(3, 0, nullable=True, name="n", unsigned=False), LoggedColumn(245, 4, nullable=True, name="j")),
    ),
    [
        field_of(LoggedColumn(3, 0, nullable=True, unsigned=False), None, "n"),
        field_of(LoggedColumn(245, 4, nullable=True), None, "j"),
    ],
)
SIX = b"\0" + struct.pack("<i", 6)


def stored(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def diff(operation: int, path: str, value: Any = None) -> bytes:
    text = path.encode()
    found = bytes([operation]) + encode.lenenc(len(text)) + text
    document = encode_json.document(value)
    return found if operation == 2 else found + encode.lenenc(len(document)) + document


def test_a_partial_column_is_the_document_before_with_its_changes() -> None:
    changes = stored(
        diff(0, "$.a[last]", opaque_decimal(Decimal("1.50"), 3, 2)) + diff(2, "$.b.c") + diff(1, "$.b.d", [])
    )
    pairs = partial_images(event(b"\1\1" + SIX + changes), TABLE)
    assert pairs == [
        ({"n": 5, "j": Json('{"a":[1,2],"b":{"c":0.5}}')}, {"n": 6, "j": Json('{"a":[1,1.5],"b":{"d":[]}}')})
    ]


def test_a_partial_column_without_changes_keeps_its_document() -> None:
    ((before, after),) = partial_images(event(b"\1\1" + SIX + stored(b"")), TABLE)
    assert after == before | {"n": 6}


def test_every_json_column_of_the_table_has_a_bit_even_one_that_is_not_in_the_images() -> None:
    columns = tuple(LoggedColumn(245, 4, nullable=True, name=f"j{number}") for number in range(10))
    table = Table(TableMap("d", "t", columns), [field_of(one, None, one.name or "") for one in columns])
    only_last = (1 << 9).to_bytes(2, "little")
    head = (1).to_bytes(6, "little") + b"\1\0\2\0" + bytes([10]) + only_last * 2
    before = b"\0" + stored(encode_json.document({}))
    after = b"\1" + only_last + b"\0" + stored(diff(1, "$.a", 1))
    assert partial_images(head + before + after, table) == [({"j9": Json("{}")}, {"j9": Json('{"a":1}')})]


def test_columns_may_be_whole_or_null_in_a_partial_event() -> None:
    whole = stored(encode_json.document([1]))
    for after, expected in [
        (b"\0" + SIX + whole, Json("[1]")),
        (b"\1\0" + SIX + whole, Json("[1]")),
        (b"\1\0\2" + struct.pack("<i", 6), None),
    ]:
        assert [row["j"] for _, row in partial_images(event(after), TABLE)] == [expected]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (event(b"\2" + SIX), "unknown options 2"),
        (event(b""), "."),
        (event(b"\1"), "."),
        (event(b"\1\1" + SIX + b"\0\0\0"), "."),
        (event(b"\1\1" + SIX + b"\1\0\0\0"), "."),
        (event(b"\1\1" + SIX + stored(b"\3\3$.a")), "unknown operation 3"),
        (event(b"\1\1" + SIX + stored(diff(0, "$.x", 1))), "does not have"),
        (event(b"\1\1" + SIX + stored(diff(0, "$.a[0]", 1)[:-1])), "wanted"),
        (event(b"\1\1" + SIX + stored(diff(2, "$.a")), before=b"\2" + struct.pack("<i", 5)), "no document"),
        (event(b"\0" + SIX, columns=3), "3 columns"),
    ],
)
def test_a_malformed_event_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        partial_images(body, TABLE)


@given(st.data())
def test_a_changed_event_is_read_or_refused(data: st.DataObject) -> None:
    changes = diff(0, '$.a[0]."x"', "é") + diff(0, "$.a[0]", {"k": [1.5]}) + diff(1, "$.b.d", [])
    body = bytearray(event(b"\1\1" + SIX + stored(changes)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(8, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(8, len(body))) :]
    with contextlib.suppress(Malformed):
        for before, after in partial_images(bytes(body), TABLE):
            assert set(before) <= {"n", "j"} >= set(after)
