"""What a statement that was logged as text means to us: a table changed without rows.

Under binlog_format=ROW the binlog has text for the transactions' own grammar (cdc.grammar), for DDL and TRUNCATE, and
for changes of sessions that were switched to STATEMENT. A statement that changes a captured table, or its shape, cannot
be followed: this module finds its name. It does not parse SQL; it reads the words that come first and the names where
that kind of statement has them. Where it cannot tell, a captured table that is named at all counts as changed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Final

from cdc.words import Word, split, words
from keyshift.binlog.query_variables import EVERY


class Tables:
    """The captured tables, and whether a statement changes one of them in a way that the binlog's rows do not tell.

    Names are compared without regard to case, whatever the server does: one stop too many is better than one too few.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self._tables = {table.casefold(): table for table in tables}
        self._databases = {table.partition(".")[0] for table in self._tables}
        self._names = {table.partition(".")[2] for table in self._tables}
        self._plain = not any(quote in table for table in self._tables for quote in '`"')

    def changed(self, schema: str, text: str, databases: Sequence[str] = ()) -> tuple[str, ...]:
        """The captured tables that this statement changes, creates, moves or drops; () if it leaves all as they are.

        `schema` is the default database it ran in; `databases` those that it has changed, () where nobody says. A
        change of rows that is logged as a statement may reach a captured table through a view, a trigger or a function:
        it counts as a change of all captured tables of the databases that it has changed or, where nobody says, names.
        """
        if self._plain and not databases:  # a name with a quote in it is spelled in several ways
            folded = f"{schema} {text}".casefold()
            if not any(name in folded for name in self._names) and not any(name in folded for name in self._databases):
                return ()
        found = list(words(text))
        named = dict.fromkeys(self._changed(schema, found))
        return tuple(named) or tuple(self._reached(schema, found, databases))

    def _reached(self, schema: str, found: list[Word], databases: Sequence[str]) -> Iterator[str]:
        """What a statement may have changed without naming it."""
        if kind_of([word.upper for word in found]) not in _CHANGES_ROWS:
            return
        named = (word.text for word, following in pairwise(found) if following.text == ".")
        for database in dict.fromkeys(databases or (schema, *named)):
            yield from self._tables.values() if database == EVERY else self._in_database(database)

    def _changed(self, schema: str, found: list[Word]) -> Iterable[str]:
        uppers = [word.upper for word in found]
        kind = kind_of(uppers)
        if kind in _HARMLESS:
            return ()
        if kind == "DROP INDEX":
            return self._at(schema, found, _of_primary_key(found, uppers), uppers)
        if kind == "DROP DATABASE":
            return self._in_database(found[_after(uppers, {"DATABASE", "SCHEMA"})].text)
        if kind in _TARGETED:
            return self._at(schema, found, _target_places(kind, uppers), uppers)
        return self._at(schema, found, range(len(found)), uppers)

    def _in_database(self, database: str) -> Iterator[str]:
        prefix = database.casefold() + "."
        return (table for folded, table in self._tables.items() if folded.startswith(prefix))

    def _at(self, schema: str, found: list[Word], places: Iterable[int], uppers: list[str]) -> Iterator[str]:
        for place in places:
            name = self._named(schema, found, place)
            if name is not None and not _is_no_change(found, uppers, place):
                yield name

    def _named(self, schema: str, found: list[Word], place: int) -> str | None:
        """The captured table that the name at this place stands for, alone or as the second part of `db.table`."""
        if place + 2 < len(found) and found[place + 1].text == ".":
            return self._tables.get(f"{found[place].text}.{found[place + 2].text}".casefold())
        if place >= 2 and found[place - 1].text == ".":  # noqa: PLR2004 - db and dot
            return None  # the second part of a name that was looked at already
        return self._tables.get(f"{schema}.{found[place].text}".casefold())


# Statements that change neither a captured row nor what a row looks like.
_HARMLESS: Final = frozenset(
    [f"{verb} {what}" for verb in ("CREATE", "ALTER", "DROP") for what in
     "VIEW PROCEDURE FUNCTION TRIGGER EVENT USER ROLE INDEX TEMPORARY SEQUENCE PACKAGE SERVER TABLESPACE".split()
    if (verb, what) != ("DROP", "INDEX")]
    + ["CREATE DATABASE", "ALTER DATABASE"]
    + "GRANT REVOKE FLUSH ANALYZE OPTIMIZE CHECK CHECKSUM REPAIR SET INSTALL UNINSTALL".split()
)  # fmt: skip
_CHANGES_ROWS: Final = frozenset(
    [*"INSERT REPLACE UPDATE DELETE LOAD SELECT DO CALL WITH VALUES TABLE EXECUTE (".split(), "SET STATEMENT"]
)
_TARGETED: Final = frozenset({"CREATE TABLE", "DROP TABLE", "ALTER TABLE", "RENAME TABLE", "TRUNCATE"})
_OBJECTS: Final = frozenset(
    "TABLE TABLES VIEW PROCEDURE FUNCTION TRIGGER EVENT USER ROLE INDEX DATABASE SCHEMA SEQUENCE PACKAGE SERVER "
    "TABLESPACE TEMPORARY".split()
)
_SAME: Final = {"TABLES": "TABLE", "SCHEMA": "DATABASE"}


