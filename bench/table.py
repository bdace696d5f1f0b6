"""Reading a whole table: PyMySQL's streaming cursor, our reader of canonical rows, the server's own dump program."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pymysql.cursors

from bench import shape
from bench.measure import Result, per_second
from bench.source import source_of
from keymap.schema import TableSchema
from keyshift import native
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.program import ServerProgram, find_program
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.result import select_rows
from keyshift.mysql.schema import read_schemas
from keyshift.mysql.select import select_list
from keyshift.mysql.table_reader import read_chunk
from keyshift.mysql.text_rows import FastRows, TextRows, generate
from keyshift.mysql.text_values import text_columns

MORE_ROWS = 10  # times the other groups' rows: this one is fast
CHUNK_ROWS = 10_000
_NAME = f"{shape.SCHEMA}.{shape.TABLE}"
_DUMPS = {"mariadb": ("mariadb-dump", "mysqldump"), "mysql": ("mysqldump",)}
_DUMP_OPTIONS = ("--no-defaults", "--quick", "--skip-lock-tables", "--no-create-info", "--skip-triggers", "--compact")
_MYSQL_OPTIONS = ("--loose-set-gtid-purged=OFF", "--loose-column-statistics=0")  # loose: mysqldump may be MariaDB's


def _cursor(database: Database) -> None:
    with database.connect(shape.SCHEMA) as connection, connection.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute(f"SELECT * FROM {shape.TABLE}")
        for _ in cursor:
            pass


def _by(reader: TextRows, connection: Connection, schema: TableSchema, rows: int) -> None:
    columns, table = select_list(schema), f"{_NAME} FORCE INDEX (PRIMARY)"
    for first in range(1, rows + 1, CHUNK_ROWS):
        where = f"id >= {first} ORDER BY id LIMIT {CHUNK_ROWS}"
        select_rows(connection, f"SELECT {columns} FROM {table} WHERE {where}", reader)


def _chunks(connection: Connection, schema: TableSchema) -> None:
    chunk = read_chunk(connection, schema, None, CHUNK_ROWS)
    while chunk.upper is not None:
        chunk = read_chunk(connection, schema, chunk.upper, CHUNK_ROWS)


def dump_command(program: ServerProgram) -> list[str] | None:
    """The dump program beside the server's, run as that is run, or one on the PATH; None if there is none."""
    names, server = _DUMPS[program.flavour], Path(program.server[-1])
    if server.is_absolute() and not program.wrapper:
        for path in (folder / name for name in names for folder in (server.parent, server.parents[1] / "bin")):
            if path.exists():
                return [*program.server[:-1], str(path)]
    return next(([found] for name in names if (found := shutil.which(name))), None)


def dump_words(command: list[str], database: Database) -> list[str]:
    """The whole command line; the password comes from MYSQL_PWD."""
    options = [*_DUMP_OPTIONS, *(_MYSQL_OPTIONS if database.flavour == "mysql" else ())]
    place = [f"--host={database.host}", f"--port={database.port}", f"--user={database.user}", "--protocol=tcp"]
    return [*command, *options, *place, shape.SCHEMA, shape.TABLE]


def _dump(command: list[str], database: Database) -> None:
    environment = os.environ | {"MYSQL_PWD": database.password}
    subprocess.run(dump_words(command, database), check=True, stdout=subprocess.DEVNULL, env=environment)


def measure(rows: int, program: ServerProgram | None = None) -> list[Result]:
    """Rows per second of ten times as many rows, which every way reads whole."""
    program = program or find_program()
    count = rows * MORE_ROWS
    with Database(program) as database:
        with database.connect() as writer, writer.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {shape.SCHEMA}")
            cursor.execute(f"USE {shape.SCHEMA}")
            cursor.execute(shape.CREATE)
            shape.fill(cursor, 1, count, rows_per_transaction=1_000)
        with connect(source_of(database)) as connection:
            return _measured(database, program, connection, count)


def _measured(database: Database, program: ServerProgram, connection: Connection, rows: int) -> list[Result]:
    schema = read_schemas(connection, [_NAME])[_NAME]
    columns = text_columns(schema.columns)
    by = partial(_by, connection=connection, schema=schema, rows=rows)
    ways = {"PyMySQL's SSCursor, tuples": partial(_cursor, database)}
    ways["rows by pure Python"] = partial(by, FastRows(columns, 0, generate(columns)))
    if core := native.load("keyshift.mysql._text"):
        ways["rows by the compiled core"] = partial(by, FastRows(columns, 0, core.Scanner(columns, 0).scan))
    ways[f"read_chunk, {CHUNK_ROWS:,} rows at a time"] = partial(_chunks, connection, schema)
    if command := dump_command(program):
        ways[f"{Path(command[-1]).name} to /dev/null"] = partial(_dump, command, database)
    _cursor(database)  # the server's caches are warm for all
    speeds = {name: per_second(rows, way) for name, way in ways.items()}
    naive, slowest = next(iter(speeds.items()))
    return [Result("table", name, speed, naive, speed / slowest) for name, speed in speeds.items()]
