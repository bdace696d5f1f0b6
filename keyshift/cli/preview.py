"""What a preview shows: sample rows, and the items that the keymap makes of them or the reason why it makes none."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from keymap.errors import KeyshiftError
from keymap.patch import Item, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.slots import entry_of
from keymap.targets import Target
from keymap.template import PatchError
from keymap.values import Canonical, Row
from keymap.wire import encode_value

_NO_VERSION = ""  # nothing is written
_ROLES = ("partition key", "sort key")


@dataclass(frozen=True, slots=True)
class Made:
    """One item that a row makes: its `keys` by name with what each is ("partition key", "gsi1 sort key"), and itself.

    `slot` is the part that the row owns of an item that it shares with others (keymap.slots).
    """

    target: str
    keys: dict[str, str]
    item: Item
    slot: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: its primary key, itself, the items that it makes, and what keeps it from being any."""

    key: tuple[Canonical, ...]
    row: Row
    items: tuple[Made, ...]
    error: KeyshiftError | None = None


@dataclass(frozen=True, slots=True)
class TableSample:
    """A table's rows, or what keeps them from being read."""

    table: str
    samples: tuple[Sample, ...]
    error: KeyshiftError | None = None


def sample_of(keymap: Keymap, schema: TableSchema, row: Row) -> Sample:
    """The row and its items. Bookkeeping is left out."""
    key = tuple(row[name] for name in schema.primary_key)
    try:
        patches = keymap.row_patches(schema.full_name, row, _NO_VERSION)
    except PatchError as error:
        return Sample(key, row, (), error)
    return Sample(key, row, tuple(made(keymap, patch) for patch in patches))


def made(keymap: Keymap, patch: Patch) -> Made:
    """The item of one patch."""
    target = keymap.targets[patch.table]
    entry = entry_of(patch.slot)
    own: Item = {entry[0]: {"M": patch.attributes or {}}} if entry else patch.attributes or {}
    item = {**target.key_item(patch.key), **own}
    return Made(patch.table, _keys(target, item), item, patch.slot)


def _keys(target: Target, item: Item) -> dict[str, str]:
    """What each key attribute is a key of: of the table, and of each index that the item is in, as all its keys are."""
    keys = dict(zip((part.name for part in target.keys), _ROLES, strict=False))
    for index in target.indexes:
        if all(part.name in item for part in index.keys):
            for part, role in zip(index.keys, _ROLES, strict=False):
                known = f"{keys[part.name]}, " if part.name in keys else ""
                keys[part.name] = f"{known}{index.name} {role}"
    return keys


def document(tables: Iterable[TableSample]) -> dict[str, Any]:
    """The preview as JSON: values of rows as in change records (keymap.wire), items in DynamoDB's typed form."""
    return {"tables": [_table(table) for table in tables]}


def _table(table: TableSample) -> dict[str, Any]:
    rows = [
        {
            "primary_key": [encode_value(value) for value in sample.key],
            "row": {name: encode_value(value) for name, value in sample.row.items()},
            "items": [
                {"target": one.target, "keys": one.keys, "slot": one.slot, "item": one.item} for one in sample.items
            ],
            "error": _error(sample.error),
        }
        for sample in table.samples
    ]
    return {"table": table.table, "rows": rows, "error": _error(table.error)}


def _error(error: KeyshiftError | None) -> dict[str, str] | None:
    return None if error is None else {"message": error.message, "remedy": error.remedy}
