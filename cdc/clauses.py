"""The clauses of an ALTER TABLE as facts: which columns come, go and change, and what the statement says of them.

Only what is understood to the last word becomes a fact. A clause with anything else in it, a spelling that nobody here
has thought of or a feature of a later server, is NotUnderstood: what it does to the rows is not known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cdc.definitions import Definition, definition
from cdc.statements import changes_indexes
from cdc.words import NotUnderstood, Word, Words, split


@dataclass(frozen=True, slots=True)
class Add:
    """A new column. `place` is the column that it comes behind, "" for the first, None for the last.

    `lenient` here and below: IF [NOT] EXISTS.
    """

    name: str
    definition: Definition
    place: str | None
    lenient: bool


@dataclass(frozen=True, slots=True)
class Modify:
    """A column's new definition, and its name from now on."""

    name: str
    new_name: str
    definition: Definition
    place: str | None
    lenient: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """A column goes."""

    name: str
    lenient: bool


@dataclass(frozen=True, slots=True)
class Rename:
    """A column has another name from now on."""

    name: str
    new_name: str
    lenient: bool


@dataclass(frozen=True, slots=True)
class Charset:
    """Another character set for columns to come, and, where it `converts`, for those that are there."""

    name: str
    converts: bool
    collation: str = ""


@dataclass(frozen=True, slots=True)
class Lossy:
    """Something that the rows' items may not follow: `what` says it in words that go on from "it"."""

    what: str


Clause = Add | Modify | Drop | Rename | Charset | Lossy


def clauses_of(clause: Sequence[Word]) -> Iterator[Clause]:
    """The facts in one clause; none where it leaves rows and columns as they are. Raises NotUnderstood."""
    if changes_indexes(clause):
        return
    words = Words(clause)
    for keywords, read in _READERS:
        if words.skip(*keywords):
            yield from read(words)
            words.require_end()
            return
    yield from _options(words)
    words.require_end()


def _add(words: Words) -> Iterator[Clause]:
    lenient = words.skip("IF", "NOT", "EXISTS")
    if words.peek() == "(":
        for part in split(words.parenthesised()):
            inner = Words(part)
            yield _added(inner, lenient=lenient)
            inner.require_end()
    else:
        yield _added(words, lenient=lenient)


def _added(words: Words, *, lenient: bool) -> Add:
    name = words.name()
    return Add(name, definition(words), _place(words), lenient)


def _modify(words: Words) -> Iterator[Clause]:
    lenient = words.skip("IF", "EXISTS")
    name = words.name()
    yield Modify(name, name, definition(words), _place(words), lenient)


def _change(words: Words) -> Iterator[Clause]:
    lenient = words.skip("IF", "EXISTS")
    name, new_name = words.name(), words.name()
    yield Modify(name, new_name, definition(words), _place(words), lenient)


def _place(words: Words) -> str | None:
    if words.skip("AFTER"):
        return words.name()
    return "" if words.skip("FIRST") else None


def _drop(words: Words) -> Iterator[Clause]:
    lenient = words.skip("IF", "EXISTS")
    yield Drop(words.name(), lenient)
    if not words.skip("RESTRICT"):
        words.skip("CASCADE")


def _rename(words: Words) -> Iterator[Clause]:
    lenient, name = words.skip("IF", "EXISTS"), words.name()
    words.require("TO")
    yield Rename(name, words.name(), lenient)


def _convert(words: Words) -> Iterator[Clause]:
    if not words.skip("CHARACTER", "SET"):
        words.require("CHARSET")
    name = words.name()
    yield Charset(name, converts=True, collation=words.name().lower() if words.skip("COLLATE") else "")


def _constraint(words: Words) -> Iterator[Clause]:
    """What follows ADD CONSTRAINT, or ADD where it is a foreign key or a check."""
    kind = next((kind for kind in ("FOREIGN", "UNIQUE", "CHECK", "PRIMARY") if kind in words.rest()), "")
    rest = words.all()
    if kind == "PRIMARY":
        yield Lossy("gets another primary key")
    elif not kind:
        raise NotUnderstood("a constraint")
    elif kind == "FOREIGN" and {"CASCADE", "SET"} & {word.upper for word in rest}:
        yield Lossy("gets a foreign key that changes its rows without a trace in the binlog")


def _unchanged(words: Words) -> Iterator[Clause]:
    words.all()
    return iter(())


