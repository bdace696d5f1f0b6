"""Which of a row's columns become attributes, under which names and types: decided once for each shape of row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keymap.attributes import INTEGER_END, Attribute, attribute
from keymap.conversions import converted
from keymap.document import RuleDocument
from keymap.patch import Item
from keymap.targets import Target
from keymap.template import PatchError, Template
from keymap.values import Canonical, Row

SHAPES_MAX = 64  # of rows of one table: each ALTER makes another one


class _Chosen(NamedTuple):
    """A column, the attribute that it becomes, and the type that it is asked to have (None: its own)."""

    column: str
    name: str
    wanted: str | None


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
        self._shapes: dict[tuple[str, ...], tuple[_Chosen, ...]] = {}
        self._keep_nulls = document.nulls == "keep"

    def names(self, row: Row) -> list[str]:
        """The names of all attributes that rows of this shape may have. Raises PatchError as `add`."""
        return [name for _, name, _ in self._shape(row)]

    def add(self, row: Row, item: Item) -> None:
        """Put the row's attributes into `item`. Raises PatchError where the row cannot become one."""
        for column, name, wanted in self._shape(row):
            value = row[column]
            if value is None:
                if self._keep_nulls:
                    item[name] = {"NULL": True}
            elif wanted is None and value.__class__ is str:
                item[name] = {"S": value}
            elif wanted is None and value.__class__ is int and abs(value) < INTEGER_END:
                item[name] = {"N": str(value)}
            else:
                found = attribute(value) if wanted is None else converted(value, wanted, column)
                if found is not None:
                    item[name] = found

    def value(self, column: str, row: Row) -> Attribute | None:
        """One column's attribute. Raises PatchError where the row lacks it, or holds what its type cannot."""
        if column not in row:
            raise _missing(column)
        value: Canonical = row[column]
        return converted(value, self._document.types.get(column), column)

    def _shape(self, row: Row) -> tuple[_Chosen, ...]:
        names = tuple(row)
        chosen = self._shapes.get(names)
        if chosen is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            chosen = self._shapes[names] = self._chosen(names)
        return chosen

    def _chosen(self, names: tuple[str, ...]) -> tuple[_Chosen, ...]:
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
            chosen.append(_Chosen(column, name, document.types.get(column)))
        return tuple(chosen)


def _missing(column: str) -> PatchError:
    return PatchError(f"the row has no column {column}", "Compare the keymap with the table's columns")
