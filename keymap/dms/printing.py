"""The keymap as YAML that a person goes on with: one line where it fits, comments that say where things come from."""

import re
import textwrap
from collections.abc import Iterable, Iterator

import yaml

from keymap.dms.drafts import Draft
from keymap.dms.remarks import plain
from keymap.errors import Problem

LINE_LENGTH_MAX = 120
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_WORDS = frozenset({"yes", "no", "true", "false", "on", "off", "null"})  # YAML reads them as something else


def printed(drafts: list[Draft], head: Iterable[str]) -> str:
    """The keymap's text; `head` are the comment lines above it."""
    lines = [*(f"# {line}".rstrip() for line in head), "", "keyshift: 1", "targets:"]
    keys = {draft.target: draft.keys for draft in drafts}
    for target, parts in keys.items():
        lines.append(f"  {flow(target)}:")
        for field, part in zip(("partition_key", "sort_key"), parts, strict=False):
            lines.append(f"    {field}: {flow({part.name: part.type})}")
    lines.append("tables:")
    tables: dict[str, list[Draft]] = {}
    for draft in drafts:
        tables.setdefault(draft.table, []).append(draft)
    for table, of_table in tables.items():
        lines.append(f"  {flow(table)}:")
        lines += (line for draft in of_table for line in _rule(draft))
    return "\n".join(lines) + "\n"


def _rule(draft: Draft) -> Iterator[str]:
    yield f"    - target: {flow(draft.target)}  # {plain(draft.origin)}"
    fields: dict[str, object] = {
        "key": {part.name: part.template for part in draft.keys},
        "where": draft.where,
        "exclude": draft.exclude,
        "rename": draft.rename,
        "constants": draft.constants,
        "types": draft.types,
        "attributes": draft.attributes,
    }
    for name, value in fields.items():
        if value:
            yield from _field(name, value)


def _field(name: str, value: object) -> Iterator[str]:
    line = f"      {name}: {flow(value)}"
    if len(line) <= LINE_LENGTH_MAX:
        yield line
        return
    yield f"      {name}:"
    if isinstance(value, dict):
        yield from (f"        {flow(key)}: {flow(inner)}" for key, inner in value.items())
    elif isinstance(value, list):
        yield from (f"        - {flow(inner)}" for inner in value)


def flow(value: object) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else _quoted(value)
    return str(value).lower()  # numbers, true and false


def _quoted(text: str) -> str:
    style = "'" if text.isprintable() and ('"' in text or "\\" in text) else '"'
    quoted: str = yaml.safe_dump(text, default_style=style, allow_unicode=True, width=10**9)
    return quoted.removesuffix("\n")


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