def _lossy(what: str) -> Callable[[Words], Iterator[Clause]]:
    def read(words: Words) -> Iterator[Clause]:
        words.all()
        yield Lossy(what)

    return read


def _drop_constraint(words: Words) -> Iterator[Clause]:
    if any(word.text.casefold() == "primary" for word in words.all()):
        yield Lossy("loses its primary key")


def _default(words: Words) -> Iterator[Clause]:
    """ALTER COLUMN ... SET DEFAULT, DROP DEFAULT, SET VISIBLE: for rows to come, or for nobody's rows."""
    words.name()
    return _unchanged(words)


# First words of a clause, longest first where one begins with another.
_READERS: Final[tuple[tuple[tuple[str, ...], Callable[[Words], Iterator[Clause]]], ...]] = (
    (("ADD", "COLUMN"), _add),
    (("ADD", "PRIMARY"), _lossy("gets another primary key")),
    (("DROP", "PRIMARY"), _lossy("loses its primary key")),
    (("DROP", "KEY"), _lossy("loses its primary key")),
    (("DROP", "INDEX"), _lossy("loses its primary key")),
    (("ADD", "PARTITION"), _unchanged),
    (("ADD", "CONSTRAINT"), _constraint),
    (("ADD", "FOREIGN"), lambda words: _constraint(words.back())),
    (("ADD", "CHECK"), _unchanged),
    (("ADD", "SYSTEM"), _lossy("gets system versioning")),
    (("ADD", "PERIOD"), _lossy("gets a period")),
    (("ADD",), _add),
    (("MODIFY", "COLUMN"), _modify),
    (("MODIFY",), _modify),
    (("CHANGE", "COLUMN"), _change),
    (("CHANGE",), _change),
    (("DROP", "COLUMN"), _drop),
    (("DROP", "PARTITION"), _lossy("loses the rows of a partition")),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP", "FOREIGN"), _unchanged),
    (("DROP", "CHECK"), _unchanged),
    (("DROP",), _drop),
    (("RENAME", "COLUMN"), _rename),
    (("RENAME",), _lossy("gets another name")),
    (("ALTER", "COLUMN"), _default),
    (("ALTER", "CHECK"), _unchanged),
    (("ALTER", "CONSTRAINT"), _unchanged),
    (("ALTER",), _default),
    (("CONVERT", "TO"), _convert),
    (("ORDER", "BY"), _unchanged),
    (("ENABLE", "KEYS"), _unchanged),
    (("DISABLE", "KEYS"), _unchanged),
    (("REORGANIZE", "PARTITION"), _unchanged),
    (("COALESCE", "PARTITION"), _unchanged),
    (("REBUILD", "PARTITION"), _unchanged),
    (("REMOVE", "PARTITIONING"), _unchanged),
    (("PARTITION", "BY"), _unchanged),
    (("TRUNCATE", "PARTITION"), _lossy("loses the rows of a partition")),
    (("EXCHANGE", "PARTITION"), _lossy("exchanges the rows of a partition")),
    (("DISCARD",), _lossy("loses its rows")),
    (("IMPORT",), _lossy("gets other rows")),
)
_HARMLESS_OPTIONS: Final = frozenset(
    "ALGORITHM LOCK COMMENT AUTO_INCREMENT ROW_FORMAT KEY_BLOCK_SIZE MAX_ROWS MIN_ROWS AVG_ROW_LENGTH CHECKSUM"
    " DELAY_KEY_WRITE STATS_PERSISTENT STATS_AUTO_RECALC STATS_SAMPLE_PAGES PAGE_COMPRESSED PAGE_COMPRESSION_LEVEL"
    " COMPRESSION ENCRYPTION ENCRYPTED ENCRYPTION_KEY_ID".split()
)


def _options(words: Words) -> Iterator[Clause]:
    """Options of the table, with or without commas between."""
    while words:
        if words.skip("FORCE"):
            continue
        words.skip("DEFAULT")
        if words.skip("CHARACTER", "SET") or words.skip("CHARSET"):
            yield Charset(words.option(), converts=False)
        elif words.skip("COLLATE"):
            yield Charset(words.option().partition("_")[0], converts=False)
        elif words.skip("ENGINE"):
            if words.option().upper() != "INNODB":
                yield Lossy("gets another engine")
        elif words.peek() in _HARMLESS_OPTIONS:
            words.skip(words.peek())
            words.option()
        else:
            raise NotUnderstood(words.here())
