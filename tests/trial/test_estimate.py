"""What the load will cost, item by item, is what a DynamoDB that keeps books bills for it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.attributes import item_size
from keymap.capacity import write_units
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.sizes import Sizer
from keymap.updates import per_update
from keymap.values import Row
from keymap.version import floor
from keyshift.aws.slots import write_slots
from keyshift.trial.item_sums import ItemSums, Write
from tests.apply.club import KEYS, club
from tests.apply.fake_dynamodb import FakeDynamoDB

MIGRATION = "club.0000abcd"
TEXTS = st.integers(0, 1500).map(lambda width: "x" * width)
NUMBERS, LINES = st.integers(1, 3), st.integers(1, 4)
# Rows at rest: no two of a table have one place.
ROWS = st.fixed_dictionaries(
    {
        "seat": st.dictionaries(NUMBERS, TEXTS),
        "booking": st.dictionaries(NUMBERS, TEXTS),
        "guest": st.dictionaries(st.tuples(NUMBERS, LINES), TEXTS),
        "remark": st.dictionaries(st.tuples(NUMBERS, LINES), TEXTS),
        "extra": st.dictionaries(st.tuples(NUMBERS, LINES), TEXTS),
    }
)
SHAPES: dict[str, Callable[[Any, str, int], Row]] = {
    "seat": lambda place, text, number: {"id": number, "pos": place, "text": text},
    "booking": lambda place, text, number: {"id": number, "number": place, "text": text, "state": "open"},
    "guest": lambda place, text, number: {"id": number, "number": place[0], "line": place[1], "text": text},
    "remark": lambda place, text, _number: {"number": place[0], "line": place[1], "text": text},
    "extra": lambda place, text, number: {"id": number, "number": place[0], "name": f"n{place[1]}", "text": text},
}


class Metered(FakeDynamoDB):
    """Bills every write, also those whose condition fails."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(keys)
        self.units = self.failed = 0

    def _write(self, request: dict[str, Any], identity: Any, new: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        held = self.tables[request["TableName"]]
        before = item_size(held.get(identity, {}))
        try:
            answer = super()._write(request, identity, new)
        except ClientError:
            self.failed += write_units(before)
            self.units += write_units(before)
            raise
        self.units += write_units(max(before, item_size(held[identity])))
        return answer


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
@settings(max_examples=60)
@given(rows=ROWS)
def test_guarded_writes_cost_what_is_estimated(chunk_rows: int, rows: dict[str, dict[Any, str]]) -> None:
    made, bill = club(), Metered(KEYS)
    with TemporaryDirectory() as folder:
        sums = {
            name: ItemSums(Sizer(made, target, MIGRATION), [True], Path(folder) / name)
            for name, target in made.targets.items()
        }
        for table, places in rows.items():
            shaped = [SHAPES[table](place, text, number) for number, (place, text) in enumerate(places.items())]
            for begin in range(0, len(shaped), chunk_rows):
                for part in writes(made, f"club.{table}", shaped[begin : begin + chunk_rows]):
                    sums[part[0].table].add(Write(part, 0, 0))
                    write_slots(bill, made, MIGRATION, part, guess={})  # type: ignore[arg-type]
        found = [item for one in sums.values() for item in one.items()]
    stored = [item for table in KEYS for item in bill.items(table)]
    assert sorted(item.size for item in found) == sorted(map(_without_revision, stored))
    assert sum(item.units for item in found) == bill.units
    assert sum(item.failed for item in found) == bill.failed


def writes(made: Keymap, table: str, rows: Sequence[Row]) -> Iterator[list[Patch]]:
    """The writes of a chunk."""
    items = defaultdict(list)
    for row in rows:
        for patch in made.row_patches(table, row, floor(1)):
            items[patch.table, patch.key].append(patch)
    for patches in items.values():
        yield from per_update(patches)


def _without_revision(item: dict[str, Any]) -> int:
    """The size, with a revision of one digit pair: it grows with the writes."""
    return item_size(item | ({"_ks_r": {"N": "1"}} if "_ks_r" in item else {}))
