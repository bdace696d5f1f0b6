"""From source rows to what is wrong with their slots: one verdict per row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keymap.values import Row
from keymap.version import floor
from keyshift.cutover.compare import Difference, Kind, judge
from keyshift.cutover.sides import Items, PrimaryKey

Place = tuple[str, Key, str]  # (table, key, slot): where one patch writes
RowName = tuple[str, PrimaryKey]  # source table and primary key

_VERSION = floor(0)  # patches need one; what they set does not depend on it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a row should own, and each of its slots that differs, with the mark that the slot had ("" = none)."""

    row: RowName
    places: tuple[Place, ...]
    differences: tuple[tuple[Difference, str], ...]


class RowJudge:
    """Compares rows with the items that they should have become, as these are when the call is made."""

    def __init__(self, keymap: Keymap, migration: str, schemas: Mapping[str, TableSchema], items: Items) -> None:
        self._keymap, self._migration, self._schemas, self._items = keymap, migration, schemas, items

    def verdicts(self, table: str, rows: Iterable[Row]) -> list[Verdict]:
        """One verdict for each row of the table, in their order."""
        names = self._schemas[table].primary_key
        mapped = [((table, tuple(row[name] for name in names)), self._patches(table, row)) for row in rows]
        held = self._held(patch for _, patches in mapped if isinstance(patches, list) for patch in patches)
        return [
            self._verdict(row, patches, held) if isinstance(patches, list) else _unmappable(row, patches)
            for row, patches in mapped
        ]

    def _patches(self, table: str, row: Row) -> list[Patch] | PatchError:
        try:
            return self._keymap.row_patches(table, row, _VERSION)
        except PatchError as error:
            return error

    def _held(self, patches: Iterable[Patch]) -> dict[str, Mapping[Key, Item]]:
        keys: dict[str, dict[Key, None]] = {}
        for patch in patches:
            keys.setdefault(patch.table, {})[patch.key] = None
        return {table: self._items.get(table, list(wanted)) for table, wanted in keys.items()}

    def _verdict(self, row: RowName, patches: list[Patch], held: Mapping[str, Mapping[Key, Item]]) -> Verdict:
        differences = []
        for patch in patches:
            item = held[patch.table].get(patch.key)
            difference = judge(self._keymap, self._migration, patch, item)
            if difference:
                differences.append((difference, self._mark(item, patch.slot)))
        return Verdict(row, tuple(patch.place for patch in patches), tuple(differences))

    def _mark(self, item: Item | None, slot: str) -> str:
        books = self._keymap.bookkeeping
        return books.newest(item, slot) if item and books.belongs_to(item, self._migration) else ""


def _unmappable(row: RowName, error: PatchError) -> Verdict:
    table, key = row
    note = f"the row cannot become an item: {error.message}"
    values = tuple(str(value) for value in key)
    return Verdict(row, (), ((Difference(Kind.MISSING, table, values, "", None, None, note), ""),))
