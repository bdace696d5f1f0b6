"""Names in DMS rules: patterns with wildcards, and what a transformation makes of a name."""

import re
from collections.abc import Callable
from functools import lru_cache

from keymap.dms.rules import Locator, Transformation

_SET = re.compile(r"\[([^\]]+)\]")


def literal(pattern: str) -> str | None:
    """The one name that a pattern stands for; None where it has wildcards.

    An underscore matches any character, but a name with underscores is first of all itself.
    """
    plain = _SET.sub(lambda found: found[1] if len(found[1]) == 1 else found[0], pattern)
    return None if "%" in plain or _SET.search(plain) else plain


def matches(pattern: str, name: str) -> bool:
    """Whether a name is among those that the pattern stands for; case counts."""
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=10_000)  # every rule is compared with every table
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *others = _chunks(pattern)
    if not others:
        return re.compile(first, re.DOTALL)
    # A chunk is best found at its first place, so nothing is tried twice, however many wildcards there are.
    middle = "".join(f"(?>.*?{chunk})" for chunk in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL)


def _chunks(pattern: str) -> list[str]:
    """The expressions, each of fixed length, between the wildcards for any text."""
    chunks, end = [""], 0
    for found in re.finditer(r"%|_|\[([^\]]+)\]", pattern):
        chunks[-1] += re.escape(pattern[end : found.start()])
        if found[0] == "%":
            chunks.append("")
        else:
            chunks[-1] += "." if found[0] == "_" else _characters(found[1])
        end = found.end()
    chunks[-1] += re.escape(pattern[end:])
    return chunks


def _characters(inside: str) -> str:
    """A set of characters; `a-d` is a range, where it runs forward."""
    whole = re.fullmatch(r"(.)-(.)", inside, re.DOTALL)
    if whole and whole[1] <= whole[2]:
        return f"[{re.escape(whole[1])}-{re.escape(whole[2])}]"
    return "[" + "".join(map(re.escape, inside)) + "]"


def literal_table(locator: Locator) -> str | None:
    """The one table, ``schema.table``, that a locator stands for; None where it has wildcards."""
    schema, table = literal(locator.schema_name), literal(locator.table_name)
    return None if schema is None or table is None else f"{schema}.{table}"


def matches_table(locator: Locator, table: str) -> bool:
    """Whether ``schema.table`` is among the tables that a locator stands for."""
    schema, _, name = table.partition(".")
    return matches(locator.schema_name, schema) and matches(locator.table_name, name)


def renamed(rule: Transformation, name: str) -> str | None:
    """What the rule makes of a name; None where it is no rule about names."""
    make = _NAMING.get(rule.rule_action)
    return None if make is None else make(name, rule.value or "", rule.old_value or "")


# From a name, the rule's value and its old value to the new name.
_NAMING: dict[str, Callable[[str, str, str], str]] = {
    "rename": lambda _name, value, _old: value,
    "convert-lowercase": lambda name, _value, _old: name.lower(),
    "convert-uppercase": lambda name, _value, _old: name.upper(),
    "add-prefix": lambda name, value, _old: value + name,
    "remove-prefix": lambda name, value, _old: name.removeprefix(value),
    "replace-prefix": lambda name, value, old: value + name[len(old) :] if name.startswith(old) else name,
    "add-suffix": lambda name, value, _old: name + value,
    "remove-suffix": lambda name, value, _old: name.removesuffix(value),
    "replace-suffix": lambda name, value, old: name.removesuffix(old) + value if name.endswith(old) else name,
}
