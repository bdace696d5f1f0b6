"""A column's definition in a statement: its type in information_schema's words, and what it says of rows that exist."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cdc.words import NotUnderstood, Words


@dataclass(frozen=True, slots=True)
class Definition:
    """`charset` and `collation` "", `nullable` None: not said. `default`: whether it names another one than NULL.

    `generated`: the server makes its values of other columns; `on_update`: of the clock, with each change; `counts`: it
    is AUTO_INCREMENT; `primary`: it is the primary key.
    """

    data_type: str
    column_type: str
    charset: str = ""
    collation: str = ""
    nullable: bool | None = None
    default: bool = False
    generated: bool = False
    on_update: bool = False
    counts: bool = False
    primary: bool = False


TEXTS: Final = frozenset("char varchar tinytext text mediumtext longtext enum set".split())
_INTEGERS: Final = {
    "TINYINT": "tinyint", "INT1": "tinyint", "BOOL": "tinyint", "BOOLEAN": "tinyint", "SMALLINT": "smallint",
    "INT2": "smallint", "MEDIUMINT": "mediumint", "INT3": "mediumint", "MIDDLEINT": "mediumint", "INT": "int",
    "INTEGER": "int", "INT4": "int", "BIGINT": "bigint", "INT8": "bigint",
}  # fmt: skip
_LENGTHS: Final = {  # types with a length, and what it is where none is given
    "CHAR": "1", "CHARACTER": "1", "VARCHAR": "", "VARCHARACTER": "", "BINARY": "1", "VARBINARY": "", "BIT": "1",
    "DATETIME": "0", "TIMESTAMP": "0", "TIME": "0", "VECTOR": "",
}  # fmt: skip
_PLAIN: Final = frozenset(
    "TINYTEXT TEXT MEDIUMTEXT LONGTEXT TINYBLOB BLOB MEDIUMBLOB LONGBLOB DATE YEAR JSON UUID INET4 INET6 GEOMETRY POINT"
    " LINESTRING POLYGON MULTIPOINT MULTILINESTRING MULTIPOLYGON GEOMETRYCOLLECTION GEOMCOLLECTION".split()
)
_SAME: Final = {"character": "char", "varcharacter": "varchar"}
_BEYOND_UTF8MB3: Final = re.compile("[\U00010000-\U0010ffff]")
_DECIMALS: Final = frozenset({"DECIMAL", "DEC", "NUMERIC", "FIXED"})


def definition(words: Words) -> Definition:
    """The definition that is next, up to where it ends. Raises NotUnderstood."""
    data_type, column_type = _type(words)
    said: dict[str, object] = {}
    while words and words.peek() not in {"FIRST", "AFTER"}:
        said |= _attribute(words)
    if said.pop("unsigned", False):
        column_type += " unsigned"
    return Definition(data_type, column_type, **said)  # type: ignore[arg-type]  # `_attribute` gives its fields


def _type(words: Words) -> tuple[str, str]:
    """The type as information_schema's DATA_TYPE and COLUMN_TYPE, without what follows it."""
    kind = words.peek()
    words.take()
    if kind in _INTEGERS:
        shown = "(1)" if kind in {"BOOL", "BOOLEAN"} else _arguments(words)
        name = _INTEGERS[kind]
        return name, f"{name}(1)" if name == "tinyint" and shown == "(1)" else name
    if kind in _LENGTHS:
        name = "varchar" if kind in {"CHAR", "CHARACTER"} and words.skip("VARYING") else kind.lower()
        name = _SAME.get(name, name)
        length = _arguments(words) or (f"({_LENGTHS[kind]})" if _LENGTHS[kind] else "")
        return name, name + ("" if length == "(0)" else length)
    if kind in _PLAIN:
        if kind == "YEAR":
            _arguments(words)
        return kind.lower(), kind.lower()
    if kind in _DECIMALS:
        digits = _arguments(words) or "(10,0)"
        return "decimal", "decimal" + (digits if "," in digits else digits.replace(")", ",0)"))
    if kind in {"FLOAT", "DOUBLE", "REAL"}:
        return _real(kind, words)
    if kind in {"ENUM", "SET"}:
        return kind.lower(), f"{kind.lower()}({','.join(_labels(words))})"
    raise NotUnderstood(kind or "a type")


