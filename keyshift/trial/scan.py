"""The first pass: every row that is read goes through the keymap, and what comes of it is remembered by digest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keymap.capacity import write_units
from keymap.check import groups_whole, uncut_columns
from keymap.check_hooks import seen_by
from keymap.check_risks import number_columns
from keymap.patch import Item, Key, Patch
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.sizes import Sizer
from keymap.targets import Target
from keymap.updates import per_update
from keymap.values import Row
from keyshift.trial.collisions import Slots
from keyshift.trial.item_sums import ItemSums, Write
from keyshift.trial.mapping import Mapped, Mapper, PlacedRule
from keyshift.trial.partition_sums import PartitionSum, PartitionSums
from keyshift.trial.sightings import index_partition
from keyshift.trial.spellings import Folder, Spellings

BUFFER_BYTES_MAX: Final = 2 * 1024 * 1024  # of each collection: a keymap may have dozens of them


@dataclass(frozen=True, slots=True)
class Books:
    """What is remembered of one target: its items, the partition keys of its global indexes, its keys' spellings."""

    sizer: Sizer
    items: ItemSums
    indexes: Mapping[str, PartitionSums]
    spellings: Mapping[int, Spellings]


class Scan:
    """Takes rows. `guarded` says of each rule whether the load writes its items slot by slot, under a condition."""

    def __init__(
        self, keymap: Keymap, schemas: Mapping[str, TableSchema], mapper: Mapper, migration: str, directory: Path
    ) -> None:
        self._mapper = mapper
        self.folder = Folder(mapper.rules, schemas)
        self.guarded = [_is_guarded(keymap, placed, schemas) for placed in mapper.rules]
        self.slots = Slots(directory / "slots", BUFFER_BYTES_MAX)
        self.wide: Counter[tuple[int, str]] = Counter()  # numbers that become text, by rule and column
        self._numbers = [_number_attributes(placed, schemas) for placed in mapper.rules]
        used = {placed.rule.target.name: placed.rule.target for placed in mapper.rules}
        self.books = {name: self._books(keymap, target, migration, directory / name) for name, target in used.items()}

    def take(self, table: str, piece: int, rows: Iterable[Row]) -> None:
        """Rows of a piece of a table."""
        made = list(self._mapper.patches(table, rows))
        for mapped in made:
            self.slots.add(mapped.patch, piece)
            self._see_spelling(mapped, piece)
            self._see_indexes(mapped, piece)
            self._see_numbers(mapped)
        for of_item in _by_item(made).values():
            for write in self._writes(of_item, piece):
                self.books[of_item[0].patch.table].items.add(write)

    def _writes(self, made: list[Mapped], piece: int) -> Iterator[Write]:
        """The writes of one item that the load makes of a chunk."""
        rule, patches = made[0].rule, [mapped.patch for mapped in made]
        parts = list(per_update(patches)) if self.guarded[rule] else [patches]
        return (Write(part, rule, piece) for part in parts)

    def _see_spelling(self, mapped: Mapped, piece: int) -> None:
        spellings = self.books[mapped.patch.table].spellings
        for form in self.folder.forms(mapped):
            spellings[form.level].add(form.folded, form.own, piece)

    def _see_indexes(self, mapped: Mapped, piece: int) -> None:
        patch, books = mapped.patch, self.books[mapped.patch.table]
        if not books.indexes:
            return
        base = books.sizer.projected_base(books.sizer.base(patch))
        slot = books.sizer.projected_slot(patch, books.sizer.slot(patch))
        target = self._mapper.rules[mapped.rule].rule.target
        for index, once, more in zip(target.indexes, base, slot, strict=True):
            found = index_partition(target, index, patch)
            if found:
                units = write_units(once + more)
                books.indexes[index.name].add(PartitionSum(units, 1, once + more, found[0], piece))

    def _see_numbers(self, mapped: Mapped) -> None:
        numbers = self._numbers[mapped.rule]
        held = _held(self._mapper.rules[mapped.rule].rule, mapped.patch) if numbers else {}
        for column, attribute in numbers:
            if "S" in held.get(attribute, {}):
                self.wide[mapped.rule, column] += 1

    def _books(self, keymap: Keymap, target: Target, migration: str, directory: Path) -> Books:
        sizer = Sizer(keymap, target, migration)
        return Books(
            sizer,
            ItemSums(sizer, self.guarded, directory / "items", BUFFER_BYTES_MAX),
            {
                index.name: PartitionSums(directory / f"index-{index.name}", BUFFER_BYTES_MAX)
                for index in target.indexes
                if not index.is_local
            },
            {
                level: Spellings(directory / f"spellings-{level}", BUFFER_BYTES_MAX)
                for level in self.folder.levels[target.name]
            },
        )


def _by_item(made: Iterable[Mapped]) -> dict[tuple[str, Key], list[Mapped]]:
    items: dict[tuple[str, Key], list[Mapped]] = defaultdict(list)
    for mapped in made:
        items[mapped.patch.table, mapped.patch.key].append(mapped)
    return items


def _held(rule: Rule, patch: Patch) -> Item:
    """What a row has of its own, by the attribute of keymap.check_risks.number_columns."""
    attributes = patch.attributes or {}
    if rule.document.group is None:
        return attributes
    owned = next(iter(attributes.values()), {})
    return {"": owned} if rule.document.group.value else owned.get("M", {})


def _is_guarded(keymap: Keymap, placed: PlacedRule, schemas: Mapping[str, TableSchema]) -> bool:
    schema = schemas.get(placed.table)
    if placed.rule.puts or schema is None:
        return False
    return placed.rule.slot is None or not groups_whole(keymap, schema, uncut_columns(keymap, schema))


def _number_attributes(placed: PlacedRule, schemas: Mapping[str, TableSchema]) -> list[tuple[str, str]]:
    schema = schemas.get(placed.table)
    found = number_columns(placed.rule, seen_by(placed.rule, schema)) if schema else ()
    return [(column.name, attribute) for column, attribute in found]
