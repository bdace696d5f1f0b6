"""Fuzz of the events that are not rows, of JSON documents and partial updates, and of what a real server wrote.

As in test_fuzz.py: our error or a value of the right type, nothing else; fuzzing.py says how to run it for long.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keymap.values import Json
from keyshift import native
from keyshift.binlog import compressed, gtids, jsonb, packets, payload
from keyshift.binlog.errors import Malformed
from keyshift.binlog.rowevents import Table as Reader
from keyshift.binlog.tablemap import parse_table_map
from keyshift.cli.demo.database import Database
from tests.binlog import encode, encode_events, logfile
from tests.binlog.decoded import partial_images
from tests.binlog.encode_values import prefixed
from tests.binlog.fuzzing import agreed_images, examples, fields_of, mutations, outcome, require_shape, typed
from tests.binlog.fuzzing import bounded_memory as bounded_memory  # noqa: PLC0414 - a fixture of this module
from tests.binlog.generate_json import documents
from tests.mysql.sources import execute

SOURCE = bytes(range(16))
NAMED = "00010203-0405-0607-0809-0a0b0c0d0e0f"
EVENTS = [
    encode.event(2, encode_events.query(b"db", b"BEGIN"), checksum=False),
    encode.event(16, bytes(8), checksum=False),
]
ROWS = encode.rows([[b"\1\0\0\0"]] * 50, 1)
READERS: dict[str, tuple[Callable[[bytes], Any], bytes, Any]] = {
    "GTID": (gtids.untagged, encode_events.gtid(SOURCE, 99, 10**15), (f"{NAMED}:99", 10**15)),
    "tagged GTID": (
        gtids.tagged,
        encode_events.tagged_gtid(SOURCE, b"tag", 1 << 40, 10**15),
        (f"{NAMED}:tag:{1 << 40}", 10**15),
    ),
    "MariaDB's GTID": (
        lambda body: gtids.mariadb(body, 5),
        encode_events.mariadb_gtid(7, 3, 1),
        ("3-5-7", True),
    ),
    "statement": (packets.query, encode_events.query(b"db", b"DROP TABLE t"), ("db", "DROP TABLE t")),
    "rotation": (packets.rotate, encode_events.rotate(b"log.000002", 4), ("log.000002", 4)),
    "heartbeat": (packets.heartbeat, b"log.000002", "log.000002"),
    "heartbeat v2": (packets.heartbeat_v2, b"\1\x0alog.000002\2\1\x44\0", ("log.000002", 0x44)),
    "table's name": (packets.table_name, encode.table_map([encode.Column("c", encode.LONG)]), "db.t"),
    "payload": (lambda body: list(payload.events(body)), encode_events.payload(EVENTS), EVENTS),
    "plain payload": (
        lambda body: list(payload.events(body)),
        encode_events.payload(EVENTS, compressed=False),
        EVENTS,
    ),
    "compressed statement": (
        compressed.query,
        encode_events.compressed(encode_events.query(b"db", b"DROP TABLE t"), 21),
        encode_events.query(b"db", b"DROP TABLE t"),
    ),
    "compressed rows": (lambda body: compressed.rows(169, body), encode_events.compressed(ROWS, 12), (30, ROWS)),
}


@pytest.mark.parametrize("name", READERS)
def test_small_events_are_read_as_they_were_written(name: str) -> None:
    read, body, expected = READERS[name]
    found = read(body)
    assert (tuple(found) if isinstance(found, tuple) else found) == expected


@pytest.mark.parametrize("name", READERS)
@examples(60)
@given(data=st.data())
def test_mutated_small_events_are_refused_or_read_as_what_they_say(name: str, data: st.DataObject) -> None:
    read, body, expected = READERS[name]
    found = outcome(lambda: read(data.draw(mutations(body) | st.binary(max_size=60))))
    assert found == "refused" or type(found) is type(typed(expected))


def _document(stored: bytes) -> Any:
    """What both readers make of it; the compiled one may leave it to the other."""
    found = outcome(lambda: jsonb.canonical(stored))
    core = native.load("keyshift.binlog._jsonb")
    if core and (document := core.canonical(stored, 0, len(stored))) is not None:
        assert typed(document) == found
    return found


@examples(100)
@given(documents())
def test_generated_documents_are_read_exactly(document: tuple[bytes, Json]) -> None:
    stored, expected = document
    assert _document(stored) == typed(expected)


@examples(300)
@given(documents(), st.data())
def test_mutated_documents_are_refused_or_read_by_both_alike(document: tuple[bytes, Json], data: st.DataObject) -> None:
    found = _document(data.draw(mutations(document[0])))
    assert found == "refused" or found[0] == "Json"


@pytest.mark.parametrize("depth", [90, 2_000, 20_000])
def test_a_document_of_any_depth_is_refused_or_read(depth: int) -> None:
    """MySQL ends at a hundred levels; bytes can say more."""
    stored = b"\5\0\0"
    for _ in range(depth):
        kind, inner = stored[:1], stored[1:]
        size = 8 + 5 + len(inner)
        stored = b"\3" + struct.pack("<II", 1, size) + kind + struct.pack("<I", 13) + inner
    assert (_document(stored) == "refused") == (depth > 100)


DOCUMENTS = [
    encode.Column("j", encode.JSON, b"\4"),
    encode.Column("i", encode.LONG),
    encode.Column("k", encode.JSON, b"\4"),
]
PATHS = st.sampled_from(
    [b"$.a", b"$[0]", b"$.a[1]", b"$[last]", b"$.a.b[last-1]", b'$."b c"', b"$.b", b"$[99]", b"$", b"$."]
)
_LEGS = st.sampled_from(["a", "b", ".", "[", "]", "0", "1", "last", "-", '"', "\\", "$", "9" * 5000, "é", "*", " "])
ANY_PATHS = PATHS | st.lists(_LEGS, max_size=8).map(lambda legs: "".join(["$", *legs]).encode())


def _documents_table() -> Reader:
    parsed = parse_table_map(encode.table_map(DOCUMENTS))
    return Reader(parsed, fields_of(parsed, [None] * 3, [""] * 3))


@st.composite
def _partial_updates(draw: st.DrawFn) -> bytes:
    before = draw(documents())[0]
    operations = draw(st.lists(st.tuples(st.integers(0, 3), ANY_PATHS, documents()), max_size=4))
    diffs = b"".join(
        encode_events.json_diff(number, path, None if number == 2 else value[0]) for number, path, value in operations
    )
    partial = draw(st.lists(st.booleans(), min_size=2, max_size=2))
    row = [prefixed(before, 4), b"\1\0\0\0", draw(st.none() | st.just(prefixed(before, 4)))]
    after = [prefixed(diffs, 4) if partial[0] else row[0], b"\2\0\0\0", row[2]]
    return encode_events.partial_update(row, after, partial, 3, options=draw(st.sampled_from([1, 1, 0, 2])))


@examples(250)
@given(_partial_updates(), st.data())
def test_partial_updates_of_any_kind_are_refused_or_give_whole_documents(body: bytes, data: st.DataObject) -> None:
    table = _documents_table()
    body = data.draw(st.just(body) | mutations(body))
    found: list[Any] = []
    outcome(lambda: found.extend(partial_images(body, table)))
    for pair in found:
        require_shape(pair, table.fields, body + b"x" * 1_000_000)


def _real_events(database: Database, schema: str) -> list[bytes]:
    """A few hundred varied rows, changed and deleted, as the server logged them."""
    columns = (
        "id INT PRIMARY KEY, b BIGINT UNSIGNED, d DECIMAL(20,6), f FLOAT, g DOUBLE, s VARCHAR(50), t TEXT, "
        "y VARBINARY(9), z BINARY(9), e ENUM('new','old'), m SET('a','b','c'), x BIT(11), at DATETIME(3), "
        "ts TIMESTAMP(6) NULL, ti TIME(2), da DATE, ye YEAR, j JSON"
    )
    row = (
        "({0}, {0} * 1e15, {0} / -7, {0} / 3, -1e10 / {0}, REPEAT('é', {0} % 50), IF({0} % 3, 'x', NULL), x'00FF',"
        "x'FF00', 'old', 'a,c', {0}, '2024-02-29 12:34:56.789', '2001-09-09 01:46:40.5', '-1:02:03.04',"
        "'2024-02-29', 2024, IF({0} % 2, JSON_OBJECT('k', {0}, 'l', JSON_ARRAY(1, 'two', NULL)), NULL))"
    )
    execute(database, f"CREATE TABLE t ({columns}) CHARSET utf8mb4", schema=schema)
    values = ", ".join(row.format(number) for number in range(1, 301))
    return logfile.logged(
        database,
        schema,
        f"INSERT INTO t VALUES {values}",
        "UPDATE t SET b = b + 1 WHERE id < 9",
        "DELETE FROM t WHERE id < 5",
    )


def test_no_mutation_of_a_real_event_with_a_checksum_is_taken(database: Database, schema: str) -> None:
    found = _real_events(database, schema)
    whole = [one for one in found if not one[17] & 1]  # but the head of a file in use, whose flag the sum leaves out
    assert len(whole) > 10
    for event in whole:
        assert packets.verified(event) == event

    @examples(150)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(whole))
        mutated = data.draw(mutations(event))
        assume(mutated != event)
        with pytest.raises(Malformed):
            packets.header(packets.verified(mutated))  # four zeros are the checksum of nothing

    check()
    small = min(whole, key=len)
    for bit in range(8 * len(small)):
        flipped = bytearray(small)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Malformed):
            packets.verified(bytes(flipped))


def test_mutations_of_a_real_event_without_its_checksum_are_refused_or_read_by_all_alike(
    database: Database, schema: str
) -> None:
    events = _real_events(database, schema)
    (table_map, *_) = [logfile.body(one) for one in events if one[4] == encode.TABLE_MAP_EVENT]
    rows = [one for one in events if one[4] in encode.ROWS_EVENT.values()]
    mariadb = database.flavour == "mariadb"

    def reader(body: bytes) -> Reader:
        parsed = parse_table_map(body, mariadb=mariadb)
        count = len(parsed.columns)
        fields = enumerate(fields_of(parsed, [None] * count, [""] * count))
        return Reader(parsed, [replace(field, name=f"c{at}") for at, field in fields])

    table = reader(table_map)
    assert sum(len(agreed_images(one[4], logfile.body(one), table) or ()) for one in rows) == 300 + 8 + 4

    @examples(80)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(rows[-3:]))
        body = data.draw(mutations(logfile.body(event)))
        for image in agreed_images(event[4], body, table) or ():
            for row in image:
                if row is not None:
                    require_shape([row], [field for field in table.fields if field.name in row], body)
        other = data.draw(mutations(table_map))
        outcome(lambda: agreed_images(event[4], logfile.body(event), reader(other)))

    check()
