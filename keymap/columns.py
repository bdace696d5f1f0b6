"""Which of a row's columns become attributes, under which names and types: decided once for each shape of row.

The plain loop (`put_plainly`) says what is right. For a shape that comes often, keymap.generate writes a function that
does the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Final

from keymap.attributes import Attribute
from keymap.conversions import converted
from keymap.document import RuleDocument
from keymap.generate import Chosen, Put, put_columns
from keymap.nesting import LEVELS_MAX
from keymap.patch import Item
from keymap.targets import Target
from keymap.template import PatchError, Template
from keymap.values import Canonical, Row

SHAPES_MAX: Final = 64  # of rows of one table: each ALTER makes another one
OFTEN: Final = 300  # rows of one shape: by then the plain loop has cost as much as writing a function does


def key_columns(target: Target, templates: Sequence[Template]) -> Mapping[str, str]:
    """The key attributes, each with the one column that it is; "" for those that are more than a column."""
    return {part.name: template.bare for part, template in zip(target.keys, templates, strict=True)}


class Columns:
    """The attributes of a rule that are columns. A key attribute that is a column holds that column by itself.

    `keys` are the key attributes that stand beside them, as `key_columns` gives them; none stand in a map.
    """

    def __init__(self, document: RuleDocument, keys: Mapping[str, str]) -> None:
        self._document = document
        self._keys = keys
        self._shapes: dict[tuple[str, ...], Put] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._keep_nulls = document.nulls == "keep"
        self._room = LEVELS_MAX - document.levels_around

    def names(self, row: Row) -> tuple[str, ...]:
        """The names of all attributes that rows of this shape may have. Raises PatchError as `add`."""
        shape = tuple(row)
        found = self._names.get(shape)
        if found is None:
            if len(self._names) >= SHAPES_MAX:
                self._names.clear()
            found = self._names[shape] = tuple(chosen.name for chosen in self._chosen(shape))
        return found

    def add(self, row: Row, item: Item) -> None:
        """Put the row's attributes into `item`. Raises PatchError where the row cannot become one."""
        names = tuple(row)
        put = self._shapes.get(names) or self._first(names)
        put(row, item)

    def value(self, column: str, row: Row) -> Attribute | None:
        """One column's attribute. Raises PatchError where the row lacks it, or holds what its type cannot."""
        if column not in row:
            raise _missing(column)
        value: Canonical = row[column]
        return converted(value, self._document.types.get(column), column, self._room)

    def _first(self, names: tuple[str, ...]) -> Put:
        """The plain loop for a shape of row, which makes way for a function once it has run often enough."""
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        chosen, rows = self._chosen(names), count(1)

        def put(row: Row, item: Item) -> None:
            if next(rows) == OFTEN:
                self._shapes[names] = put_columns(names, chosen, keep_nulls=self._keep_nulls, room=self._room)
            put_plainly(row, item, chosen, keep_nulls=self._keep_nulls, room=self._room)

        self._shapes[names] = put
        return put

    def _chosen(self, names: tuple[str, ...]) -> tuple[Chosen, ...]:
        document, chosen = self._document, []
        for column in document.include if document.include is not None else names:
            if column in document.exclude:
                continue
            name = document.rename.get(column, column)
            if self._keys.get(name) == column:
                continue  # the key attribute itself holds it
            if column not in names:
                raise _missing(column)
            if name in self._keys:
                raise PatchError("a column has the name of a key attribute", "Rename or exclude the column")
            chosen.append(Chosen(column, name, document.types.get(column)))
        return tuple(chosen)


def put_plainly(row: Row, item: Item, chosen: Iterable[Chosen], *, keep_nulls: bool, room: int = LEVELS_MAX) -> None:
    """Put the chosen columns of a row into an item; `room` as for `converted`."""
    for column, name, wanted in chosen:
        value = row[column]
        found = converted(value, wanted, column, room)
        if found is not None:
            item[name] = found
        elif value is None and keep_nulls:
            item[name] = {"NULL": True}


def _missing(column: str) -> PatchError:
    return PatchError(f"the row has no column {column}", "Compare the keymap with the table's columns")
