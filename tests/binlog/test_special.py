"""Rare types, byte by byte: what servers wrote, and what none of them writes."""

import ipaddress
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshift.binlog import special, stored
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Read


def read(reader: Read, data: bytes) -> object:
    """The value behind a byte that is not its own; it must end where the data does."""
    value, end = reader(b"\xff" + data, 1)
    assert end == 1 + len(data)
    return value


@pytest.mark.parametrize(
    ("reader", "data", "value"),
    [
        (special.old_timestamp, "f079e065", "2024-02-29T12:34:56Z"),
        (special.old_timestamp, "00000000", "0000-00-00T00:00:00Z"),
        (special.old_timestamp, "ffffffff", "2106-02-07T06:28:15Z"),
        (special.old_datetime, "80c5aa8b68120000", "2024-02-29T12:34:56"),
        (special.old_datetime, "7787d105f15a0000", "9999-12-31T23:59:59"),
        (special.old_datetime, "0000000000000000", "0000-00-00T00:00:00"),
        (special.old_time, "40e201", "12:34:56"),
        (special.old_time, "590a80", "-838:59:59"),
        (special.old_time, "ffffff", "-00:00:01"),
        (stored.date, "5dd00f", "2024-02-29"),
        (stored.date, "000000", "0000-00-00"),
        (special.uuid(1), "0f6ccd780cbaba102695645b8c656024", "6ccd780c-baba-1026-9564-5b8c65602400"),
        (special.uuid(1), "00", "00000000-0000-0000-0000-000000000000"),
        (special.inet4(1), "03010203", "1.2.3.0"),
        (special.inet6(1), "02fe80", "fe80::"),
        (special.inet6(1), "1000000000000000000000ffff01020304", "::ffff:1.2.3.4"),
        (special.compressed(2, bytes.decode), "0000", ""),
        (special.compressed(2, bytes.decode), "06000068656c6c6f", "hello"),
        (special.compressed(2, bytes.decode), "0a008a012c2b2c1c05c40200", "q" * 300),
        (special.compressed(2, bytes.decode), "100082012c789c2b2c1c05c40200df2d846d", "q" * 300),
        (special.vector(4), "080000000000803f00000040", b"\0\0\x80?\0\0\0@"),
    ],
)
def test_what_servers_wrote_is_read(reader: Read, data: str, value: object) -> None:
    assert read(reader, bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (special.old_datetime, (20241301000000).to_bytes(8, "little")),
        (special.old_datetime, (20240101240000).to_bytes(8, "little")),
        (special.old_datetime, (2**63).to_bytes(8, "little")),
        (special.old_time, (126000).to_bytes(3, "little")),
        (special.old_time, (8388608).to_bytes(3, "little")),  # below -838:59:59
        (special.uuid(1), b"\x11" + bytes(17)),
        (special.inet4(1), b"\x05" + bytes(5)),
        (special.vector(1), b"\x03" + bytes(3)),
        (special.compressed(1, bytes), b"\x01\x01"),
        (special.compressed(1, bytes), b"\x03\x90\x01x"),
        (special.compressed(1, bytes), b"\x02\x80x"),
        (special.compressed(1, bytes), b"\x03\x8a\x01\x02"),
        (special.compressed(1, bytes), b"\x05\x84\xff\xff\xff\xff"),
    ],
)
def test_what_no_server_writes_is_malformed(reader: Read, data: bytes) -> None:
    with pytest.raises(Malformed):
        read(reader, data)


WHOLE: list[tuple[Read, bytes]] = [
    (special.old_timestamp, bytes(4)),
    (special.old_datetime, bytes(8)),
    (special.old_time, bytes(3)),
    (stored.date, bytes(3)),
    (special.uuid(1), b"\x02ab"),
    (special.inet4(2), b"\x02\0ab"),
    (special.inet6(1), b"\x10" + bytes(16)),
    (special.vector(4), b"\x04\0\0\0" + bytes(4)),
    (special.compressed(1, bytes), b"\x03\0ab"),
]


@pytest.mark.parametrize(("reader", "data"), WHOLE)
def test_a_value_that_is_cut_anywhere_is_malformed(reader: Read, data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(Malformed):
            reader(data[:end], 0)


def packed(content: bytes, *, raw: bool, width: int) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    header = bytes([0x80 | (8 if raw else 0) | width])
    return header + len(content).to_bytes(width, "big") + deflater.compress(content) + deflater.flush()


@given(st.binary(max_size=200), st.booleans(), st.integers(1, 4))
def test_what_was_deflated_is_inflated(content: bytes, raw: bool, width: int) -> None:
    assert special.inflated(packed(content, raw=raw, width=width)) == content


@given(st.binary(min_size=1, max_size=100), st.booleans(), st.data())
def test_a_deflated_value_that_was_changed_is_malformed_or_of_the_length_it_claims(
    content: bytes, raw: bool, data: st.DataObject
) -> None:
    stored = bytearray(packed(content, raw=raw, width=2))
    stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = special.inflated(bytes(stored))
    except Malformed:
        return
    assert stored[0] == 0 or len(found) == int.from_bytes(stored[1 : 1 + (stored[0] & 7)], "big")


def test_inflation_stops_at_the_length_that_is_claimed() -> None:
    bomb = packed(bytes(50_000_000), raw=True, width=4)
    small = bomb[:1] + (1000).to_bytes(4, "big") + bomb[5:]
    with pytest.raises(Malformed, match="does not have the length that it claims"):
        special.inflated(small)


@given(st.binary(min_size=16, max_size=16))
def test_an_inet6_is_an_address_in_a_form_that_others_read(data: bytes) -> None:
    assert ipaddress.IPv6Address(special.inet6_text(data)).packed == data


@given(st.lists(st.sampled_from([0, 1, 0xFFFF]), min_size=8, max_size=8))
def test_an_inet6_shortens_the_first_of_its_longest_zeros(words: list[int]) -> None:
    text = special.inet6_text(b"".join(word.to_bytes(2, "big") for word in words))
    assert text.count("::") <= 1
    assert ("::" in text) == (0 in words)


def test_each_reader_keeps_what_it_reads_apart_from_what_follows() -> None:
    for reader, data in WHOLE:
        assert reader(data + b"\xff\xff", 0)[1] == len(data)
