"""Keys with several spellings: equal in MySQL by the columns' collations, different in DynamoDB by their bytes.

Every key is remembered by the digest of its folded form (keymap.collations), beside that of its own; folded forms with
more than one spelling are keys that split. All tables of a target are seen together: a customer's mail address and the
one in their orders may differ in case, join in MySQL all the same, and fall apart in DynamoDB.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from keymap.check_hooks import seen_by
from keymap.collations import Equality, equality_of
from keymap.patch import Key, KeyValue
from keymap.schema import TableSchema
from keymap.template import PatchError, Template
from keymap.values import Canonical
from keyshift.cutover.digests import BUFFER_BYTES_MAX, DIGEST_BYTES, Digests, digest, gathered
from keyshift.trial.mapping import Mapped, PlacedRule

FORMS_MAX: Final = 200_000  # of a partition, at some 300 bytes each
SPELLINGS_MAX: Final = 3  # kept of one key: two prove the split
_LAYOUT: Final = Struct("<8sI")  # the beginning of the key's own digest, piece
LEVELS: Final = ("partition key", "sort key", "name")  # of a slot's identity, each within those before it


@dataclass(frozen=True, slots=True)
class Split:
    """A folded form with several spellings: its digest, and the pieces in which each was seen first."""

    digest: bytes
    pieces: tuple[int, ...]


class Spellings:
    """The keys of one level of one target."""

    def __init__(self, directory: Path, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._records = Digests(directory, buffer_bytes_max, payload_bytes=_LAYOUT.size)

    def add(self, form: bytes, own: bytes, piece: int) -> None:
        """A row of that piece has a key with this folded form, and this form of its own (digests)."""
        self._records.add(form + _LAYOUT.pack(own[:8], piece))

    def splits(self, wanted: int, forms_max: int = FORMS_MAX) -> tuple[list[Split], int]:
        """The first `wanted` forms with several spellings, and how many there are in all."""
        found = self._all(forms_max)
        first = list(islice(found, wanted))
        return first, len(first) + sum(1 for _ in found)

    def _all(self, forms_max: int) -> Iterator[Split]:
        for records in gathered(self._records, forms_max):
            forms: dict[bytes, dict[bytes, int]] = {}
            for record in records:
                own, piece = _LAYOUT.unpack_from(record, DIGEST_BYTES)
                held = forms.setdefault(record[:DIGEST_BYTES], {})
                if len(held) < SPELLINGS_MAX:
                    held.setdefault(own, piece)
            yield from (Split(form, tuple(held.values())) for form, held in forms.items() if len(held) > 1)


class Form(NamedTuple):
    """One level of a patch's identity: the digests of its folded and of its own form, and the latter's text."""

    level: int
    folded: bytes
    own: bytes
    text: KeyValue


class Folder:
    """Folds what rules make of rows. `levels` has, by target, the levels at which a key can have several spellings."""

    def __init__(self, rules: Iterable[PlacedRule], schemas: Mapping[str, TableSchema]) -> None:
        self._rules = tuple(rules)
        self._columns = [_loose_columns(placed, schemas) for placed in self._rules]
        levels: dict[str, set[int]] = {}
        for placed, columns in zip(self._rules, self._columns, strict=True):
            held = levels.setdefault(placed.rule.target.name, set())
            held.update(level for level, template in _templates(placed) if columns.keys() & set(template.columns))
        self.levels = {target: tuple(sorted(held)) for target, held in levels.items()}

    def forms(self, mapped: Mapped) -> Iterator[Form]:
        """The forms of a patch, at the levels of its target."""
        patch = mapped.patch
        levels = self.levels[patch.table]
        if not levels:
            return
        slot = self._slot(mapped)
        own = (*patch.key, slot) if len(patch.key) > 1 else (*patch.key, "", slot)
        folded = self._folded(mapped, own)
        for level in levels:
            name, before = f"{patch.table}:{level}", own[:level]
            form = digest(name, (*before, folded[level]), "")
            yield Form(level, form, digest(name, (*before, own[level]), ""), own[level])

    def _slot(self, mapped: Mapped) -> str:
        """The name that the row gives to what it owns of a group."""
        rule = self._rules[mapped.rule].rule
        return rule.slot.render(mapped.seen, rule.document.defaults) if rule.slot else ""

    def _folded(self, mapped: Mapped, own: Key) -> Key:
        """The identity that the row would have if its text were folded first."""
        columns, placed = self._columns[mapped.rule], self._rules[mapped.rule]
        if not columns:
            return own
        row = {name: _folded(value, columns.get(name)) for name, value in mapped.seen.items()}
        found = list(own)
        for level, template in _templates(placed):
            try:
                found[level] = template.render(row, placed.rule.document.defaults)
            except PatchError:
                continue  # a function takes the row's text, and not its folded form
        return tuple(found)


def _folded(value: Canonical, equality: Equality | None) -> Canonical:
    return equality.folded(value) if equality and isinstance(value, str) else value


def _templates(placed: PlacedRule) -> Iterator[tuple[int, Template]]:
    """The templates that make text of a slot's identity, each with its level."""
    for level, (template, part) in enumerate(zip(placed.rule.templates, placed.rule.target.keys, strict=True)):
        if part.type == "S":
            yield level, template
    if placed.rule.slot is not None:
        yield len(LEVELS) - 1, placed.rule.slot


def _loose_columns(placed: PlacedRule, schemas: Mapping[str, TableSchema]) -> dict[str, Equality]:
    """The columns of these templates whose collation ignores something."""
    table = schemas.get(placed.table)
    schema = seen_by(placed.rule, table) if table else None
    names = {name for _, template in _templates(placed) for name in template.columns}
    equalities = {name: equality_of(schema.column(name)) for name in names if schema and name in schema.by_name}
    return {name: equality for name, equality in equalities.items() if not equality.is_bytewise}
