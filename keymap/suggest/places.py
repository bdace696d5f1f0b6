"""Places: the keys that a table's rows could have in one DynamoDB table, and the proof that a place serves."""

from dataclasses import dataclass, field
from typing import Any

from keymap.check import check
from keymap.document import KeymapDocument
from keymap.errors import Problem, Problems
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.suggest.columns import field_of
from keymap.yaml_file import Lines

PARTITION_KEY, SORT_KEY = "pk", "sk"
_ANY = "app"  # a target's name, where it does not matter


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go: partition ``HEAD#{..}`` and within it ``KIND#{..}``, or ``#KIND`` where no column is left.

    Two places with another head or another kind hold no item in common, whatever the columns: `head` and `kind` have no
    '#'. Of the `coded` columns the keys hold the hexadecimal digits. `why` is for the reader.
    """

    head: str
    head_columns: tuple[str, ...]
    kind: str
    kind_columns: tuple[str, ...]
    coded: frozenset[str] = frozenset()
    why: str = field(default="", compare=False)

    def key(self, schema: TableSchema) -> dict[str, str]:
        """The key's templates. Only the sort key is padded: partitions have no order."""
        return {
            PARTITION_KEY: self._text(self.head, self.head_columns, schema, padded=False),
            SORT_KEY: self._text(self.kind, self.kind_columns, schema, padded=True) if self.kind_columns else self.own,
        }

    @property
    def own(self) -> str:
        """The sort key of a partition's own item: '#' sorts before all letters."""
        return f"#{self.kind}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the key uses."""
        return frozenset(self.head_columns + self.kind_columns)

    def _text(self, name: str, columns: tuple[str, ...], schema: TableSchema, *, padded: bool) -> str:
        fields = (field_of(schema.column(each), padded=padded, coded=each in self.coded) for each in columns)
        return "#".join([name, *fields])


def problems(schema: TableSchema, rule: dict[str, Any], target: dict[str, Any] | None = None) -> list[Problem]:
    """What keymap.check says of this table alone with this rule (without its `target`)."""
    keys = {"partition_key": {PARTITION_KEY: "S"}, "sort_key": {SORT_KEY: "S"}}
    raw = {
        "keyshift": 1,
        "targets": {_ANY: keys | (target or {})},
        "tables": {schema.full_name: [{"target": _ANY, **rule}]},
    }
    try:
        compiled = Keymap(KeymapDocument.model_validate(raw), Lines("", None))
    except Problems as refusal:
        return list(refusal.problems)
    except ValueError as refusal:  # pydantic's: a table's or a column's name that the language cannot write
        return [Problem("", " ".join(str(refusal).split()), "")]
    return check(compiled, {schema.full_name: schema})
