"""Adding up on disk gives what adding up in memory gives: items, partition keys, shared slots and spellings."""

from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.attributes import item_size
from keymap.capacity import write_units
from keymap.items import group_item
from keymap.patch import WHOLE, Patch
from keymap.sizes import Sizer
from keymap.version import floor
from keyshift.cutover.digests import DIGEST_BYTES, Digests, gathered
from keyshift.trial.collisions import Slots, slot_digest
from keyshift.trial.item_sums import ItemSums, Write, item_digest
from keyshift.trial.partition_sums import PartitionSum, PartitionSums
from keyshift.trial.spellings import Spellings
from keyshift.trial.totals import BOUNDS, TargetTotals
from tests.keymap.keymaps import TEXT, keymap

SMALL = pytest.mark.parametrize(("buffer", "part"), [(1 << 20, 1 << 20), (200, 3), (40, 1)])
MIGRATION = "shop.0000abcd"


def key_of(number: int) -> bytes:
    return number.to_bytes(1, "big") * DIGEST_BYTES


@SMALL
@settings(max_examples=40)
@given(records=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 255)), max_size=60))
def test_records_of_one_digest_come_together_and_in_order(
    buffer: int, part: int, records: list[tuple[int, int]]
) -> None:
    with TemporaryDirectory() as folder:
        digests = Digests(Path(folder) / "d", buffer, payload_bytes=1)
        for key, value in records:
            digests.add(key_of(key) + bytes([value]))
        parts = [list(records) for records in gathered(digests, part)]
    keys = [{record[:DIGEST_BYTES] for record in records} for records in parts]
    assert sum(map(len, keys)) == len(set().union(*keys))
    for key in range(10):
        found = [record[-1] for records in parts for record in records if record[:DIGEST_BYTES] == key_of(key)]
        assert found == [value for other, value in records if other == key]


def purchase(order: int, product: int, width: int) -> Patch:
    return Patch("purchases", (1, order), f"p{product}", {f"p{product}": {"S": "x" * width}}, floor(1))


@SMALL
@settings(max_examples=30)
@given(
    rows=st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 9)), st.integers(0, 900), max_size=30),
    size=st.integers(1, 4),
)
def test_shared_items_are_as_large_as_they_are_written_and_each_update_costs_their_size_by_then(
    buffer: int, part: int, rows: dict[tuple[int, int], int], size: int
) -> None:
    made = keymap()
    patches = [purchase(order, product, width) for (order, product), width in rows.items()]
    by_item: dict[bytes, list[list[Patch]]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        sums = ItemSums(Sizer(made, made.targets["purchases"], MIGRATION), [True], Path(folder) / "i", buffer)
        for patch in patches:
            held = by_item[item_digest(patch)]
            if held and len(held[-1]) < size:
                held[-1].append(patch)
            else:
                held.append([patch])
        for piece, write in enumerate(write for writes in by_item.values() for write in writes):
            sums.add(Write(write, 0, piece))
        found = {item.digest: item for item in sums.items(part)}
    assert found.keys() == by_item.keys()
    for key, writes in by_item.items():
        steps = [list(chain.from_iterable(writes[: at + 1])) for at in range(len(writes))]
        sizes = [item_size(group_item(made, MIGRATION, step)) for step in steps]
        item = found[key]
        assert (item.size, item.slots, item.writes) == (sizes[-1], len(steps[-1]), len(writes))
        assert item.units == sum(map(write_units, sizes))


def test_a_group_that_is_put_whole_costs_its_size_once() -> None:
    made = keymap()
    with TemporaryDirectory() as folder:
        sums = ItemSums(Sizer(made, made.targets["purchases"], MIGRATION), [False], Path(folder) / "i")
        for piece in range(3):
            sums.add(Write([purchase(1, piece, 1000)], 0, piece))
        (item,) = sums.items()
    assert (item.slots, item.writes, item.units, item.piece) == (3, 1, 4, 0)


INDEXED = TEXT.replace(
    "    sort_key: {sk: S}\n",
    """    sort_key: {sk: S}
    indexes:
      by_mail: {partition_key: {mail: S}, projection: keys}
      by_kind: {partition_key: {sk: S}}
""",
)


def test_an_index_has_only_items_with_its_keys_and_costs_what_it_holds() -> None:
    made = keymap(INDEXED.replace("shop.customer", "shop.other"))
    note = {"note": {"S": "x" * 2000}}
    with TemporaryDirectory() as folder:
        sizer = Sizer(made, made.targets["app"], MIGRATION)
        sums = ItemSums(sizer, [False], Path(folder) / "i")
        sums.add(Write([Patch("app", ("a", "b"), WHOLE, note, floor(1))], 0, 0))
        sums.add(Write([Patch("app", ("c", "d"), WHOLE, note | {"mail": {"S": "m"}}, floor(1))], 0, 0))
        without, with_mail = sorted(sums.items(), key=lambda item: item.size)
    assert (without.indexes[0], without.index_units[0]) == (0, 0)
    assert (with_mail.indexes[0], with_mail.index_units[0]) == (len("pkcskdmailm"), 1)
    assert without.indexes[1] == without.size
    assert without.index_units[1] == write_units(without.size) == 3


@SMALL
@settings(max_examples=40)
@given(rows=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), max_size=60))
def test_partition_keys_are_counted_exactly_and_the_largest_are_kept(
    buffer: int, part: int, rows: list[tuple[int, int]]
) -> None:
    naive: Counter[bytes] = Counter()
    with TemporaryDirectory() as folder:
        sums = PartitionSums(Path(folder) / "p", buffer)
        for key, units in rows:
            sums.add(PartitionSum(units, 1, units * 10, key_of(key), 0))
            naive[key_of(key)] += units
        totals = sums.totals(300, part)
    assert (totals.keys, totals.rows, totals.units) == (len(naive), len(rows), naive.total())
    assert [one.units for one in totals.top] == sorted(naive.values(), reverse=True)[:5]
    assert {one.digest for one in totals.full} <= {key for key, units in naive.items() if units * 10 > 300}
    assert bool(totals.full) == any(units * 10 > 300 for units in naive.values())


