"""Transformation rules about columns, applied to a draft: names, types, columns that go or come."""

from collections.abc import Callable, Iterator

from keymap.dms.drafts import TYPES, Draft
from keymap.dms.expressions import of_expression
from keymap.dms.names import literal, renamed
from keymap.dms.remarks import Remarks
from keymap.dms.rules import AnyRule, Transformation

# Where the columns that a wildcard means have to be listed by hand.
_BY_HAND = {
    "remove-column": "List the columns under `exclude`, or they are stored",
    "include-column": "List the columns under `include`",
    "change-data-type": "List the columns under `types`",
}


def column_name(about: list[AnyRule], column: str) -> str:
    """A column's name at the target; `about` are the rules about its table."""
    for rule in _column_rules(about):
        if _column(rule) == column:
            return renamed(rule, column) or column
    return column


def masked_columns(about: list[AnyRule]) -> frozenset[str]:
    """The columns that DMS masks, as far as the rules about a table name them."""
    masking = (rule for rule in _column_rules(about) if rule.rule_action.startswith("data-masking-"))
    return frozenset(column for column in map(_column, masking) if column is not None)


def transform(draft: Draft, about: list[AnyRule], remarks: Remarks) -> None:
    """Apply the rules about the draft's table; what cannot be said is remarked."""
    for rule in _column_rules(about):
        try:
            _apply(draft, rule, remarks)
        except ValueError as error:
            what = f"{rule.rule_action} is not carried over to {draft.table}: {error}"
            remarks.leave_out(rule.label, what, f"Say it in the rule of {draft.table} by hand (docs/keymap.md)")


def _column_rules(about: list[AnyRule]) -> Iterator[Transformation]:
    for rule in about:
        if isinstance(rule, Transformation) and rule.rule_target == "column":
            yield rule


def _apply(draft: Draft, rule: Transformation, remarks: Remarks) -> None:
    if rule.rule_action == "add-column":
        _add_column(draft, rule, remarks)
    elif rule.rule_action == "add-before-image-columns":
        remedy = "Compare images in the application's own change stream, if it needs them"
        remarks.leave_out(rule.label, "an item holds what a row is, and not what it was before", remedy)
    elif (column := _column(rule)) is None:
        _remark_wildcard(rule, remarks)
    elif rule.rule_action.startswith("data-masking-"):
        _mask(draft, rule, column, remarks)
    elif (name := renamed(rule, column)) is not None:
        _rename(draft, column, name)
    else:
        _OTHERS[rule.rule_action](draft, rule, column)


def _column(rule: Transformation) -> str | None:
    """The one column that a rule is about; None where it has wildcards."""
    return literal(rule.object_locator.column_name or "%")


def _remark_wildcard(rule: Transformation, remarks: Remarks) -> None:
    which = rule.object_locator.column_name or "%"
    what = f"{rule.rule_action} is about columns like {which}, and which these are is not known here"
    fallback = "List the columns under `rename`"
    if rule.rule_action.startswith("data-masking-"):
        fallback = "List the columns under `exclude`, or they are stored in the clear"
    remarks.leave_out(rule.label, what, _BY_HAND.get(rule.rule_action, fallback))


def _rename(draft: Draft, column: str, name: str) -> None:
    if "${" in name or not name:
        raise ValueError(f"{name!r} as a name has variables, or is empty")
    if column not in draft.exclude:
        draft.rename_column(column, name)


def _mask(draft: Draft, rule: Transformation, column: str, remarks: Remarks) -> None:
    draft.hide(column)
    what = f"column {column} of {draft.table} is excluded, because Keyshift does not mask ({rule.rule_action})"
    remedy = f'A digest of it can be stored under `attributes`: "{{{column}|hash(64)}}"'
    remarks.leave_out(rule.label, what, remedy)


def _change_type(draft: Draft, rule: Transformation, column: str) -> None:
    wanted = rule.data_type.type if rule.data_type else ""
    kind = TYPES.get(wanted.lower())
    if kind is None:
        raise ValueError(f"DynamoDB has no type for {wanted}")
    if column not in draft.exclude:
        draft.types[column] = kind


def _remove(draft: Draft, _: Transformation, column: str) -> None:
    draft.hide(column)


def _include(_: Draft, rule: Transformation, column: str) -> None:
    raise ValueError(f"whether {rule.rule_action} of {column} leaves the others out is not documented; see `include`")


def _without_meaning(_: Draft, rule: Transformation, column: str) -> None:
    raise ValueError(f"{rule.rule_action} has no meaning for a column ({column})")


_OTHERS: dict[str, Callable[[Draft, Transformation, str], None]] = {
    "change-data-type": _change_type,
    "remove-column": _remove,
    "include-column": _include,
    "define-primary-key": _without_meaning,
}


def _add_column(draft: Draft, rule: Transformation, remarks: Remarks) -> None:
    name = rule.value or ""
    if rule.expression is None:
        remarks.note(rule.label, f"column {name} has no expression, so it is NULL, and no attribute", "Nothing")
        return
    schema, _, table = draft.table.partition(".")
    known = {"AR_M_SOURCE_SCHEMA": schema, "AR_M_SOURCE_TABLE_NAME": table}
    kind = TYPES.get(rule.data_type.type.lower()) if rule.data_type else None
    draft.add(name, of_expression(rule.expression, known), kind)
