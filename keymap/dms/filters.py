"""Source filters of a selection rule as conditions of a keymap's `where`.

DMS knows no types here: `"100"` is compared with a number or a text as the column is. A keymap compares exactly, so a
value that looks like a number is looked for in both forms.
"""

import re
from collections.abc import Iterable

from keymap.dms.expressions import number
from keymap.dms.rules import Condition, Filter, Text

Value = str | int | float | bool
ColumnCondition = dict[str, Value | list[Value]]
Conditions = dict[str, ColumnCondition]

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:.*", re.DOTALL)


def where_of(filters: Iterable[Filter]) -> tuple[Conditions, list[tuple[Filter, str]]]:
    """Conditions by column, and the filters that cannot be said, each with the reason."""
    found: Conditions = {}
    refused = []
    for one in filters:
        try:
            _add(found, one)
        except ValueError as error:
            refused.append((one, str(error)))
    return found, refused


def _add(found: Conditions, one: Filter) -> None:
    new = _condition(one.filter_conditions)
    old = found.get(one.column_name)
    found[one.column_name] = new if old is None else _both(old, new)


def _both(old: ColumnCondition, new: ColumnCondition) -> ColumnCondition:
    """Both conditions. Raises ValueError where nothing could meet them."""
    both = {**old, **new}
    if "in" in old and "in" in new:
        both["in"] = [value for value in _values(old["in"]) if value in _values(new["in"])]
    if "not_in" in old and "not_in" in new:
        both["not_in"] = [*_values(old["not_in"]), *_values(new["not_in"])]
    asks_null = {condition["is_null"] for condition in (old, new) if "is_null" in condition}
    if both.get("in") == [] or len(asks_null) > 1 or (asks_null == {True} and len(both) > 1):
        raise ValueError("it contradicts another filter of the same column")
    return both


def _condition(conditions: list[Condition]) -> ColumnCondition:
    operators = {condition.filter_operator for condition in conditions}
    if operators <= {"eq"}:
        return {"in": [form for condition in conditions for form in _forms(condition.value)]}
    if len(conditions) > 1:
        raise ValueError("alternatives other than equality cannot be said")
    (condition,) = conditions
    if condition.filter_operator == "noteq":
        return {"not_in": list(_forms(condition.value))}
    if condition.filter_operator in {"null", "notnull"}:
        return {"is_null": condition.filter_operator == "null"}
    raise ValueError(f"there are no ranges ({condition.filter_operator})")


def _values(value: Value | list[Value]) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _forms(value: Text | None) -> list[Value]:
    """The values that a filter's value may be: a number and a text, where it looks like a number."""
    if isinstance(value, bool):
        return [int(value)]
    text = str(value)
    if _TIME.fullmatch(text):
        raise ValueError("how a time is written depends on the column's type and digits")
    as_number = number(text)
    return [text] if as_number is None else [as_number, text]
