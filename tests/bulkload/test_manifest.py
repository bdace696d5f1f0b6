"""The manifest: what was written is read again, and what is not this table's is told."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from bulkload.manifest import ManifestError, decode_manifest, encode_manifest, make_manifest, require_agreement
from keymap.wire import dumps, loads
from keyshift.control.chunks import Chunk, ChunkState
from tests.keymap.keymaps import ORDERS

NAME = "s3://bucket/keyshift/manifest.json"
FIRST = Chunk("shop.orders", 1, None, (5, "x"), 10, "chunk-1", "aa", 99, 0)
SECOND = Chunk("shop.orders", 2, (5, "x"), None, 3, "chunk-2", "bb", 9, 0)
MANIFEST = make_manifest("shop.0000000a", ORDERS, [FIRST, SECOND])


def test_a_manifest_that_is_written_is_read_again() -> None:
    bounds = replace(FIRST, upper=(Decimal("1.50"), b"\xff", 2**70, "2024-01-01"))
    manifest = replace(MANIFEST, chunks=(bounds, SECOND))
    assert decode_manifest(encode_manifest(manifest), NAME) == manifest
    assert manifest.rows == 13


def test_a_damaged_manifest_is_refused_by_its_name() -> None:
    data = encode_manifest(MANIFEST)
    fields = loads(data)
    for damaged in (data[:-1], b"", b"[]", b"3", dumps(fields | {"columns": [{}]}), dumps(fields | {"chunks": [1]})):
        with pytest.raises(ManifestError, match=re.escape(f"{NAME} is damaged")):
            decode_manifest(damaged, NAME)


def test_a_manifest_of_another_format_names_both_formats() -> None:
    with pytest.raises(ManifestError, match="has format 2, and this version reads 1"):
        decode_manifest(dumps({"keyshift": 2}), NAME)


def test_a_manifest_must_be_of_the_table_and_agree_with_the_control_table() -> None:
    def refused(match: str, migration: str, table: str, *recorded: Chunk) -> None:
        with pytest.raises(ManifestError, match=match):
            require_agreement(MANIFEST, NAME, migration, table, recorded)

    loaded = replace(FIRST, state=ChunkState.LOADED)
    require_agreement(MANIFEST, NAME, "shop.0000000a", "shop.orders", [loaded, SECOND])
    refused("belongs to migration shop.0000000a, not to shop.0000000b", "shop.0000000b", "shop.orders", FIRST, SECOND)
    refused("describes shop.orders, not shop.users", "shop.0000000a", "shop.users", FIRST, SECOND)
    refused("control table", "shop.0000000a", "shop.orders", FIRST)
    refused("control table", "shop.0000000a", "shop.orders", FIRST, replace(SECOND, sha256="cc"))