def kind_of(uppers: Sequence[str]) -> str:
    """The statement's kind, such as "ALTER TABLE": its verb and, for DDL, the first word that is a kind of object."""
    verb = uppers[0] if uppers else ""
    if list(uppers[:2]) == ["RENAME", "USER"]:
        return "ALTER USER"
    if list(uppers[:2]) == ["SET", "STATEMENT"]:
        return "SET STATEMENT"  # ... FOR any other statement
    if verb not in {"CREATE", "ALTER", "DROP", "RENAME"}:
        return verb
    what = next((word for word in uppers[1:_HEAD_WORDS] if word in _OBJECTS), "")
    return f"{verb} {_SAME.get(what, what)}"


_HEAD_WORDS = 24  # CREATE OR REPLACE DEFINER=`a`@`b` SQL SECURITY ... VIEW: the object's kind comes among these


def _after(uppers: Sequence[str], keywords: set[str]) -> int:
    """The place of the name behind one of the keywords, IF [NOT] EXISTS left out; the last word where there is none."""
    place = next(index for index, word in enumerate(uppers) if word in keywords) + 1
    while place < len(uppers) and uppers[place] in {"IF", "NOT", "EXISTS"}:
        place += 1
    return min(place, len(uppers) - 1)


def _of_primary_key(found: Sequence[Word], uppers: Sequence[str]) -> Iterable[int]:
    """Where DROP INDEX names its table, if the index is the primary key: to drop another changes no row."""
    name = _after(uppers, {"INDEX"})
    on = next((place for place in range(name + 1, len(uppers) - 1) if uppers[place] == "ON"), None)
    return [on + 1] if on is not None and found[name].text.casefold() == "primary" else []


def _target_places(kind: str, uppers: Sequence[str]) -> Iterable[int]:
    """Where this statement names the tables that it changes."""
    if kind == "TRUNCATE":
        return range(1, len(uppers))
    first = _after(uppers, {"TABLE", "TABLES"})
    if kind in {"DROP TABLE", "RENAME TABLE"}:
        return range(first, len(uppers))
    if kind == "CREATE TABLE":
        return [first]
    return [first, *_other_names(uppers, first)]


def _other_names(uppers: Sequence[str], first: int) -> Iterator[int]:
    """The second table of ALTER TABLE ... RENAME TO t, EXCHANGE PARTITION p WITH TABLE t, CONVERT TABLE t."""
    for place in range(first + 1, len(uppers) - 1):
        if uppers[place] == "RENAME" and uppers[place + 1] not in {"COLUMN", "INDEX", "KEY"}:
            yield place + (2 if uppers[place + 1] in {"TO", "AS", "="} else 1)
        elif uppers[place] == "TABLE":
            yield place + 1


SHOWN_MAX: Final = 6  # tables in a message


def told(text: str, tables: Sequence[str], place: str) -> str:
    """That a statement changed these tables, in few words and none of its values."""
    shown = [*tables[1:SHOWN_MAX], *([f"{len(tables) - SHOWN_MAX} more"] if len(tables) > SHOWN_MAX else [])]
    others = f", and with it {', '.join(shown)}," if shown else ""
    return f"table {tables[0]} was changed at {place}{others} by {headline(text)}"


def headline(text: str) -> str:
    """The statement's first two words."""
    head = " ".join(word.upper or "..." for word in islice(words(text), 2))
    return f"a statement that the binlog shows as text only ({head} ...)"


_INDEX_CLAUSE = re.compile(
    r"(?:ADD (?:UNIQUE|FULLTEXT|SPATIAL|INDEX|KEY)|DROP (?:INDEX|KEY)|RENAME (?:INDEX|KEY)|ALTER INDEX)\b"
)
_OPTION = re.compile(r"(?:ALGORITHM|LOCK|COMMENT|AUTO_INCREMENT|STATS_\w+|ENGINE(?= =? ?INNODB))( =)?( \S*)|FORCE")


def _is_no_change(found: Sequence[Word], uppers: Sequence[str], place: int) -> bool:
    """Whether the statement leaves the rows of the table at this place, and their columns, as they are.

    ALTER TABLE that only adds, drops or renames indexes; CREATE TABLE IF NOT EXISTS of a table that does exist.
    """
    if uppers[:2] == ["CREATE", "TABLE"]:
        return uppers[2:5] == ["IF", "NOT", "EXISTS"]
    if uppers[:2] != ["ALTER", "TABLE"]:  # not ALTER IGNORE TABLE: it drops the rows that a new unique key refuses
        return False
    return all(map(changes_indexes, clauses(found, place)))


def changes_indexes(clause: Sequence[Word]) -> bool:
    """Whether a clause of ALTER TABLE is about indexes, or about the table as a whole, and leaves its rows alone.

    The primary key is no index: to drop it changes by what rows are told from each other.
    """
    text = " ".join(word.upper for word in clause)
    if _INDEX_CLAUSE.match(text):
        return not any(word.text.casefold() == "primary" for word in clause)
    return _OPTION.fullmatch(text) is not None


def clauses(found: Sequence[Word], place: int) -> list[list[Word]]:
    """The clauses of an ALTER TABLE, each as its words, behind the table's name at this place."""
    qualified = place + 1 < len(found) and found[place + 1].text == "."
    return split(found[place + (3 if qualified else 1) :])


def altered_table(found: Sequence[Word]) -> int:
    """Where an ALTER TABLE or RENAME TABLE has its first table's name."""
    return _after([word.upper for word in found], {"TABLE", "TABLES"})
