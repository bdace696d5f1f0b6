"""The captured tables as they look at the place of the binlog that is being read, statement after statement.

Where a statement changes a captured table, four things may become of it: it is followed, since no row's item changes
by it (cdc/ddl.py); it is passed, since an operator answers for it, or has its tables loaded again from there on; or it
ends the reading, and the next reader stops at it again. A connection that begins further back takes the tables as they
were there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cdc import renames
from cdc.ddl import Altered, altered
from cdc.events import Place, Query
from cdc.statements import altered_table, headline, kind_of, told
from cdc.words import NotUnderstood, Word, words
from keymap.check import check
from keymap.errors import KeyshiftError
from keymap.position import Position
from keymap.rules import Keymap
from keymap.schema import Shape, TableSchema
from keymap.uses import use_of
from keyshift.control.halts import Halt
from keyshift.control.reloads import Reload, floor_at
from keyshift.control.shapes import History, Since, current, place, with_shape
from keyshift.process.log import get_logger

_log = get_logger("cdc")
Remember = Callable[[str, Since], None]
Again = Callable[[Reload], None]


class Unfollowed(KeyshiftError):
    """A statement that cannot be followed, and that nobody has answered for; `halt` says where."""

    def __init__(self, message: str, halt: Halt, remedy: str) -> None:
        super().__init__(message, remedy)
        self.halt = halt


@dataclass(frozen=True, slots=True)
class Answered:
    """What the source is, and what was decided: the names of the statements (Halt.name) that may be passed.

    `reloads` are those of them behind which their tables are loaded again, each with the reason. `described`: the
    binlog describes its rows. `mariadb`: the server's family, for words that mean different things.
    """

    epoch: int
    accepted: frozenset[str]
    described: bool
    mariadb: bool
    reloads: Mapping[str, str] = field(default_factory=dict)


class Shapes:
    """For one thread, and one connection after the other, each of which begins with `begin`.

    `history` is what was recorded, `now` the tables as they are at the source at this moment: what they look like
    where nothing was recorded, or nothing else is known. `remember` records a shape, and `again` where a table is
    loaded again, before anything behind it is sent.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what is known, and who remembers it
        self,
        keymap: Keymap,
        history: History,
        now: Mapping[str, Shape],
        answered: Answered,
        remember: Remember,
        again: Again,
    ) -> None:
        self._keymap = keymap
        self._history = {table: tuple(since) for table, since in history.items()}
        self._now = now
        self._answered = answered
        self._remember = remember
        self._again = again
        self._shapes: dict[str, Shape] = dict(now)
        self.schemas: dict[str, TableSchema] = {}

    def begin(self, position: Position) -> None:
        """Take the tables as they are at this position."""
        at = place(self._answered.epoch, position)
        found = {table: current(self._history.get(table, ()), at) for table in self._keymap.tables}
        self._shapes = {table: shape or self._now[table] for table, shape in found.items()}
        self.schemas = {table: shape.schema for table, shape in self._shapes.items()}

    def ignores(self, table: str, column: str) -> bool:
        """Whether no rule looks at this column, so that it does not matter what it looks like."""
        return not use_of(self._keymap.rules[table], column)

    def meet(self, event: Query, tables: tuple[str, ...]) -> None:
        """Follow, or pass, a statement that changes these tables. Raises Unfollowed."""
        found, at = self._altered(event, tables), event.place
        objection = found if isinstance(found, str) else self._objection(tables[0], found)
        what = f"{headline(event.text)}: {objection}"
        halt = Halt(self._answered.epoch, at.file, at.offset, tables, what)
        if halt.name in self._answered.reloads:
            self._begin_again(halt, at)
        if not objection:
            assert isinstance(found, Altered)
            self._turn(at, tables[0], found.shape)
            _log.info("ddl_followed", table=tables[0], position=str(at), what=", ".join(found.what))
        elif halt.name in self._answered.accepted:
            self._pass(event, tables, found)
            _log.warning("statement_passed", tables=tables, position=str(at), what=what)
        else:
            raise Unfollowed(f"{told(event.text, tables, str(at))}: {objection}", halt, _remedy(event, tables))

    def _begin_again(self, halt: Halt, at: Place) -> None:
        """All that these tables were is void from the statement's end on."""
        floor = floor_at(halt.epoch, Position(at.file, at.end))
        for table in halt.tables:
            self._again(Reload(table, floor, f"{halt.what} (at {halt.place})", self._answered.reloads[halt.name]))
        _log.warning("reload_begun", tables=halt.tables, position=str(at))

    def _altered(self, event: Query, tables: tuple[str, ...]) -> Altered | str:
        """What the statement makes of the one table that it is about; or why that cannot be told."""
        if not self._answered.described:
            return "this source's binlog does not describe its rows, so no statement can be followed"
        if reason := _hopeless(list(words(event.text)), event.schema, tables):
            return reason
        table = tables[0]
        shape = self._shapes[table]
        try:
            return altered(event.text, shape, self._keymap.rules[table], mariadb=self._answered.mariadb)
        except NotUnderstood as unknown:
            return f"{unknown} is not understood"

    def _objection(self, table: str, found: Altered) -> str:
        """Why it cannot be followed, "" where it can."""
        if found.objections:
            return "; ".join(found.objections)
        problems = check(self._keymap, {**self.schemas, table: found.shape.schema}, running=True)
        return "; ".join(problem.what for problem in problems)

    def _pass(self, event: Query, tables: tuple[str, ...], found: Altered | str) -> None:
        """What these tables look like behind a statement that was accepted."""
        if isinstance(found, Altered):
            self._turn(event.place, tables[0], found.shape)
            return
        if kind_of([word.upper for word in words(event.text)]) in _MAKES_TABLES:
            for table in tables:
                self._turn(event.place, table, self._now[table])

    def _turn(self, at: Place, table: str, shape: Shape) -> None:
        since = Since(place(self._answered.epoch, Position(at.file, at.end)), shape)
        self._remember(table, since)
        self._history[table] = with_shape(self._history.get(table, ()), since)
        self._shapes[table] = shape
        self.schemas[table] = shape.schema


