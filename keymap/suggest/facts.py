"""What a proposal is made of. Facts only; reading them is keyshift.mysql's job."""

from dataclasses import dataclass

from keymap.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: `columns` hold the `parent_columns` of table `parent` ('db.table'), in the same order.

    `owns`: rows go with their parent (ON DELETE CASCADE), so they are parts of it rather than point to it.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    owns: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index: its columns in order. `obstacle` says why it is none of plain columns ("" : it is one)."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table and what leads to it.

    `documents` are the columns that hold JSON documents, as JSON or as text. `obstacles` are what must change at the
    source before it can be captured, each a sentence with its remedy; they do not keep the table out of the proposal.
    """

    schema: TableSchema
    references: tuple[Reference, ...] = ()
    indexes: tuple[Index, ...] = ()
    documents: frozenset[str] = frozenset()
    obstacles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`db.table`."""
        return self.schema.full_name
