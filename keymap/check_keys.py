"""Keys of type N and B against the live schema: the one field that such a key is must give a value of its type.

A field of no certain kind, such as what `json` finds, is passed here and looked at in each row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from keymap.check_templates import null_problems, template_kind, value_problems
from keymap.kinds import NUMBERS, Kind
from keymap.rule import Rule
from keymap.schema import TableSchema
from keymap.targets import KeyAttribute
from keymap.template import Template

_WORDS: Mapping[str, str] = MappingProxyType({"N": "a number", "B": "binary"})
_KINDS: Mapping[str, frozenset[Kind]] = MappingProxyType({"N": NUMBERS | {"any"}, "B": frozenset({"bytes", "any"})})


def typed_key_problems(
    rule: Rule, part: KeyAttribute, template: Template, schema: TableSchema
) -> Iterator[tuple[str, str]]:
    """What keeps a key of type N or B from having a value of its type, as pairs of what is wrong and its remedy."""
    unfit = list(value_problems(template, schema))
    yield from unfit
    if not unfit and template_kind(template, schema) not in _KINDS[part.type]:
        column = schema.column(template.columns[0])
        given = f"column {column.name} is {column.column_type}" if template.bare else f"{template.text!r} gives none"
        yield f"key {part.name} is {_WORDS[part.type]}, and {given}", "Make the key type S"
    defaulted = any(name in rule.document.defaults for name in template.columns)
    for what, _ in null_problems(_without_defaults(rule), template, schema):
        more = f", where a text of defaults is no {part.type}" if defaulted else ""
        yield f"{what}{more}", f"{_DEFAULT[part.type]}, or keep NULL out with a condition (where)"


_DEFAULT: Mapping[str, str] = MappingProxyType(
    {"N": "Add default(0), or another number, as the field's last function", "B": "Use a column that is NOT NULL"}
)


def _without_defaults(rule: Rule) -> Rule:
    return replace(rule, document=rule.document.model_copy(update={"defaults": {}}))
