"""An ALTER TABLE against a keymap: what the table looks like afterwards, and whether its rows still have their items.

The binlog shows an ALTER as text and none of the rows that it changes. So it may be followed only where no row's item
changes by it: where what a SELECT shows of each row afterwards maps to the item that the row has
(docs/decisions/0016). Pure: shape, keymap and statement in, the next shape and all objections out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cdc.clauses import Add, Charset, Clause, Drop, Lossy, Modify, Rename, clauses_of
from cdc.conversions import KEEPS_ALL, keeps_values
from cdc.definitions import TEXTS, Definition
from cdc.statements import altered_table, clauses
from cdc.words import NotUnderstood, words
from keymap.rule import Rule
from keymap.schema import Column, Shape, TableSchema
from keymap.uses import use_of, use_of_null

_REORDERED: Final = "is in the primary key, by whose order rows are dumped, and its collation may be another"
_GROWN: Final = {"tinytext": "text", "text": "mediumtext", "mediumtext": "longtext"}
_JSON_OF_MARIADB: Final = ("longtext", "longtext", "utf8mb4")


@dataclass(frozen=True, slots=True)
class Altered:
    """The table after the statement. `what` are its clauses, for people; `objections` say why items may differ."""

    shape: Shape
    what: tuple[str, ...]
    objections: tuple[str, ...]


def altered(text: str, shape: Shape, rules: Sequence[Rule], *, mariadb: bool) -> Altered:
    """What this ALTER TABLE makes of the table. Raises NotUnderstood where that cannot be told from the statement."""
    found = list(words(text))
    if [word.upper for word in found[:2]] not in (["ALTER", "TABLE"], ["ALTER", "ONLINE"]):
        raise NotUnderstood(" ".join(word.upper for word in found[:2]))
    alteration = _Alteration(shape, rules, mariadb=mariadb)
    for clause in clauses(found, altered_table(found)):
        for fact in clauses_of(clause):
            alteration.apply(fact)
    return Altered(alteration.shape, tuple(alteration.what), tuple(alteration.objections))


class _Alteration:
    """The shape as clause after clause changes it."""

    def __init__(self, shape: Shape, rules: Sequence[Rule], *, mariadb: bool) -> None:
        self.shape = shape
        self.what: list[str] = []
        self.objections: list[str] = []
        self._rules, self._mariadb = rules, mariadb

    def apply(self, clause: Clause) -> None:
        match clause:
            case Add():
                self._add(clause)
            case Modify():
                self._modify(clause)
            case Drop():
                self._drop(clause)
            case Rename():
                self._rename(clause)
            case Charset():
                self._charset(clause)
            case Lossy():
                self.what.append(clause.what)
                self.objections.append(f"the table {clause.what}")

    @property
    def _columns(self) -> tuple[Column, ...]:
        return self.shape.schema.columns

    def _add(self, clause: Add) -> None:
        if self._find(clause.name, lenient=True) is not None:
            if clause.lenient:
                return
            raise NotUnderstood(f"column {clause.name} is there already, and it")
        self.what.append(f"adds column {clause.name}")
        if clause.definition.primary:
            self.objections.append("the table gets another primary key")
        if _shows_null(clause.definition):
            if use := use_of_null(self._rules, clause.name):
                self.objections.append(f"column {clause.name} is new, and {use}, where NULL shows")
        elif use := use_of(self._rules, clause.name):
            what = f"column {clause.name} may have values in rows that were there before, and {use}"
            self.objections.append(what)
        self._put(self._column(clause.name, clause.definition), clause.place)
        self._count(clause.name, clause.definition)

    def _modify(self, clause: Modify) -> None:
        before = self._find(clause.name, lenient=clause.lenient)
        if before is None:
            return
        renamed = clause.new_name.casefold() != clause.name.casefold()
        name = clause.new_name if clause.new_name != clause.name else before.name
        after = self._column(name, clause.definition, key=before.name in self.shape.schema.primary_key)
        self.what.append(f"renames column {before.name} to {name}" if renamed else f"changes column {before.name}")
        if clause.definition.primary:
            self.objections.append("the table gets another primary key")
        if name != before.name:
            self._moved(before.name, name)
        elif use := use_of(self._rules, name):
            objection = self._lost(before, after, clause.definition)
            self.objections += [f"column {name} {use}, and {objection}"] if objection else []
        self._replace(before, after, clause.place)
        self._count(name, clause.definition)

    def _lost(self, before: Column, after: Column, said: Definition) -> str:
        """How the values of a column may have changed; "" where they are the same."""
        if before.generated or after.generated:
            return "is, or was, made by the server"
        if said.counts and self.shape.counter != before.name:
            return "AUTO_INCREMENT gives another value to rows that have 0"
        implied = after.data_type == "timestamp" and said.nullable is None
        if before.nullable and (implied or not after.nullable):
            return "NULL becomes another value"
        if self._reorders(before, said.collation):
            return _REORDERED
        if not keeps_values(before, after):
            return f"{_told(before)} to {_told(after)} may change its values"
        return ""

    def _drop(self, clause: Drop) -> None:
        column = self._find(clause.name, lenient=clause.lenient)
        if column is None:
            return
        self.what.append(f"drops column {column.name}")
        if column.name in self.shape.schema.primary_key:
            self.objections.append("the table gets another primary key")
        elif use := use_of(self._rules, column.name):
            self.objections.append(f"column {column.name} is dropped, and {use}")
        self._put_all(tuple(one for one in self._columns if one is not column))

    def _rename(self, clause: Rename) -> None:
        column = self._find(clause.name, lenient=clause.lenient)
        if column is None:
            return
        self.what.append(f"renames column {column.name} to {clause.new_name}")
        self._moved(column.name, clause.new_name)
        self._replace(column, replace(column, name=clause.new_name), None)

    def _moved(self, old: str, new: str) -> None:
        """All values go from one name to another: neither may show."""
        for name in (old, new):
            if use := use_of(self._rules, name):
                self.objections.append(f"column {old} becomes {new}, and {name} {use}")
        if old in self.shape.schema.primary_key:
            key = tuple(new if name == old else name for name in self.shape.schema.primary_key)
            self.shape = replace(self.shape, schema=replace(self.shape.schema, primary_key=key))
        if old == self.shape.counter:
            self.shape = replace(self.shape, counter=new)

    def _charset(self, clause: Charset) -> None:
        name = self.shape.charset if clause.name.upper() == "DEFAULT" else clause.name.lower()
        self.what.append(f"changes the character set to {name}")
        self.shape = replace(self.shape, charset=name)
        if not clause.converts:
            return
        for before in self._columns:
            if before.charset is None:
                continue
            after = replace(before, charset=name, collation=None)
            if before.data_type in _GROWN and before.charset != name:
                grown = _GROWN[before.data_type]
                after = replace(after, data_type=grown, column_type=grown)
            use = use_of(self._rules, before.name)
            if use and (clause.name.upper() == "DEFAULT" or name not in {before.charset, KEEPS_ALL}):
                what = f"column {before.name} {use}, and not every text has all its characters in {name}"
                self.objections.append(what)
            if self._reorders(before, clause.collation):
                self.objections.append(f"column {before.name} {_REORDERED}")
            self._replace(before, after, None)

    def _reorders(self, column: Column, collation: str) -> bool:
        """Whether the table's rows may have another order by their primary key than before."""
        return (
            column.name in self.shape.schema.primary_key
            and column.charset is not None
            and collation != (column.collation or "").lower()
        )

    def _find(self, name: str, *, lenient: bool) -> Column | None:
        """The column of this name, which servers compare without regard to case."""
        folded = name.casefold()
        found = next((column for column in self._columns if column.name.casefold() == folded), None)
        if found is None and not lenient:
            raise NotUnderstood(f"column {name}, which is not known,")
        return found

    def _column(self, name: str, said: Definition, *, key: bool = False) -> Column:
        data_type, column_type, charset = said.data_type, said.column_type, said.charset
        if data_type == "json" and self._mariadb:
            data_type, column_type, charset = _JSON_OF_MARIADB
        return Column(
            name=name,
            data_type=data_type,
            column_type=column_type,
            nullable=said.nullable is not False and not key and not said.primary,
            charset=(charset or self.shape.charset) if data_type in TEXTS else None,
            collation=said.collation or None,
            generated=said.generated,
        )

    def _count(self, name: str, said: Definition) -> None:
        if said.counts:
            self.shape = replace(self.shape, counter=name)
        elif self.shape.counter == name:
            self.shape = replace(self.shape, counter="")

    def _put(self, column: Column, place: str | None) -> None:
        columns = list(self._columns)
        if place is None:
            columns.append(column)
        elif not place:
            columns.insert(0, column)
        else:
            behind = self._find(place, lenient=False)
            columns.insert(1 + next(index for index, one in enumerate(columns) if one is behind), column)
        self._put_all(tuple(columns))

    def _replace(self, before: Column, after: Column, place: str | None) -> None:
        if place is None:
            self._put_all(tuple(after if one is before else one for one in self._columns))
            return
        self._put_all(tuple(one for one in self._columns if one is not before))
        self._put(after, place)

    def _put_all(self, columns: tuple[Column, ...]) -> None:
        old = self.shape.schema  # made anew: it keeps its columns by name
        schema = TableSchema(old.database, old.name, columns, old.primary_key, old.engine)
        self.shape = replace(self.shape, schema=schema)


def _shows_null(said: Definition) -> bool:
    """Whether a column that is new is NULL in every row that was there before.

    TIMESTAMP is NOT NULL where that is not denied (explicit_defaults_for_timestamp=OFF).
    """
    if said.nullable is False or (said.data_type == "timestamp" and said.nullable is None):
        return False
    return not (said.default or said.generated or said.on_update or said.counts or said.primary)


def _told(column: Column) -> str:
    """A column's type without labels, which are somebody's data."""
    told = column.column_type.partition("(")[0] if column.data_type in {"enum", "set"} else column.column_type
    return f"{told} {column.charset}" if column.charset else told
