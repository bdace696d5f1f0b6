"""docs/types.md says what the code does, line by line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from keymap.attributes import attribute
from keymap.conversions import converted, types_of_column
from keymap.schema import Column
from keymap.template import PatchError
from keymap.values import CHARSETS, Canonical, UnsupportedType, converter
from keyshift.mysql.text_values import text_columns

TEXT = (Path(__file__).parents[2] / "docs" / "types.md").read_text()
KINDS = {"int", "Decimal", "str", "bytes", "tuple", "Json"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}


def table(heading: str) -> list[list[str]]:
    """The lines of the first table below a heading, without its own heading, as cells."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


ROWS = [(column_type, *cells) for types, *cells in table("The table") for column_type in code(types)]


def column_of(column_type: str) -> Column:
    data_type = re.split(r"[ (]", column_type)[0]
    charset = "utf8mb4" if data_type in TEXTS else None
    return Column("c", data_type, column_type, nullable=True, charset=charset)


def bytes_of(text: str) -> bytes:
    found = re.fullmatch(r"x'([0-9A-F]*)'", text)
    return bytes.fromhex(found[1]) if found else text.encode()


def shown(value: Any) -> Any:
    """An attribute as the document writes it."""
    if isinstance(value, bytes):
        return f"x'{value.hex().upper()}'"
    if isinstance(value, dict):
        return {key: shown(inner) for key, inner in value.items()}
    return value


def taken(column: Column, value: Canonical) -> set[str]:
    found = set()
    for wanted in types_of_column(column):
        try:
            converted(value, wanted, "c")
        except PatchError:
            continue
        found.add(wanted)
    return found


@pytest.mark.parametrize(("column_type", "canonical", "example", "expected", "types"), ROWS)
def test_a_line_is_what_the_code_does(
    column_type: str, canonical: str, example: str, expected: str, types: str
) -> None:
    (column,) = text_columns([column_of(column_type)])
    value = column.read(bytes_of(code(example)[0]))
    kind = re.split(r"\W", canonical)[0]
    assert kind == "as" or (kind in KINDS and type(value).__name__ == kind)
    assert shown(attribute(value)) == json.loads(code(expected)[0])
    assert taken(column_of(column_type), value) == set(types.split(", ")) - {""}


def test_every_type_that_is_read_has_a_line() -> None:
    documented = {column_of(row[0]).data_type for row in ROWS}
    assert len(ROWS) > 50
    unknown = "xmltype row_type sys_refcursor"
    for data_type in documented | set(unknown.split()):
        if data_type in documented:
            converter(column_of(data_type))
        else:
            with pytest.raises(UnsupportedType):
                converter(column_of(data_type))


def test_the_character_sets_are_all_there() -> None:
    section = TEXT.split("\n## Character sets\n")[1].split("\n- ")[0]
    assert set(code(section)) == CHARSETS


def test_what_is_said_to_be_refused_is_refused() -> None:
    refused = [name for cells in table("In the binlog") for name in code(cells[0])]
    for name in ("timestamp(1)", "datetime(1)", "time(1)"):
        assert name in refused
        with pytest.raises(UnsupportedType, match="column c"):
            converter(column_of(f"{name} /* mariadb-5.3 */"))
    assert "xmltype" in refused
    with pytest.raises(UnsupportedType, match="column c has type xmltype"):
        converter(column_of("xmltype"))
