"""What decides how a column is read: what was logged, and what only the schema knows."""

import re

import pytest

from keymap.schema import Column
from keymap.values import UnsupportedType
from keyshift.binlog.columns import field_of
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Kind
from keyshift.binlog.tables import LoggedColumn
from tests.binlog import encode


def logged(kind: int, meta: int = 0, **known: object) -> LoggedColumn:
    return LoggedColumn(kind, meta, nullable=True, **known)


def schema_column(data_type: str, column_type: str = "", charset: str | None = None) -> Column:
    return Column("c", data_type, column_type or data_type, nullable=True, charset=charset)


ENUM, SET = 0x01F7, 0x02F8  # metadata: the type again, and its bytes
VARCHAR_20, CHAR_300, BINARY_16 = 20, 0x2CEE, 0x10FE


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (logged(encode.LONG), schema_column("int", "int unsigned")),
        (logged(encode.LONG, unsigned=True), None),
        (logged(encode.LONG, unsigned=True), schema_column("int", "int")),
    ],
)
def test_the_logged_sign_wins_and_the_schema_tells_it_where_none_was_logged(
    column: LoggedColumn, known: Column | None
) -> None:
    field = field_of(column, known, "c")
    assert (field.kind, field.read(b"\xff\xff\xff\xff", 0)) == (Kind.UINT, (2**32 - 1, 4))


@pytest.mark.parametrize(
    ("column", "known", "kind"),
    [
        (logged(encode.VARCHAR, VARCHAR_20), schema_column("varchar", "varchar(20)", "latin1"), Kind.TEXT),
        (logged(encode.VARCHAR, VARCHAR_20, charset="latin1"), None, Kind.TEXT),
        (logged(encode.VARCHAR, VARCHAR_20), schema_column("varbinary", "varbinary(20)"), Kind.BYTES),
        (logged(encode.VARCHAR, VARCHAR_20, charset="binary"), None, Kind.BYTES),
        (logged(encode.STRING, BINARY_16, charset="binary"), None, Kind.BINARY),
        (logged(encode.BLOB, 1, charset="latin1"), None, Kind.TEXT),
        (logged(encode.BLOB, 1, charset="binary"), schema_column("blob"), Kind.BYTES),
    ],
)
def test_the_character_set_makes_text_or_bytes(column: LoggedColumn, known: Column | None, kind: Kind) -> None:
    field = field_of(column, known, "c")
    value, end = field.read(b"\x02a\xe9", 0)
    assert (field.kind, end) == (kind, 3)
    assert value == {Kind.TEXT: "aé", Kind.BYTES: b"a\xe9", Kind.BINARY: b"a\xe9".ljust(16, b"\0")}[kind]


def test_a_char_of_more_than_255_bytes_has_a_length_of_two_bytes() -> None:
    """Its metadata hide the length's two highest bits in the type."""
    field = field_of(logged(encode.STRING, CHAR_300, charset="utf8mb4"), None, "c")
    assert (field.size, field.read(b"\x02\0ab", 0)) == (2, ("ab", 4))


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (logged(encode.ENUM, ENUM, labels=(b"a", b"\xe9"), charset="latin1"), schema_column("enum", "enum('x','y')")),
        (logged(encode.ENUM, ENUM), schema_column("enum", "enum('a','é')", "latin1")),
    ],
)
def test_the_logged_labels_win_and_the_schema_tells_them_where_none_were_logged(
    column: LoggedColumn, known: Column
) -> None:
    field = field_of(column, known, "c")
    assert [field.read(bytes([number]), 0)[0] for number in range(3)] == ["", "a", "é"]
    assert field.labels == ("", "a", "é")


def test_members_of_a_set_are_in_the_order_of_their_definition() -> None:
    field = field_of(logged(encode.SET, SET, labels=(b"c", b"b", b"a"), charset="ascii"), None, "c")
    assert field.read(b"\x05\0", 0) == (("c", "a"), 2)
    with pytest.raises(Malformed):
        field.read(b"\x08\0", 0)


@pytest.mark.parametrize(
    ("data_type", "stored", "text"),
    [
        ("uuid", "0f123e4567e89b12d3a4564266141740", "123e4567-e89b-12d3-a456-426614174000"),
        ("inet6", "0100", "::"),
        ("inet4", "040a000001", "10.0.0.1"),
    ],
)
def test_what_is_logged_as_binary_and_only_the_schema_knows(data_type: str, stored: str, text: str) -> None:
    field = field_of(logged(encode.STRING, BINARY_16, charset="binary"), schema_column(data_type), "c")
    assert field.read(bytes.fromhex(stored), 0)[0] == text


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (logged(encode.LONG), "whether it is unsigned"),
        (logged(encode.VARCHAR, VARCHAR_20), "its character set"),
        (logged(encode.BLOB_COMPRESSED, 2), "its character set"),
        (logged(encode.ENUM, ENUM), "its values"),
        (logged(encode.SET, SET), "its values"),
    ],
)
def test_what_nobody_tells_is_not_guessed(column: LoggedColumn, what: str) -> None:
    with pytest.raises(UnsupportedType, match=f"column price has type number {column.type} .*{what}"):
        field_of(column, None, "price")


@pytest.mark.parametrize("kind", [0, 6, 20, 100, 200, 243, 244])
def test_a_type_that_cannot_be_read_is_refused_by_its_name(kind: int) -> None:
    with pytest.raises(UnsupportedType, match=f"column price has type number {kind} of the binlog, which is not read"):
        field_of(logged(kind), None, "price")
    with pytest.raises(UnsupportedType, match="column price has type novelty"):
        field_of(logged(kind), schema_column("novelty", "novelty(7)"), "price")


def test_mariadbs_old_times_with_fractions_are_refused() -> None:
    """Their size depends on digits that no table map tells, and their form is another."""
    with pytest.raises(UnsupportedType, match=re.escape("column at has type datetime(3), in MariaDB's old format")):
        field_of(logged(encode.DATETIME), schema_column("datetime", "datetime(3)"), "at")
    assert field_of(logged(encode.DATETIME), schema_column("datetime", "datetime"), "at").kind is Kind.OTHER


def test_labels_and_character_sets_that_cannot_be_decoded_are_refused() -> None:
    with pytest.raises(UnsupportedType, match="values that are not in its character set utf8mb4"):
        field_of(logged(encode.ENUM, ENUM, labels=(b"\xff",), charset="utf8mb4"), None, "c")
    with pytest.raises(UnsupportedType, match="klingon"):
        field_of(logged(encode.VARCHAR, VARCHAR_20), schema_column("varchar", "varchar(20)", "klingon"), "c")


@pytest.mark.parametrize(
    "column",
    [
        logged(encode.NEWDECIMAL, 5 | 6 << 8),
        logged(encode.NEWDECIMAL, 0),
        logged(encode.NEWDECIMAL, 66),
        logged(encode.DATETIME2, 7),
        logged(encode.TIME2, 7),
        logged(encode.TIMESTAMP2, 255),
        logged(encode.BLOB, 0, charset="binary"),
        logged(encode.BLOB, 5, charset="binary"),
        logged(encode.JSON, 5),
        logged(encode.GEOMETRY, 0),
        logged(encode.VECTOR, 9),
        logged(encode.ENUM, 0x03F7, labels=(b"a",), charset="ascii"),
        logged(encode.SET, 0x09F8, labels=(b"a",), charset="ascii"),
    ],
)
def test_metadata_that_no_server_writes_is_refused(column: LoggedColumn) -> None:
    with pytest.raises(Malformed):
        field_of(column, None, "c")
