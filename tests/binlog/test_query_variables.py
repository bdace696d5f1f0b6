"""Where a statement that was logged as text has changed tables, as far as the source says."""

import struct

import pytest

from keyshift.binlog import packets
from keyshift.binlog.query_variables import EVERY, updated_databases

MODE, CATALOG, ZONE, CHARSETS = b"\1" + bytes(8), b"\6\3std", b"\5\6SYSTEM", b"\4" + bytes(6)


@pytest.mark.parametrize(
    ("variables", "databases"),
    [
        (b"", ()),
        (b"\0" + bytes(4) + MODE + CATALOG + CHARSETS + b"\x0c\2x\0s\0" + b"\x12\xff\0", ("x", "s")),
        (MODE + ZONE + b"\7aa\x08bb\x09" + bytes(8) + b"\x0b\4root\1%\x0c\1shop\0", ("shop",)),
        (CATALOG + b"\x0c\xfe", (EVERY,)),
        (MODE + b"\x80abc\x81" + bytes(8), ()),  # MariaDB's
        (b"\xf0whatever\x0c\1s\0", ()),  # of nobody that we know
    ],
)
@pytest.mark.parametrize("loads", [True, False])
def test_the_databases_that_a_statement_changed_are_read(
    variables: bytes, databases: tuple[str, ...], loads: bool
) -> None:
    head = struct.pack("<IIBHH", 1, 2, 4, 0, len(variables)) + bytes(13 if loads else 0)
    body = head + variables + b"shop\0" + b"UPDATE v SET a = 1"
    assert updated_databases(body, loads=loads) == databases
    read = packets.load_query if loads else packets.query
    assert read(body) == ("shop", "UPDATE v SET a = 1")
