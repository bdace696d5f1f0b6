"""The chunk file: what was written is read again, and a file that is not whole, or not ours, is refused."""

import contextlib
import gzip
import io
import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.chunkfile import ChunkError, ChunkHeader, ChunkReader, ChunkWriter, EncodedChunk, check_digest
from keymap.values import Canonical, Json, Row
from keymap.wire import values_json
from keyshift.cli.demo.packages import apt_install
from keyshift.zstd import zstd

HEADER = ChunkHeader("shop.0000000a", "shop.orders", ("id", "name"), 1)
NAME = "s3://bucket/keyshift/chunk"

values: st.SearchStrategy[Canonical] = st.one_of(
    st.none(),
    st.text(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.binary(),
    st.builds(Json, st.text()),
    st.lists(st.text()).map(tuple),
)
rows: st.SearchStrategy[list[Row]] = st.lists(st.fixed_dictionaries({"id": values, "name": values}), max_size=20)


def encode_chunk(header: ChunkHeader, rows: Iterable[Row]) -> EncodedChunk:
    """The file of these rows."""
    writer, count = ChunkWriter(header), 0
    for row in rows:
        writer.write(values_json([row[column] for column in header.columns], has_sets=True) + b"\n")
        count += 1
    return writer.end(count)


def read(data: bytes, expected: int) -> list[Row]:
    return list(ChunkReader(io.BytesIO(data), NAME).rows(expected))


def packed(*lines: bytes) -> bytes:
    return zstd.compress(b"".join(lines))


@given(rows)
def test_what_is_written_is_read_again(written: list[Row]) -> None:
    chunk = encode_chunk(HEADER, written)
    reader = ChunkReader(io.BytesIO(chunk.data), NAME)
    assert reader.header == HEADER
    assert list(reader.rows(chunk.rows)) == written
    assert chunk.rows == len(written)
    assert chunk.raw_bytes == len(zstd.decompress(chunk.data))
    check_digest(chunk.data, chunk.sha256, NAME)


@given(rows)
def test_equal_rows_give_an_equal_file(written: list[Row]) -> None:
    assert encode_chunk(HEADER, iter(written)) == encode_chunk(HEADER, written)


@given(rows)
def test_a_file_of_an_earlier_version_is_gzip_and_is_read(written: list[Row]) -> None:
    chunk = encode_chunk(HEADER, written)
    assert read(gzip.compress(zstd.decompress(chunk.data)), chunk.rows) == written


def test_a_person_reads_a_file_with_the_common_tool() -> None:
    if not shutil.which("zstd"):
        apt_install(["zstd"], why="a test reads a chunk as a person does")
    shown = subprocess.run(["zstd", "-dc"], input=some().data, capture_output=True, check=True).stdout
    assert shown == zstd.decompress(some().data)


def some() -> EncodedChunk:
    return encode_chunk(HEADER, [{"id": number, "name": f"name {number}"} for number in range(1000)])


@given(st.data())
def test_a_file_that_was_cut_short_is_refused_with_its_name(data: st.DataObject) -> None:
    chunk = some()
    length = data.draw(st.integers(0, len(chunk.data) - 1))
    with pytest.raises(ChunkError, match=NAME):
        read(chunk.data[:length], chunk.rows)
    with pytest.raises(ChunkError, match=f"{NAME} is damaged: its SHA-256"):
        check_digest(chunk.data[:length], chunk.sha256, NAME)


@given(st.data())
def test_a_file_in_which_one_byte_changed_is_refused_or_reads_the_same(data: st.DataObject) -> None:
    """Only bytes of the compressor's own header may change unnoticed by the reader; the digest notices these too."""
    chunk = some()
    place = data.draw(st.integers(0, len(chunk.data) - 1))
    damaged = bytearray(chunk.data)
    damaged[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ChunkError):
        assert read(bytes(damaged), chunk.rows) == read(chunk.data, chunk.rows)
    with pytest.raises(ChunkError):
        check_digest(bytes(damaged), chunk.sha256, NAME)


def test_a_file_with_more_or_fewer_rows_than_were_dumped_is_refused() -> None:
    chunk = some()
    with pytest.raises(ChunkError, match="holds 1000 rows, and 999 were dumped"):
        read(chunk.data, 999)
    with pytest.raises(ChunkError, match="holds 1000 rows, and 1001 were dumped"):
        read(chunk.data, 1001)
    with pytest.raises(ChunkError, match="holds 2000 rows"):
        read(chunk.data + zstd.compress(zstd.decompress(chunk.data).partition(b"\n")[2]), 1000)


def test_a_file_of_another_migration_or_table_or_without_the_primary_key_is_refused() -> None:
    reader = ChunkReader(io.BytesIO(some().data), NAME)
    reader.require("shop.0000000a", "shop.orders", ("id", "name"))
    reader.require("shop.0000000a", "shop.orders", ("id",))
    with pytest.raises(ChunkError, match=re.escape("belongs to migration shop.0000000a, not to shop.0000000b")):
        reader.require("shop.0000000b", "shop.orders", ("id", "name"))
    with pytest.raises(ChunkError, match=re.escape("holds rows of shop.orders, not of shop.users")):
        reader.require("shop.0000000a", "shop.users", ("id", "name"))
    with pytest.raises(ChunkError, match=re.escape("has no column more of shop.orders's primary key")):
        reader.require("shop.0000000a", "shop.orders", ("id", "name", "more"))


HEADER_LINE = b'{"keyshift":1,"migration":"m","table":"t","epoch":1,"columns":["id","name"]}\n'


@pytest.mark.parametrize(
    "line",
    [
        b"[1]\n",
        b"[1,2,3]\n",
        b'{"id":1,"name":2}\n',
        b'[1,{"unknown":2}]\n',
        b'[1,{"B":"a"}]\n',
        b'[1,{"N":"x"}]\n',
        b"[1,\n",
        b"\n",
        b"null\n",
    ],
)
def test_a_row_that_is_no_row_of_the_table_is_damage(line: bytes) -> None:
    assert read(packed(HEADER_LINE, b'[1,{"N":"2.50"}]\n'), 1) == [{"id": 1, "name": Decimal("2.50")}]
    with pytest.raises(ChunkError, match=f"{NAME} is damaged"):
        read(packed(HEADER_LINE, line), 1)


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[]\n", b"hello\n", b'{"keyshift":1}\n', b'"keyshift"\n'])
def test_a_file_that_is_not_a_chunk_is_damage(line: bytes) -> None:
    with pytest.raises(ChunkError, match=f"{NAME} is damaged"):
        read(packed(line), 0)
    with pytest.raises(ChunkError, match=f"{NAME} is damaged"):
        read(line, 0)


def test_a_file_of_another_format_names_both_formats() -> None:
    with pytest.raises(
        ChunkError, match=re.escape("has format 2, and this version reads 1. Load with the version that dumped")
    ):
        read(packed(b'{"keyshift":2,"rows":"somewhere else"}\n'), 0)


def test_reading_needs_no_more_memory_for_more_rows() -> None:
    """The reader gives each row before it has read the next ones."""
    chance = random.Random(1)  # what compresses well would fit the reader's buffer whole
    chunk = encode_chunk(HEADER, ({"id": number, "name": chance.randbytes(200).hex()} for number in range(10_000)))
    file = io.BytesIO(chunk.data)
    next(ChunkReader(file, NAME).rows(chunk.rows))
    assert file.tell() < len(chunk.data) / 4
