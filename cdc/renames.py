"""RENAME TABLE of a captured table: what it means to capture, which knows tables by their names. Pure.

No row changes by it. But what is written under a name that is not captured is lost to capture, and a table that comes
to have a captured name may have other rows.
"""

from collections.abc import Sequence
from typing import Final

from cdc.statements import altered_table, clauses, kind_of
from cdc.words import Word, split

REMEDY: Final = (
    "Rename it back. Each of the two statements then stops capture once: where nothing was written to the table under"
    " the other name, pass each with `keyshift cdc resume --decision accept --reason ...`, else load the table again"
    " with `--decision reload`; and start the daemon again each time. See docs/ddl.md"
)


def objection(found: Sequence[Word], schema: str, tables: Sequence[str]) -> str:
    """Why the statement is not followed, for each of the captured tables that it names."""
    now, spelled = _renamed(found, schema)
    return "; ".join(_told(table, now, spelled) for table in tables)


def takes_away(found: Sequence[Word], schema: str, tables: Sequence[str]) -> bool:
    """Whether a statement, of whatever kind, leaves one of these names without a table by renaming it."""
    kind = kind_of([word.upper for word in found])
    if kind == "ALTER TABLE":
        heads = ([word.upper for word in clause[:2]] for clause in clauses(found, altered_table(found)))
        return any(head[:1] == ["RENAME"] and not {*head[1:]} & _NOT_THE_TABLE for head in heads)
    now = _renamed(found, schema)[0] if kind == "RENAME TABLE" else {}
    return any(now.get(table.casefold()) == "" for table in tables)


_NOT_THE_TABLE: Final = frozenset({"COLUMN", "INDEX", "KEY"})


def _renamed(found: Sequence[Word], schema: str) -> tuple[dict[str, str], dict[str, str]]:
    """By each name that the statement names: which table has it afterwards, by its name before ("": none).

    Names are folded; the second gives them as they are spelled.
    """
    now: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for clause in split(found[altered_table(found) :]):
        to = next((place for place, word in enumerate(clause) if word.upper == "TO"), len(clause))
        old, new = _name(clause[:to], schema), _name(clause[to + 1 :], schema)
        spelled |= {old.casefold(): old, new.casefold(): new}
        now[old.casefold()], now[new.casefold()] = "", now.get(old.casefold(), old.casefold())
    return now, spelled


def _name(found: Sequence[Word], schema: str) -> str:
    """The name with its database; WAIT and NOWAIT may follow it."""
    texts = [word.text for word in found[:3]]
    return f"{texts[0]}.{texts[2]}" if texts[1:2] == ["."] else f"{schema}.{''.join(texts[:1])}"


def _told(table: str, now: dict[str, str], spelled: dict[str, str]) -> str:
    before = now.get(table.casefold(), table.casefold())
    if before == table.casefold():
        return f"no row changes by it, but what becomes of the name {table} is not followed"
    if before:
        return f"no row changes by it, but {spelled[before]} takes the name {table}, and its rows were not captured"
    # Two names that differ in case alone are one here, and may hide where it went.
    new = next((spelled[name] for name, had in now.items() if had == table.casefold()), "elsewhere")
    return f"no row changes by it, but the table is {new} from here on, and what is written to it there is not captured"
