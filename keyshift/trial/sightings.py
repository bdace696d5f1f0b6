"""Names for what was found by its digest: the pieces where it was are read again, all of them once.

A row may have changed since, or be gone; then the find has no name, and is told without one. So it is where there are
more places to look at than is gentle.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from keymap.attributes import Attribute
from keymap.patch import Key, Patch
from keymap.sizes import own_attributes
from keymap.targets import Index, Target
from keyshift.cutover.digests import digest
from keyshift.cutover.sides import PrimaryKey
from keyshift.mysql.keys import canonical_key
from keyshift.trial.collisions import Suspect, slot_digest
from keyshift.trial.item_sums import item_digest, partition_digest
from keyshift.trial.mapping import EXAMPLES_MAX, Mapped, Mapper
from keyshift.trial.spellings import Folder
from keyshift.trial.walk import Walk

TEXT_MAX: Final = 60  # characters of one value of a key
PIECES_MAX: Final = 300  # read again: with 2,000 rows each, seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """The digests that are to be named."""

    slots: frozenset[bytes]
    forms: frozenset[bytes]  # folded keys, of which the spellings are wanted
    others: frozenset[bytes]  # items, partition keys of tables and of indexes


@dataclass(slots=True)
class Sightings:
    """What was seen, by digest: names, the spellings of folded keys, the rows of slots by table and primary key."""

    names: dict[bytes, str] = field(default_factory=dict)
    spellings: dict[bytes, dict[bytes, str]] = field(default_factory=lambda: defaultdict(dict))
    slots: dict[bytes, dict[tuple[str, PrimaryKey], None]] = field(default_factory=lambda: defaultdict(dict))

    def name(self, digest: bytes) -> str:
        """The name for a digest, or that there is none."""
        return self.names.get(digest, "(one that was not seen again)")


@dataclass(frozen=True, slots=True)
class Collision:
    """Rows that share a slot, and the rule that made it for the first of them."""

    rule: int
    rows: tuple[str, ...]


class Looker:
    """Looks again."""

    def __init__(self, walk: Walk, mapper: Mapper, folder: Folder) -> None:
        self._walk, self._mapper, self._folder = walk, mapper, folder

    def look(self, pieces: Iterable[int], wanted: Wanted) -> Sightings:
        """Read these pieces again. Raises KeyshiftError where they cannot be read, Stopped."""
        seen = Sightings()
        for number in list(dict.fromkeys(pieces))[:PIECES_MAX]:
            table, rows = self._walk.again(number)
            for mapped in self._mapper.patches(table, rows, counting=False):
                self._see(table, mapped, wanted, seen)
        return seen

    def _see(self, table: str, mapped: Mapped, wanted: Wanted, seen: Sightings) -> None:
        patch, rule = mapped.patch, self._mapper.rules[mapped.rule]
        slot = slot_digest(patch)
        if slot in wanted.slots:
            seen.slots[slot][table, canonical_key(self._mapper.schema(table), mapped.row)] = None
        target = rule.rule.target
        for found, text in _names(target, patch):
            if found in wanted.others:
                seen.names.setdefault(found, text)
        for form in self._folder.forms(mapped):
            if form.folded in wanted.forms:
                text = f"{shown(form.text)} ({self._mapper.name(table, mapped.row)})"
                seen.spellings[form.folded].setdefault(form.own, text)

    def collisions(self, suspects: Iterable[Suspect], seen: Sightings) -> list[Collision]:
        """The suspicious slots that rows share at one moment."""
        found = (self._sharing(suspect.digest, seen.slots.get(suspect.digest, {})) for suspect in suspects)
        return [collision for collision in found if len(collision.rows) > 1]

    def _sharing(self, slot: bytes, rows: Iterable[tuple[str, PrimaryKey]]) -> Collision:
        keys: dict[str, list[PrimaryKey]] = defaultdict(list)
        for table, key in rows:
            keys[table].append(key)
        sharing = [
            (mapped.rule, self._mapper.name(table, mapped.row))
            for table, wanted in keys.items()
            for mapped in self._mapper.patches(table, self._walk.now(table, wanted[:EXAMPLES_MAX]), counting=False)
            if slot_digest(mapped.patch) == slot
        ]
        return Collision(sharing[0][0] if sharing else 0, tuple(name for _, name in sharing))


def _names(target: Target, patch: Patch) -> Iterator[tuple[bytes, str]]:
    """The digests and the names of a patch's item, of its partition key, and of those in indexes."""
    yield item_digest(patch), key_text(target, patch.key)
    yield partition_digest(patch), key_text(target, patch.key[:1])
    for index in target.indexes:
        found = index_partition(target, index, patch)
        if found:
            yield found[0], f"{index.partition_key.name}={found[1]}"


def index_partition(target: Target, index: Index, patch: Patch) -> tuple[bytes, str] | None:
    """The digest and the text of the partition key that a patch gives in a global index; None where it is not in it."""
    given = {**own_attributes(patch), **target.key_item(patch.key)}
    if index.is_local or any(part.name not in given for part in index.keys):
        return None
    value = _value(given[index.partition_key.name])
    return digest(f"{target.name}/{index.name}", (value,), ""), shown(value)


def _value(attribute: Attribute) -> str | bytes:
    ((_, value),) = attribute.items()
    return value if isinstance(value, str | bytes) else str(value)


def key_text(target: Target, key: Key) -> str:
    """``pk=CUSTOMER#1, sk=PROFILE``, each value shortened."""
    return ", ".join(f"{part.name}={shown(value)}" for part, value in zip(target.keys, key, strict=False))


def shown(value: object) -> str:
    """A key's value: text in quotes and with escapes, bytes as hexadecimal digits, shortened."""
    text = f"0x{value.hex()}" if isinstance(value, bytes) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
