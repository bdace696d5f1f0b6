"""The changes of a batch, folded before they are mapped.

Of each register only the newest patch is written (keymap.patch.fold), and which registers a change writes to is told by
its keys and names alone. So of all images only the keys are made; values are decoded, and attributes made of them, for
the newest. A row that changes a thousand times in a batch is mapped once.

What comes out is what `fold` leaves of all patches (Keymap.patches). One thing is not found out here: whether
attributes could have been made of what is superseded within the batch (docs/decisions/0035). What is raised here says
less than the plain way does: whoever meets it lets that look again.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from keymap.change import Change, Source
from keymap.generate import QuickPlace, quick_place
from keymap.lanes import lane_of, table_check
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.rule import Rule
from keymap.rules import Keymap
from keymap.values import Row
from keymap.wire import decode_row

Typed = dict[str, Any]  # a row, or a change, as typed JSON (keymap.wire)


class Put:
    """The newest patch of an item that is put whole. `row` is the row that it is made of, None where it is removed."""

    __slots__ = ("key", "row", "rule", "version")

    def __init__(self, rule: Rule, key: Key, row: Typed | None, version: str) -> None:
        self.rule, self.key, self.row, self.version = rule, key, row, version

    def content(self) -> Item | None:
        """What it sets beside key and bookkeeping, None for a removal. Raises PatchError."""
        return None if self.row is None else self.rule.content(decode_row(self.row))

    def patch(self) -> Patch:
        """The patch. Raises PatchError."""
        return Patch(self.rule.target.name, self.key, WHOLE, self.content(), self.version)


class _Slot:
    """The newest patch of any other register; a set is only made of `row` when it is asked for."""

    __slots__ = ("patch", "row", "rule")

    def __init__(self, patch: Patch, rule: Rule | None = None, row: Row | None = None) -> None:
        self.patch, self.rule, self.row = patch, rule, row

    @property
    def rank(self) -> tuple[str, bool]:
        """By which the newest is told: at one version a set wins over a removal."""
        return self.patch.version, self.row is not None or self.patch.attributes is not None

    def made(self) -> Patch:
        """The patch. Raises PatchError."""
        if self.rule is None or self.row is None:
            return self.patch
        made = self.rule.patch(self.row, self.patch.version)
        assert made is not None, "it has a key"
        return made


class Newest:
    """The newest patch of each register of a batch; Folding adds to it."""

    def __init__(self, targets: Iterable[str]) -> None:
        self.whole: Final[Mapping[str, dict[Key, Put]]] = {target: {} for target in targets}
        self._slots: dict[tuple[str, Key, str, str], _Slot] = {}

    def puts(self) -> list[Put]:
        """Those of items that are put whole, each by the one row that it belongs to."""
        return [put for of_target in self.whole.values() for put in of_target.values()]

    def patches(self) -> list[Patch]:
        """All others. Raises PatchError."""
        return [slot.made() for slot in self._slots.values()]

    def add(self, slot: _Slot) -> None:
        """Add a patch that is none of `puts`."""
        held = self._slots.get(slot.patch.register)
        if held is None or slot.rank > held.rank:
            self._slots[slot.patch.register] = slot


class Folding:
    """Folds changes for one keymap with so many lanes. For use by several threads."""

    def __init__(self, keymap: Keymap, lanes: int) -> None:
        self._keymap, self._lanes = keymap, lanes
        self._ways = {table: self._ways_of(table, rules) for table, rules in keymap.rules.items()}

    def begin(self) -> Newest:
        """For the next batch."""
        return Newest(self._keymap.targets)

    def add(self, newest: Newest, table: str, change: Typed, lane: int) -> None:
        """Add what a change (its line's document) does to the items of a lane.

        Raises PatchError where a key or a name cannot be made, and KeyError, TypeError or ValueError where the document
        is no change of a captured table.
        """
        for way in self._ways[table]:
            way.add(newest, change, lane)

    def _ways_of(self, table: str, rules: Sequence[Rule]) -> "tuple[_Whole | _Shared | _Hooked, ...]":
        if any(rule.hook is not None for rule in rules):
            return (_Hooked(self._keymap, table, self._lanes),)
        return tuple((_Whole if rule.puts else _Shared)(rule, self._lanes) for rule in rules)


class _Whole:
    """Of a rule whose items are put whole."""

    def __init__(self, rule: Rule, lanes: int) -> None:
        self._rule, self._target, self._lanes = rule, rule.target.name, lanes
        # The functions written for a key take text and integers only, which are the same in typed JSON as in a row.
        # What templates call and conditions compare may be any value: there the row itself is needed.
        calls = any(part.functions for template in rule.templates for part in template.parts)
        self._place = None if calls or rule.conditions else _place_of(rule)
        columns = dict.fromkeys(column for template in rule.templates for column in template.columns)
        self._key_columns = itemgetter(*columns) if columns else len

    def add(self, newest: Newest, change: Typed, lane: int) -> None:
        before, after, version = change["before"], change["after"], change["version"]
        if after is not None:
            self._add(newest.whole[self._target], after, after, version, lane)
        if before is not None and not (after is not None and self._place and self._stays(before, after)):
            self._add(newest.whole[self._target], before, None, version, lane)

    def _stays(self, before: Typed, after: Typed) -> bool:
        """Whether both images have one key, as most do. A set at its version then is all of the change."""
        try:
            return bool(self._key_columns(before) == self._key_columns(after))
        except KeyError:
            return False

    def _add(self, whole: dict[Key, Put], image: Typed, row: Typed | None, version: str, lane: int) -> None:
        place = self._place(image) if self._place else None
        if place is None:
            key = self._plain_key(image, lane)
            if key is None:
                return
        else:
            check, key = place
            if check % self._lanes != lane:
                return
        held = whole.get(key)
        if held is None or version > held.version or (version == held.version and row is not None and held.row is None):
            whole[key] = Put(self._rule, key, row, version)

    def _plain_key(self, image: Typed, lane: int) -> Key | None:
        """The item's key; None where the row has none, or it is in another lane."""
        key = self._rule.key(decode_row(image))
        return key if key is not None and lane_of(self._target, key, self._lanes) == lane else None


def _place_of(rule: Rule) -> QuickPlace:
    begin = table_check(rule.target.name)
    return quick_place(begin, rule.target.keys, rule.templates, rule.limits, rule.document.defaults)


class _Shared:
    """Of a rule whose rows own parts of items, or pass them on."""

    def __init__(self, rule: Rule, lanes: int) -> None:
        self._rule, self._lanes = rule, lanes

    def add(self, newest: Newest, change: Typed, lane: int) -> None:
        if change["before"] is not None:
            self._add(newest, change["before"], change["version"], lane, sets=False)
        if change["after"] is not None:
            self._add(newest, change["after"], change["version"], lane, sets=True)

    def _add(self, newest: Newest, image: Typed, version: str, lane: int, *, sets: bool) -> None:
        row = decode_row(image)
        patch = self._rule.removal(row, version)
        if patch is not None and lane_of(patch.table, patch.key, self._lanes) == lane:
            newest.add(_Slot(patch, self._rule, row) if sets else _Slot(patch))


class _Hooked:
    """Of a table with hooks: what they make of a row is known only when they have made it."""

    def __init__(self, keymap: Keymap, table: str, lanes: int) -> None:
        self._keymap, self._table, self._lanes = keymap, table, lanes

    def add(self, newest: Newest, change: Typed, lane: int) -> None:
        before, after = (None if image is None else decode_row(image) for image in (change["before"], change["after"]))
        made = self._keymap.patches(Change(change["op"], self._table, before, after, change["version"], _NOWHERE))
        for patch in made:
            if lane_of(patch.table, patch.key, self._lanes) == lane:
                newest.add(_Slot(patch))


_NOWHERE: Final = Source("", 0, 0, "", "", 0)  # mapping does not look at it
