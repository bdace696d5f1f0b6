"""The set difference of verify: exact, whatever fits into memory."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshift.cutover.digests import DIGEST_BYTES, DigestPair, digest

NAMES = st.sets(st.integers(0, 400), max_size=300)


def test_slots_that_differ_in_one_part_only_have_different_digests() -> None:
    slots = [
        ("t", ("a",), ""),
        ("t", ("a",), "b"),
        ("t", ("a", "b"), ""),
        ("ta", ("",), ""),
        ("t", (b"a",), ""),
        ("t", (1,), ""),
        ("t", ("1",), ""),
        ("t", (Decimal("1.5"),), ""),
    ]
    assert len({digest(*slot) for slot in slots}) == len(slots)


def test_keys_of_38_digits_are_not_rounded_together() -> None:
    one, other = (Decimal("1." + "0" * 36 + end) for end in "12")
    assert digest("t", (one,), "") != digest("t", (other,), "")


@pytest.mark.parametrize(("buffer", "partition"), [(1 << 20, 1 << 20), (64, 4), (16, 1)])
@settings(max_examples=60)
@given(expected=NAMES, found=NAMES)
def test_the_difference_is_that_of_the_sets_in_memory_on_disk_and_split(
    buffer: int, partition: int, expected: set[int], found: set[int]
) -> None:
    with DigestPair(buffer, partition) as pair:
        for name in expected:
            pair.expected.add(digest("t", (name,), ""))
        for name in found:
            pair.found.add(digest("t", (name,), ""))
        extras = list(pair.extras())
    assert sorted(extras) == sorted(digest("t", (name,), "") for name in found - expected)


def test_one_digest_given_too_often_for_a_partition_is_still_found() -> None:
    """Splitting by further bytes never separates equal digests; it ends where the digest does."""
    with DigestPair(16, 1) as pair:
        for _ in range(5):
            pair.expected.add(b"\1" * DIGEST_BYTES)
        pair.found.add(b"\1" * DIGEST_BYTES)
        pair.found.add(b"\2" * DIGEST_BYTES)
        assert list(pair.extras()) == [b"\2" * DIGEST_BYTES]


def test_the_temporary_files_go_with_the_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with DigestPair(16) as pair:
        pair.found.add(digest("t", (1,), ""))
        assert list(tmp_path.rglob("*"))
    assert not list(tmp_path.rglob("*"))
