"""The functions of templates: pure, from one canonical value to another, and fixed for ever once released.

A function is compiled once, when the keymap is read: its arguments are checked then, and what a row costs is the call.
NULL goes past every function but `default` and `coalesce`. `docs/keymap.md` has them all in one table.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from zlib import crc32

from keymap.json_path import JsonPath
from keymap.kinds import NUMBERS, TEXTS, Kind, Unfit, either, kind_of_value, wrong
from keymap.moments import DateFormat, Epoch, kind_of_text
from keymap.parameters import Argument, Name, Parameter, bound
from keymap.values import Canonical, Json

_NUMBER_TEXT: Final = re.compile(r"[+-]?([0-9]{1,200}(\.[0-9]{0,200})?|\.[0-9]{1,200})([eE][+-]?[0-9]{1,3})?").fullmatch
_WHOLE_TEXT: Final = re.compile(r"[+-]?[0-9]{1,200}").fullmatch

Call = Callable[[Canonical], Canonical]
Judge = Callable[[Kind], Kind]


@dataclass(frozen=True, slots=True)
class Function:
    """One compiled function of a field.

    `call` is never given NULL; NULL becomes `null_value`, or what column `other` holds. `judge` gives the kind of the
    result for a kind of value. Both raise Unfit. `width` is that of every result in characters, where it is fixed.
    """

    name: str
    arguments: tuple[tuple[str, int | str], ...]
    call: Call = field(compare=False, repr=False)
    judge: Judge = field(compare=False, repr=False)
    one_to_one: bool = False
    width: int | None = None
    null_value: int | str | None = None
    other: str = ""


@dataclass(frozen=True, slots=True)
class _Definition:
    """A function as it can be written: its parameters, and what makes the compiled function of their values."""

    make: Callable[..., Mapping[str, Any]]  # the fields of Function that the arguments decide
    parameters: tuple[Parameter, ...] = ()
    one_to_one: bool = False


def compile_function(name: str, positional: list[Argument], named: dict[str, Argument]) -> Function:
    """The function of that name for these arguments. Raises ValueError where there is none, or they do not fit it."""
    definition = _DEFINITIONS.get(name)
    if definition is None:
        raise ValueError(f"function {name!r} is not known; there are {', '.join(sorted(_DEFINITIONS))}")
    try:
        arguments = bound(definition.parameters, positional, named)
        made = definition.make(**arguments)
    except ValueError as mistake:
        raise ValueError(f"{_signature(name, definition)}: {mistake}") from None
    return Function(name, tuple(arguments.items()), one_to_one=definition.one_to_one, **made)


def _signature(name: str, definition: _Definition) -> str:
    names = ", ".join(parameter.name for parameter in definition.parameters)
    return f"{name}({names})" if names else name


def _takes(kinds: frozenset[Kind], wanted: str, gives: Kind | None = None) -> Judge:
    """A judge that accepts some kinds, and gives one kind for all of them (None: the kind that it was given)."""

    def judge(kind: Kind) -> Kind:
        if kind not in kinds and kind != "any":
            raise wrong(wanted, kind)
        return gives or kind

    return judge


def text_of_value(value: Canonical) -> str:
    """The text that a value is or stands for: numbers with all their digits, JSON as its text. Raises Unfit."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Json):
        return value.text
    raise wrong("what has a text", kind_of_value(value))


def _bytes_of(value: Canonical) -> bytes:
    return value if isinstance(value, bytes) else text_of_value(value).encode()


def _of_text(change: Callable[[str], str]) -> Mapping[str, Any]:
    """A function from text to text."""

    def call(value: Canonical) -> str:
        if not isinstance(value, str):
            raise wrong("text", kind_of_value(value))
        return change(value)

    return {"call": call, "judge": _takes(TEXTS, "text", "text")}


def _of_bytes(change: Callable[[bytes], str]) -> Mapping[str, Any]:
    """A function from bytes, or text as UTF-8, to text."""

    def call(value: Canonical) -> str:
        if not isinstance(value, bytes | str):
            raise wrong("bytes or text", kind_of_value(value))
        return change(_bytes_of(value))

    return {"call": call, "judge": _takes(_BYTES_OR_TEXT, "bytes or text", "text")}


_BYTES_OR_TEXT: Final[frozenset[Kind]] = TEXTS | {"bytes"}


def _left(count: int) -> Mapping[str, Any]:
    return _of_text(lambda text: text[:count])


def _pad(width: int, fill: str | None = None) -> Mapping[str, Any]:
    if fill is not None and len(fill) != 1:
        raise ValueError("fill must be one character")

    def call(value: Canonical) -> str:
        judge(kind_of_value(value))
        text = text_of_value(int(value) if isinstance(value, Decimal) else value)
        # zfill keeps a sign in front, as the format :010d does; a text's hyphen is no sign.
        signed = fill in {None, "0"} and not isinstance(value, str)
        return text.zfill(width) if signed else text.rjust(width, fill or "0")

    def judge(kind: Kind) -> Kind:
        if kind not in TEXTS | {"integer", "any"}:
            raise wrong("text or a whole number", kind)
        if kind in TEXTS and fill is None:
            raise Unfit("is given text and no character to fill it with", f"Name it, as in pad({width}, ' ')")
        return "text"

    return {"call": call, "judge": judge}


