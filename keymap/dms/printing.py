"""What came of a table mapping as text: the keymap, with comments that say where things come from, and the remarks."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from keymap.dms.drafts import Draft
from keymap.dms.remarks import plain
from keymap.errors import Problem
from keymap.printing import printed as keymap_printed

LINE_LENGTH_MAX = 120


def printed(drafts: list[Draft], head: Iterable[str]) -> str:
    """The keymap's text; `head` are the comment lines above it."""
    tables: dict[str, list[Draft]] = {}
    for draft in drafts:
        tables.setdefault(draft.table, []).append(draft)
    given = {
        "keyshift": 1,
        "targets": {draft.target: _keys(draft) for draft in drafts},
        "tables": {table: [_rule(draft) for draft in of_table] for table, of_table in tables.items()},
    }
    lines = "".join(f"# {line}".rstrip() + "\n" for line in head)
    return f"{lines}\n{keymap_printed(given, lambda table, index: plain(tables[table][index].origin))}"


def _keys(draft: Draft) -> dict[str, Any]:
    return {
        field: {part.name: part.type} for field, part in zip(("partition_key", "sort_key"), draft.keys, strict=False)
    }


def _rule(draft: Draft) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "target": draft.target,
        "key": {part.name: part.template for part in draft.keys},
        "where": draft.where,
        "exclude": draft.exclude,
        "rename": draft.rename,
        "constants": draft.constants,
        "types": draft.types,
        "attributes": draft.attributes,
    }
    return {name: value for name, value in fields.items() if value}


def told(problem: Problem) -> Iterator[str]:
    """A remark as lines of text that fit the page."""
    for text, indent in ((f"{problem.where}: {problem.what}", "  "), (f"do: {problem.remedy}", "    ")):
        yield from textwrap.wrap(
            text,
            LINE_LENGTH_MAX - 2,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
