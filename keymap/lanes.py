"""Lanes: a fixed number of ordered tracks through the stream. All that touches one item travels one lane.

Lanes are finite so that they survive resharding, give Lambda's parallelization factor something to spread, and make a
barrier possible (one marker per lane). See the design, "Change record".
"""

from functools import lru_cache
from zlib import crc32

from keymap.patch import Key, KeyValue

HASH_SPACE = 1 << 128  # Kinesis maps a partition key to a shard by a 128-bit hash


def _key_bytes(value: KeyValue) -> bytes:
    # Numbers come in the one form of keymap.attributes.key_number, so 1 and 1.0, one key to DynamoDB, meet in one lane.
    if isinstance(value, str):
        return b"S" + value.encode()
    if isinstance(value, bytes):
        return b"B" + value
    return b"N" + (str(value) if isinstance(value, int) else f"{value:f}").encode()


@lru_cache(maxsize=1_000)
def table_check(table: str) -> int:
    """What the checks of the keys of all items of a table begin with."""
    return crc32(table.encode())


def lane_of(table: str, key: Key, lanes: int) -> int:
    """The lane of an item, 0 to `lanes`-1, from its table and its key: what is left of a check of both.

    Functions that are written for a rule do the same (keymap.generate.quick_check).
    """
    check = table_check(table)
    for value in key:
        encoded = _key_bytes(value)
        check = crc32(b"%d:%b" % (len(encoded), encoded), check)
    return check % lanes


def hash_key(lane: int, lanes: int) -> str:
    """The lane's explicit hash key: lanes spread evenly over the shards, however few lanes there are."""
    return str((2 * lane + 1) * HASH_SPACE // (2 * lanes))