def _text() -> Mapping[str, Any]:
    accepted = _takes(_WITH_TEXT, "what has a text")

    def judge(kind: Kind) -> Kind:
        return kind if accepted(kind) in TEXTS else "text"  # a date stays one

    return {"call": text_of_value, "judge": judge}


_NUMERIC: Final[frozenset[Kind]] = NUMBERS | {"text"}
_WITH_TEXT: Final[frozenset[Kind]] = TEXTS | NUMBERS | {"json"}
_DIGESTIBLE: Final[frozenset[Kind]] = _WITH_TEXT | {"bytes"}


def _number() -> Mapping[str, Any]:
    def call(value: Canonical) -> Canonical:
        if isinstance(value, int | Decimal):
            return value
        if not isinstance(value, str):
            raise wrong("text or a number", kind_of_value(value))
        if not _NUMBER_TEXT(value):
            raise Unfit("takes a number's text, and this is none", "Filter such rows out, or leave the text as it is")
        return int(value) if _WHOLE_TEXT(value) else Decimal(value)

    def judge(kind: Kind) -> Kind:
        return "integer" if _takes(_NUMERIC, "text or a number")(kind) == "integer" else "number"

    return {"call": call, "judge": judge}


def _default(value: int | str) -> Mapping[str, Any]:
    kind: Kind = kind_of_text(value) if isinstance(value, str) else "integer"
    return {"call": _same, "judge": lambda given: either(given, kind), "null_value": value}


def _coalesce(column: str) -> Mapping[str, Any]:
    if not column:
        raise ValueError("column is empty")
    return {"call": _same, "judge": _unchanged, "other": column}  # the check adds the other column's kind


def _same(value: Canonical) -> Canonical:
    return value


def _unchanged(kind: Kind) -> Kind:
    return kind


def _shard(count: int) -> Mapping[str, Any]:
    width = len(str(count - 1))
    judge = _takes(_DIGESTIBLE, "what has a text, or bytes", "text")
    return {"call": lambda value: f"{crc32(_bytes_of(value)) % count:0{width}d}", "judge": judge, "width": width}


def _hash(digits: int) -> Mapping[str, Any]:
    judge = _takes(_DIGESTIBLE, "what has a text, or bytes", "text")
    return {"call": lambda value: sha256(_bytes_of(value)).hexdigest()[:digits], "judge": judge, "width": digits}


def _date(format: str) -> Mapping[str, Any]:  # noqa: A002 - the argument's name in the language
    made = DateFormat(format)
    return {"call": made, "judge": made.judge, "width": made.width}


def _epoch(zone: str | None = None) -> Mapping[str, Any]:
    made = Epoch(zone)
    return {"call": made, "judge": made.judge}


_JSON: Final[frozenset[Kind]] = frozenset({"json", "text"})


def _json(path: str) -> Mapping[str, Any]:
    return {"call": JsonPath(path), "judge": _takes(_JSON, "JSON", "any")}


_CHARACTERS_MAX: Final = 2048  # of what is cut or filled: DynamoDB's longest key
_SHARDS_MAX: Final = 1_000_000
_WHOLE_MAX: Final = 10**18 - 1

_DEFINITIONS: Final[Mapping[str, _Definition]] = MappingProxyType(
    {
        "upper": _Definition(lambda: _of_text(str.upper)),
        "lower": _Definition(lambda: _of_text(str.lower)),
        "trim": _Definition(lambda: _of_text(lambda text: text.strip(" \t\r\n"))),
        "left": _Definition(_left, (Parameter("count", (int,), 1, _CHARACTERS_MAX),)),
        "pad": _Definition(
            _pad,
            (Parameter("width", (int,), 1, _CHARACTERS_MAX), Parameter("fill", (str,), needed=False)),
        ),
        "text": _Definition(_text, one_to_one=True),
        "number": _Definition(_number),
        "default": _Definition(_default, (Parameter("value", (str, int), -_WHOLE_MAX, _WHOLE_MAX),)),
        "coalesce": _Definition(_coalesce, (Parameter("column", (Name, str)),)),
        "date": _Definition(_date, (Parameter("format", (str,)),)),
        "epoch": _Definition(_epoch, (Parameter("zone", (str,), needed=False),)),
        "shard": _Definition(_shard, (Parameter("count", (int,), 2, _SHARDS_MAX),)),
        "hash": _Definition(_hash, (Parameter("digits", (int,), 1, 64),)),
        "hex": _Definition(lambda: _of_bytes(bytes.hex), one_to_one=True),
        "base64": _Definition(lambda: _of_bytes(lambda data: b64encode(data).decode()), one_to_one=True),
        "json": _Definition(_json, (Parameter("path", (str,)),)),
    }
)