def _real(kind: str, words: Words) -> tuple[str, str]:
    words.skip("PRECISION")
    digits = _arguments(words)
    if digits and "," not in digits:  # FLOAT(24) is one, FLOAT(25) is a DOUBLE
        raise NotUnderstood(kind)
    name = "float" if kind == "FLOAT" else "double"
    return name, name + digits


def _arguments(words: Words) -> str:
    """Numbers in parentheses, "" where none are next."""
    if words.peek() != "(":
        return ""
    text = "".join(word.text for word in words.parenthesised())
    if not re.fullmatch(r"\d+(,\d+)?", text):
        raise NotUnderstood("a type's length")
    return f"({text})"


def _labels(words: Words) -> list[str]:
    found = words.parenthesised()
    labels = [word.literal for word in found[::2]]
    if any(word.upper != "," for word in found[1::2]) or not all(map(_is_plain, labels)):
        raise NotUnderstood("a label")
    return [_BEYOND_UTF8MB3.sub("?", label) for label in labels]  # as information_schema prints them


def _is_plain(label: str) -> bool:
    """Backslashes mean one thing or another by sql_mode, and so do double quotes."""
    return label.startswith("'") and "\\" not in label


_FLAGS: Final[tuple[tuple[tuple[str, ...], dict[str, object]], ...]] = (
    (("NOT", "NULL"), {"nullable": False}),
    (("NULL",), {"nullable": True}),
    (("UNSIGNED",), {"unsigned": True}),
    (("ZEROFILL",), {"unsigned": True}),
    (("SIGNED",), {}),
    (("AUTO_INCREMENT",), {"counts": True}),
    (("UNIQUE", "KEY"), {}),
    (("UNIQUE",), {}),
    (("PRIMARY", "KEY"), {"primary": True}),
    (("KEY",), {"primary": True}),
    (("VISIBLE",), {}),
    (("INVISIBLE",), {}),
)


def _attribute(words: Words) -> dict[str, object]:
    """What the next attribute says. Raises NotUnderstood."""
    for keywords, said in _FLAGS:
        if words.skip(*keywords):
            return said
    for keywords, read in _READERS:
        if words.skip(*keywords):
            return read(words)
    raise NotUnderstood(words.here())


def _collation(name: str) -> dict[str, object]:
    return {"charset": _charset(name.partition("_")[0]), "collation": name.lower()}


def _generated(words: Words) -> dict[str, object]:
    words.parenthesised()
    for kind in ("VIRTUAL", "STORED", "PERSISTENT"):
        words.skip(kind)
    return {"generated": True}


def _comment(words: Words) -> dict[str, object]:
    words.take()
    return {}


def _check(words: Words) -> dict[str, object]:
    words.parenthesised()
    return {}


def _charset(name: str) -> str:
    if name.lower() == "binary":
        raise NotUnderstood("CHARACTER SET binary")
    return name.lower()


def _value(words: Words) -> bool:
    """Take a value; says whether it is another than NULL."""
    if words.peek() == "(":
        words.parenthesised()
        return True
    if words.peek() in {"-", "+"}:
        words.take()
    word = words.take()
    if words.peek() == "(":
        words.parenthesised()
    elif words.skip("."):  # 1.5 is three words
        words.take()
    return word.upper != "NULL"


_READERS: Final[tuple[tuple[tuple[str, ...], Callable[[Words], dict[str, object]]], ...]] = (
    (("CHARACTER", "SET"), lambda words: {"charset": _charset(words.option())}),
    (("CHARSET",), lambda words: {"charset": _charset(words.option())}),
    (("COLLATE",), lambda words: _collation(words.option())),
    (("DEFAULT",), lambda words: {"default": _value(words)}),
    (("ON", "UPDATE"), lambda words: {"on_update": _value(words)}),
    (("COMMENT",), _comment),
    (("CHECK",), _check),
    (("GENERATED", "ALWAYS", "AS"), _generated),
    (("AS",), _generated),
)
