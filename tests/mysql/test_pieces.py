"""A whole table in pieces that grow to the usual size; and the server's collations are what we take them for."""

import pytest

from keymap.collations import equality_of
from keymap.schema import Column
from keyshift.cli.demo.database import Database
from keyshift.cutover.sides import CHUNK_ROWS, MySQLSource
from keyshift.mysql.connection import Connection, connect, query
from keyshift.mysql.schema import read_schemas
from keyshift.process.source import SourceSettings
from keyshift.process.stop import Stop
from tests.mysql.sources import execute


@pytest.mark.parametrize(("width", "largest"), [(10, CHUNK_ROWS), (40_000, 900)])
def test_pieces_grow_until_they_have_the_usual_rows_or_bytes(
    database: Database, schema: str, source: SourceSettings, width: int, largest: int
) -> None:
    table = f"{schema}.t"
    numbers = "SELECT seq.n + 10 * ten.n + 100 * hundred.n + 1000 * thousand.n FROM"
    digits = "(" + " UNION ALL ".join(f"SELECT {n} n" for n in range(10)) + ")"
    joined = f"{digits} seq, {digits} ten, {digits} hundred, {digits} thousand"
    execute(database, f"CREATE TABLE {table} (id INT PRIMARY KEY, pad MEDIUMTEXT)")
    execute(database, f"INSERT INTO {table} (id) {numbers} {joined} LIMIT {5_000 if width == 10 else 1_500}")
    execute(database, f"UPDATE {table} SET pad = REPEAT('x', {width})")
    with_schema = connect(source)
    schemas = read_schemas(with_schema, [table])
    with_schema.close()
    reader = MySQLSource(lambda: connect(source), schemas, Stop())
    try:
        sizes = [len(piece.rows) for piece in reader.pieces(table)]
        assert sum(sizes) == sum(map(len, reader.chunks(table)))
    finally:
        reader.close()
    assert sizes[:2] == [16, 128]
    assert 0.7 * largest <= max(sizes) <= largest


def test_collations_pad_as_the_server_says(connection: Connection) -> None:
    """MySQL 8 tells in PAD_ATTRIBUTE; MariaDB only by the name."""
    has = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'information_schema' AND "
    ((told,),) = query(connection, f"{has} table_name = 'COLLATIONS' AND UPPER(column_name) = 'PAD_ATTRIBUTE'")
    if not told:
        ((equal, unequal),) = query(
            connection,
            "SELECT _utf8mb4'a' COLLATE utf8mb4_general_ci = _utf8mb4'a ' COLLATE utf8mb4_general_ci, "
            "_utf8mb4'a' COLLATE utf8mb4_general_nopad_ci = _utf8mb4'a ' COLLATE utf8mb4_general_nopad_ci",
        )
        assert (equal, unequal) == (1, 0)
        return
    rows = query(connection, "SELECT collation_name, pad_attribute FROM information_schema.collations")
    assert len(rows) > 200
    for name, pad in rows:
        column = Column("a", "varchar", "varchar(9)", nullable=False, charset=name.split("_")[0], collation=name)
        assert equality_of(column).blanks == (pad == "PAD SPACE"), name
