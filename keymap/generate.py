"""Rows mapped by Python code that is written for a rule: what nearly all rows need, without a loop.

Functions are written that make a rule's key, and what its lane is told by, and for each shape of row one that turns its
columns into attributes, and one that makes it of a chunk's line. Each knows the usual values only. Whatever else comes
goes to the plain code (`Rule.patch`, `conversions.converted`), which says what is right and raises every error; tests
hold these functions to it. Names and literal text get into the source as repr() only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from zlib import crc32

from keymap.attributes import INTEGER_END, PARTITION_KEY_BYTES_MAX, json_attribute, json_text_attribute, number
from keymap.conversions import converted
from keymap.fields import Part
from keymap.nesting import LEVELS_MAX
from keymap.patch import Item, Key
from keymap.targets import KeyAttribute
from keymap.template import Template
from keymap.values import Json, Row
from keymap.wire import PLAIN, decode_typed

QuickKey = Callable[[Row], Key | None]  # None: the plain code must look at the row
QuickCheck = Callable[[Row], int | None]  # the same
QuickPlace = Callable[[Row], tuple[int, Key] | None]  # the same
Put = Callable[[Row, Item], None]  # the attributes of a row's columns into an item; raises PatchError where one cannot
MakeRow = Callable[[list[Any]], Row]  # raises ValueError for more or fewer values, WireError for an unknown type


class Chosen(NamedTuple):
    """A column, the attribute that it becomes, and the type that it is asked to have (None: its own)."""

    column: str
    name: str
    wanted: str | None


_INTEGER: Final = f"type(VALUE) is int and -{INTEGER_END} < VALUE < {INTEGER_END}"


def quick_key(
    keys: Sequence[KeyAttribute], templates: Sequence[Template], limits: Sequence[int], defaults: dict[str, str]
) -> QuickKey:
    """The function for a rule with these keys, which may have so many bytes."""
    scope: dict[str, Any] = {"defaults": defaults}
    values, lines = _key_lines(keys, templates, limits, scope)
    found: QuickKey = _compiled("key(row)", [*lines, f"return {', '.join(values)},"], scope)
    return found


def quick_check(
    begin: int,
    keys: Sequence[KeyAttribute],
    templates: Sequence[Template],
    limits: Sequence[int],
    defaults: dict[str, str],
) -> QuickCheck:
    """The function that gives, for the same rule, the number that the lane of a row's item is told by (keymap.lanes).

    `begin` is the table's own.
    """
    scope: dict[str, Any] = {"defaults": defaults}
    values, lines = _key_lines(keys, templates, limits, scope)
    check = _check(begin, keys, values, lines, scope)
    found: QuickCheck = _compiled("check(row)", [*lines, f"return {check}"], scope)
    return found


def quick_place(
    begin: int,
    keys: Sequence[KeyAttribute],
    templates: Sequence[Template],
    limits: Sequence[int],
    defaults: dict[str, str],
) -> QuickPlace:
    """The function that gives both, that number and the key."""
    scope: dict[str, Any] = {"defaults": defaults}
    values, lines = _key_lines(keys, templates, limits, scope)
    check = _check(begin, keys, values, lines, scope)
    found: QuickPlace = _compiled("place(row)", [*lines, f"return {check}, ({', '.join(values)},)"], scope)
    return found


def _check(
    begin: int, keys: Sequence[KeyAttribute], values: Sequence[str], lines: list[str], scope: dict[str, Any]
) -> str:
    """The expression of that number, and in `lines` and `scope` what it needs."""
    scope["crc32"] = crc32
    check = f"{begin}"
    for value, key in zip(values, keys, strict=True):
        scope[f"{value}_heads"] = _heads(key.type)
        if key.type == "N":
            lines.append(f"{value}_bytes = b'%d' % {value}")
        data = value if key.type == "B" else f"{value}_bytes"
        check = f"crc32({data}, crc32({value}_heads[len({data})], {check}))"
    return check


@cache
def _heads(key_type: str) -> tuple[bytes, ...]:
    """What precedes a value of so many bytes: picked for half of what writing it would cost."""
    return tuple(b"%d:%b" % (size + 1, key_type.encode()) for size in range(PARTITION_KEY_BYTES_MAX + 1))


def _key_lines(
    keys: Sequence[KeyAttribute], templates: Sequence[Template], limits: Sequence[int], scope: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """The names of the values of a key, and the lines that make them, and of text the bytes, under `<name>_bytes`."""
    lines, values = [], [f"key{index}" for index in range(len(keys))]
    for value, key, template, limit in zip(values, keys, templates, limits, strict=True):
        if key.type == "S":
            scope[f"render_{value}"] = template.render
            lines += [*_rendered(template, value), f"{value}_bytes = {value}.encode()"]
            lines.append(_unless(f"0 < len({value}_bytes) <= {limit}"))
        elif not template.bare:  # functions are left to the plain code
            lines.append("return None")
        else:
            usual = _INTEGER if key.type == "N" else f"type(VALUE) is bytes and 0 < len(VALUE) <= {limit}"
            lines += [f"{value} = row[{template.bare!r}]", _unless(usual.replace("VALUE", value))]
    return values, ["try:", *(f"    {line}" for line in lines), "except KeyError: return None"]


def _unless(usual: str) -> str:
    return f"if not ({usual}): return None"


def _rendered(template: Template, value: str) -> Iterator[str]:
    """The lines that render a template. One with functions is left to the plain code."""
    if any(part.functions for part in template.parts):
        yield f"{value} = render_{value}(row, defaults)"
        return
    pieces = []
    for index, part in enumerate(template.parts):
        pieces.append(repr(part.literal))
        if part.column:
            yield from _field(part, f"{value}_{index}")
            pieces.append(f"f'{{{value}_{index}}}'")
    yield f"{value} = {' '.join(pieces) or repr('')}"  # literals side by side are one to the compiler


def _field(part: Part, value: str) -> Iterator[str]:
    yield f"{value} = row[{part.column!r}]"
    if part.spec:
        yield _unless(f"type({value}) is int")
        yield f"{value} = {f'%{part.spec}'!r} % {value}"  # for integers the same as format(), in half the time
    else:
        yield _unless(f"type({value}) is int or type({value}) is str")


class _Usual(NamedTuple):
    """What is usual of a value, and its attribute. `raises`: making it may raise an `odd` error."""

    when: str
    made: str
    raises: bool = False


_TEXT: Final = _Usual("type(VALUE) is str", "{'S': VALUE}")
_BYTES: Final = _Usual("type(VALUE) is bytes", "{'B': VALUE}")
_WHOLE: Final = _Usual(_INTEGER, "{'N': f'{VALUE}'}")
_DECIMAL: Final = _Usual("type(VALUE) is Decimal", "number(VALUE)")
_JSON: Final = _Usual(
    "type(VALUE) is Json", "json_text_attribute(VALUE.text, room) or json_attribute(VALUE, room)", raises=True
)
_JSON_TEXT: Final = _Usual("type(VALUE) is str", "json_text_attribute(VALUE, room) or ASKED", raises=True)
_USUAL: Final[dict[str | None, tuple[_Usual, ...]]] = {
    None: (_TEXT, _WHOLE, _DECIMAL, _BYTES, _JSON),
    "S": (_TEXT, _Usual(_INTEGER, "{'S': f'{VALUE}'}")),
    "N": (_WHOLE,),
    "BOOL": (_Usual("type(VALUE) is int and 0 <= VALUE <= 1", "{'BOOL': VALUE == 1}"),),
    "B": (_BYTES,),
    "JSON": (_JSON, _JSON_TEXT),
}  # by the type that is asked for


def put_columns(names: Sequence[str], chosen: Iterable[Chosen], *, keep_nulls: bool, room: int = LEVELS_MAX) -> Put:
    """The function for rows whose columns are `names`, in this order; `room` as for `converted`."""
    values = {name: f"value{index}" for index, name in enumerate(names)}
    lines = [f"{', '.join(values.values())}, = row.values()" if values else "pass"]
    for one in chosen:
        lines += _column(one, values[one.column], keep_nulls=keep_nulls)
    found: Put = _compiled("put(row, item)", lines, {**_SHARED, "room": room})
    return found


@lru_cache(maxsize=64)  # tables are read one after the other
def row_maker(names: tuple[str, ...]) -> MakeRow:
    """The function that makes a row with these columns of its values as typed JSON (keymap.wire), in their order."""
    values = {name: f"value{index}" for index, name in enumerate(names)}
    made = (f"{name!r}: {value} if type({value}) in plain else typed({value})" for name, value in values.items())
    lines = [f"({''.join(f'{value}, ' for value in values.values())}) = given", f"return {{{', '.join(made)}}}"]
    found: MakeRow = _compiled("row(given)", lines, {"plain": PLAIN, "typed": decode_typed})
    return found


def _column(chosen: Chosen, value: str, *, keep_nulls: bool) -> Iterator[str]:
    target, asked = f"item[{chosen.name!r}]", f"converted({value}, {chosen.wanted!r}, {chosen.column!r}, room)"
    null = f"{target} = {{'NULL': True}}" if keep_nulls else "pass"
    word = "if"
    for usual in _USUAL.get(chosen.wanted, ()):
        made = f"{target} = {usual.made.replace('VALUE', value).replace('ASKED', asked)}"
        yield f"{word} {usual.when.replace('VALUE', value)}:"
        yield from (f"    try: {made}", f"    except odd: {target} = {asked}") if usual.raises else (f"    {made}",)
        word = "elif"
    yield f"{word} {value} is None: {null}"
    yield "else:"
    yield f"    found = {asked}"
    yield f"    if found is not None: {target} = found"


_SHARED: Final[dict[str, Any]] = {
    "Decimal": Decimal,
    "Json": Json,
    "converted": converted,
    "odd": (ArithmeticError, RecursionError, ValueError),
    "json_attribute": json_attribute,
    "json_text_attribute": json_text_attribute,
    "number": number,
}


def _compiled(signature: str, lines: Iterable[str], scope: dict[str, Any]) -> Any:  # noqa: ANN401 - the caller says
    text = f"def {signature}:\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(text, "<a table's items>", "exec"), scope)  # noqa: S102 - names are in it as repr() only
    return scope[signature.partition("(")[0]]