@SMALL
@settings(max_examples=40)
@given(rows=st.lists(st.integers(0, 20), max_size=50))
def test_slots_that_several_rows_write_are_all_found(buffer: int, part: int, rows: list[int]) -> None:
    patches = [Patch("app", (f"k{row}",), WHOLE, {}, floor(1)) for row in rows]
    with TemporaryDirectory() as folder:
        slots = Slots(Path(folder) / "s", buffer)
        for piece, patch in enumerate(patches):
            slots.add(patch, piece)
        first, count = slots.suspects(1000, part)
        few, same = slots.suspects(2, part)
    shared = {slot_digest(patch) for patch in patches if Counter(rows)[int(str(patch.key[0])[1:])] > 1}
    assert {suspect.digest for suspect in first} == shared
    assert (count, same) == (len(shared), len(shared))
    assert len(few) == min(2, len(shared))
    for suspect in first:
        assert all(slot_digest(patches[piece]) == suspect.digest for piece in suspect.pieces)
        assert len(set(suspect.pieces)) == len(suspect.pieces) >= 2  # here each row is a piece of its own


@SMALL
@settings(max_examples=40)
@given(words=st.lists(st.text("aAbB", min_size=1, max_size=2), max_size=40))
def test_keys_with_several_spellings_are_all_found(buffer: int, part: int, words: list[str]) -> None:
    def hashed(text: str) -> bytes:
        return text.encode().ljust(DIGEST_BYTES, b"\0")

    forms: dict[str, set[str]] = defaultdict(set)
    with TemporaryDirectory() as folder:
        spellings = Spellings(Path(folder) / "s", buffer)
        for piece, word in enumerate(words):
            spellings.add(hashed(word.lower()), hashed(word), piece)
            forms[word.lower()].add(word)
        splits, count = spellings.splits(1000, part)
    expected = {hashed(form) for form, spelled in forms.items() if len(spelled) > 1}
    assert {split.digest for split in splits} == expected
    assert count == len(expected)
    for split in splits:
        assert len({words[piece] for piece in split.pieces}) == len(split.pieces) >= 2


@given(sizes=st.lists(st.sampled_from([1, *BOUNDS, *(bound + 1 for bound in BOUNDS)]), max_size=30))
def test_each_item_is_in_one_bucket_and_those_over_the_limit_are_kept(sizes: list[int]) -> None:
    from keyshift.trial.item_sums import ItemSum

    totals = TargetTotals(0, [False])
    for size in sizes:
        totals.add(ItemSum(b"", b"", 0, 0, size, 0, [], [], slots=2, writes=1, units=write_units(size)))
    histogram = totals.by_rule[0].histogram if sizes else []
    assert histogram == (
        [sum(low < size <= high for size in sizes) for low, high in zip((0, *BOUNDS), (*BOUNDS, 1 << 60), strict=True)]
        if sizes
        else []
    )
    assert totals.over_count == sum(size > BOUNDS[-1] for size in sizes)
    assert [one.size for one in totals.groups] == sorted(sizes, reverse=True)[:5]