def _hopeless(found: list[Word], schema: str, tables: tuple[str, ...]) -> str:
    """Why a statement cannot be followed whatever it says in detail; "" where it is an ALTER of one table."""
    kind = kind_of([word.upper for word in found])
    if kind == "DROP INDEX":
        return "the table loses its primary key"
    if tool := _online_tool(found, tables):
        return tool
    if kind != "ALTER TABLE":
        return _unseen(kind, found, schema, tables)
    if len(tables) > 1 or _name_of_altered(found, schema) != tables[0].casefold():
        return "another table takes its place, or takes its rows"
    return ""


def _unseen(kind: str, found: list[Word], schema: str, tables: tuple[str, ...]) -> str:
    """What a statement that is no ALTER TABLE does without a trace in the binlog."""
    if kind == "RENAME TABLE":
        return renames.objection(found, schema, tables)
    names = {word.text.casefold() for word in found}
    if not any(table.partition(".")[2].casefold() in names for table in tables) and kind != "DROP DATABASE":
        return "a view, a trigger or a function may have changed their rows by it, and those are not in the binlog"
    return "none of the rows that it changes are in the binlog"


def _name_of_altered(found: list[Word], schema: str) -> str:
    at = altered_table(found)
    qualified = at + 2 < len(found) and found[at + 1].upper == "."
    database, name = (found[at].text, found[at + 2].text) if qualified else (schema, found[at].text)
    return f"{database}.{name}".casefold()


def _online_tool(found: list[Word], tables: tuple[str, ...]) -> str:
    """Why the end of an online schema change is not followed; "" where the statement is none."""
    if not any(word.upper == "RENAME" for word in found):
        return ""
    names = {word.text.casefold() for word in found}
    for table in tables:
        name = table.partition(".")[2].casefold()
        if {f"_{name}_gho", f"_{name}_del"} & names:  # MySQL 5.7 and older: in two statements
            return f"gh-ost put its copy in the place of {table}, {_COPIED}"
        if any(re.fullmatch(rf"_+{re.escape(name)}_(new|old)", one) for one in names):
            return f"pt-online-schema-change put its copy in the place of {table}, {_COPIED}"
    return ""


def _remedy(event: Query, tables: tuple[str, ...]) -> str:
    """What to do about a statement that is not followed. A name without a table must be given back first."""
    found = list(words(event.text))
    is_away = renames.takes_away(found, event.schema, tables) and not _online_tool(found, tables)
    return renames.REMEDY if is_away else REMEDY


_COPIED = (
    "and that copy was altered and filled under another name, which is not captured. Its rows are the same but for what"
    " the ALTER did: accept it if that could have been followed as a plain ALTER TABLE, and adds no unique key"
)
REMEDY = (
    "Its rows and items may differ from here on. Run `keyshift cdc resume --decision reload --reason ...` to load the"
    " table again (docs/reload.md), or, if you can answer for it, `keyshift cdc resume --decision accept --reason ...`;"
    " then start the daemon again: it goes on behind the statement. See docs/ddl.md"
)
_MAKES_TABLES = frozenset({"ALTER TABLE", "RENAME TABLE", "CREATE TABLE", "DROP TABLE", "DROP DATABASE", "DROP INDEX"})
