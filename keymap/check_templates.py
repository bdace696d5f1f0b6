"""Templates against the live schema: what their functions take, what has no text, and what can be NULL.

Problems are pairs of what is wrong and its remedy; keymap.check adds the place.
"""

from collections.abc import Iterator

from keymap.fields import Part
from keymap.kinds import INTEGERS, MADE_BY_HOOK, TEXTLESS, Kind, Unfit, either, kind_of
from keymap.rule import Rule
from keymap.schema import TableSchema
from keymap.template import Template

Found = Iterator[tuple[str, str]]


def field_kind(part: Part, schema: TableSchema) -> Kind:
    """The kind of a field's values. Raises Unfit, complete with column and function."""
    column = schema.column(part.column)
    kind = kind_of(column)
    for function in part.functions:
        try:
            kind = function.judge(kind)
        except Unfit as unfit:
            raise Unfit(
                f"column {column.name} ({column.column_type}): {function.name} {unfit.message}", unfit.remedy
            ) from None
        if function.other:
            kind = either(kind, kind_of(schema.column(function.other)))
    return kind


def template_kind(template: Template, schema: TableSchema) -> Kind:
    """The kind of what `Template.value` gives. Raises Unfit where a function does not take its column."""
    return field_kind(template.alone, schema) if template.alone else "text"


def text_problems(template: Template, schema: TableSchema) -> Found:
    """What keeps a template from having a text: for keys of type S and names of attributes."""
    return _problems(template, schema, needs_text=True)


def value_problems(template: Template, schema: TableSchema) -> Found:
    """What keeps a template from having a value: one field alone needs no text."""
    return _problems(template, schema, needs_text=template.alone is None)


def _problems(template: Template, schema: TableSchema, *, needs_text: bool) -> Found:
    for part in template.parts:
        if not part.column:
            continue
        column = schema.column(part.column)
        try:
            kind = field_kind(part, schema)
        except Unfit as unfit:
            yield f"{unfit.message}, in {template.text!r}", unfit.remedy
            continue
        if part.spec and column.data_type not in INTEGERS | {MADE_BY_HOOK}:
            yield f"{{{column.name}:{part.spec}}} pads an integer, and the column is none", "Remove the format"
        if needs_text and kind in TEXTLESS:
            yield f"column {column.name} ({column.column_type}) has no text for a template", _TEXT_REMEDIES[kind]


_TEXT_REMEDIES = {
    "bytes": "Make text of it with hex or base64, or use it alone, as a key of type B",
    "json": "Take a value out of it with json('$.path'), or all of its text, with text",
    "set": "Use another column",
}


def null_problems(rule: Rule, template: Template, schema: TableSchema) -> Found:
    """Fields of a key that can be NULL although no default and no condition keeps NULL out."""

    def nullable(name: str) -> bool:
        condition = rule.document.where.get(name)
        return schema.column(name).nullable and (condition is None or bool(condition.is_null))

    for part in template.parts:
        covered = any(name in rule.document.defaults for name in part.columns)
        if not part.column or covered or not _may_be_null(part, {name for name in part.columns if nullable(name)}):
            continue
        if not nullable(part.column):
            what = f"json may find nothing in column {part.column}, and {template.text!r} needs it"
            yield what, "Add default('…') as the field's last function"
        else:
            default = f"a default (defaults: {{{part.column}: …}}, or default('…') as the field's last function)"
            remedy = f"Add {default} or a filter (where: {{{part.column}: {{is_null: false}}}})"
            yield f"column {part.column} can be NULL, and {template.text!r} needs it", remedy


def _may_be_null(part: Part, nullable: set[str]) -> bool:
    found = part.column in nullable
    for function in part.functions:
        if function.name == "json":
            found = True
        elif function.other:
            found = found and function.other in nullable
        elif function.null_value is not None:
            found = False
    return found
