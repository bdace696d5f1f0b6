"""Owners: slots that rows can pass to each other keep one register for each row that was ever there.

Where a slot's identity does not contain its row's whole primary key, rows pass each other within one statement
(`UPDATE t SET pos = pos + 1`): the row that moves in is set before the row that moves out is removed. One register for
the slot ends wrong then, in order and out of it. So each owner has its own: its mark, and what it wants to show while
it is not the one that is shown. Shown is the newest live owner; at one version (the bulk load's floor) the greater
name, so that any order of writes ends the same. See docs/design, "Owners".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from keymap.bookkeeping import Bookkeeping
from keymap.patch import Item, Patch
from keymap.slots import content
from keymap.targets import Target
from keymap.values import Canonical
from keymap.version import is_tombstone, mark, version_of
from keymap.wire import dumps, encode_value

OWNER_BYTES = 8  # of the digest. The few owners of one slot must be told apart: two of a million collide once in 10^7


def owner_name(key: Iterable[Canonical]) -> str:
    """The name of the row with this primary key: a digest, so that bookkeeping has no row contents."""
    return blake2b(dumps([encode_value(value) for value in key]), digest_size=OWNER_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Register:
    """What one owner has in a slot: its mark, and the content that it sets, None once it was removed."""

    mark: str
    content: Item | None


Registers = Mapping[str, Register]  # of one slot, by owner


def registers_of(books: Bookkeeping, target: Target, item: Item, slot: str) -> Registers:
    """The registers of a slot as an item holds them."""
    found = {
        owner: Register(held["M"]["v"]["S"], held["M"]["c"]["M"] if "c" in held["M"] else None)
        for owner, held in item.get(books.parked(slot), {"M": {}})["M"].items()
    }
    if books.owner(slot) in item:
        shown = books.held(item, slot, "")
        held = None if is_tombstone(shown) else content(books, target, slot, item)
        found[item[books.owner(slot)]["S"]] = Register(shown, held)
    return found


def merged(registers: Registers, patches: Iterable[Patch]) -> Registers:
    """The registers after patches of the slot, each of which lands only if it is newer than its owner's."""
    after = dict(registers)
    for patch in patches:
        if patch.owner not in after or after[patch.owner].mark < patch.version:
            gone = patch.attributes is None
            after[patch.owner] = Register(mark(patch.version, tombstone=gone), patch.attributes)
    return after


def shown(registers: Registers) -> str:
    """The owner whose content the slot shows, or, where none lives, whose tombstone stands there."""
    live = live_owners(registers)
    return max(live or registers, key=lambda owner: (version_of(registers[owner].mark), owner))


def live_owners(registers: Registers) -> list[str]:
    """The owners that live; more than one is a collision, in passing or for good."""
    return [owner for owner, register in registers.items() if register.content is not None]


def stored(books: Bookkeeping, slot: str, registers: Registers) -> Item:
    """The bookkeeping attributes of a slot with these registers."""
    top = shown(registers)
    parked = {owner: _parked(register) for owner, register in registers.items() if owner != top}
    found: Item = {books.mark(slot): {"S": registers[top].mark}, books.owner(slot): {"S": top}}
    return found | ({books.parked(slot): {"M": parked}} if parked else {})


def _parked(register: Register) -> dict[str, Item]:
    kept = {} if register.content is None else {"c": {"M": register.content}}
    return {"M": {"v": {"S": register.mark}, **kept}}
