"""The rows of a result are read from the stream as PyMySQL would, to the end or to the error, and never beyond."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from pymysql import err

from keymap.schema import Column
from keymap.values import Row
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, connect, is_lost, query
from keyshift.mysql.result import select_rows
from keyshift.mysql.text_rows import UnreadableRow, compile_text
from tests.mysql.sources import execute, source_of
from tests.mysql.test_text_rows import packed

NUMBER = compile_text([Column("n", "int", "int", nullable=True)])
TEXT = compile_text([Column("t", "longtext", "longtext", nullable=True, charset="utf8mb4")])
MAX = 0xFFFFFF
LOST = "Lost connection to MySQL server during query"


class Stream:
    """The bytes of an answer to one statement, with PyMySQL's numbering of its packets."""

    def __init__(self) -> None:
        self.data, self.sequence = b"", 1

    def packet(self, body: bytes, sequence: int | None = None) -> "Stream":
        number = self.sequence if sequence is None else sequence
        self.data += len(body).to_bytes(3, "little") + bytes([number]) + body
        self.sequence = (self.sequence + 1) % 256
        return self

    def head(self, columns: int = 1) -> "Stream":
        self.packet(bytes([columns]))
        for _ in range(columns):
            self.packet(
                b"".join(map(packed, (b"def", b"", b"", b"", b"n", b""))) + b"\x0c\x3f\0\x0b\0\0\0\x03\0\0\0\0\0"
            )
        return self.eof()

    def rows(self, *values: bytes | None) -> "Stream":
        for value in values:
            self.packet(packed(value))
        return self

    def eof(self, warnings: int = 0, status: int = 2) -> "Stream":
        return self.packet(b"\xfe" + warnings.to_bytes(2, "little") + status.to_bytes(2, "little"))

    def error(self, sequence: int | None = None) -> "Stream":
        return self.packet(b"\xff" + (1317).to_bytes(2, "little") + b"#70100interrupted", sequence)


Answer = Callable[..., Any]


@pytest.fixture
def answered() -> Iterator[Answer]:
    """A connection of PyMySQL's own, whose server has already answered; by default it ends there."""
    with contextlib.ExitStack() as stack:

        def answer(stream: Stream, piece: int = 1 << 30, *, ends: bool = True, timeout: float = 10) -> Any:
            ours, theirs = socket.socketpair()
            stack.callback(theirs.close)
            connection: Any = pymysql.Connection(defer_connect=True, charset="utf8mb4", read_timeout=timeout)
            stack.callback(connection._force_close)
            ours.settimeout(timeout)
            connection._sock, connection._rfile = ours, ours.makefile("rb")
            connection._current_timeout = timeout
            connection._closed = False

            def send() -> None:
                with contextlib.suppress(OSError):
                    for at in range(0, len(stream.data), piece):
                        theirs.sendall(stream.data[at : at + piece])
                    if ends:
                        theirs.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=send)
            thread.start()
            stack.callback(thread.join)
            return connection

        yield answer


def numbers(rows: list[Row]) -> list[Any]:
    return [row["n"] for row in rows]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_rows_come_whole_in_whatever_pieces_they_arrive(answered: Answer, piece: int) -> None:
    stream = Stream().head().rows(*(str(n).encode() for n in range(500)), None).eof()
    connection = answered(stream, piece)
    assert numbers(select_rows(connection, "SELECT", NUMBER)[0]) == [*range(500), None]
    assert connection.open


def test_warnings_are_no_matter(answered: Answer) -> None:
    stream = Stream().head().rows(b"1").eof(warnings=9)
    assert numbers(select_rows(answered(stream), "SELECT", NUMBER)[0]) == [1]


def test_an_error_after_some_rows_is_raised_as_by_a_cursor(answered: Answer) -> None:
    connection = answered(Stream().head().rows(b"1", b"2").error(), ends=False)
    with pytest.raises(err.OperationalError) as raised:
        select_rows(connection, "SELECT", NUMBER)
    assert raised.value.args == (1317, "interrupted")
    assert connection.open


@pytest.mark.parametrize(
    "stream",
    [
        Stream().head(),
        Stream().head().rows(b"1"),
        Stream().head().rows(b"1").error(sequence=0),
    ],
    ids=["before the rows", "after a row", "as MariaDB says that it shuts down"],
)
@pytest.mark.parametrize("cut", [0, 1, 5])
def test_a_lost_connection_is_pymysqls_error(answered: Answer, stream: Stream, cut: int) -> None:
    shorter = Stream()
    shorter.data = stream.data[: len(stream.data) - cut]
    connection = answered(shorter)
    with pytest.raises(err.OperationalError, match=LOST) as raised:
        select_rows(connection, "SELECT", NUMBER)
    assert is_lost(raised.value)
    assert not connection.open
    with pytest.raises(err.InterfaceError) as later:
        query(connection, "SELECT 1")
    assert is_lost(later.value)


def test_a_wrong_sequence_number_is_refused_before_its_length_is_believed(answered: Answer) -> None:
    stream = Stream().head().rows(b"1")
    stream.data += b"\xfe\xff\xff\x63"
    connection = answered(stream, ends=False)
    with pytest.raises(err.InternalError, match="Packet sequence number wrong - got 99 expected 5"):
        select_rows(connection, "SELECT", NUMBER)
    assert not connection.open


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (Stream().head().rows(b"x").eof(), UnreadableRow),
        (Stream().head().packet(b"").eof(), UnreadableRow),
        (Stream().head(columns=2).rows(b"1").eof(), err.InternalError),
        (Stream().packet(b"\0\0\0\x02\0\0\0"), err.InternalError),
    ],
    ids=["no number", "no columns in it", "more columns", "no result at all"],
)
def test_what_is_not_the_expected_result_ends_the_connection(
    answered: Answer, stream: Stream, error: type[Exception]
) -> None:
    connection = answered(stream, ends=False)
    with pytest.raises(error):
        select_rows(connection, "SELECT", NUMBER)
    assert not connection.open


def test_what_comes_unasked_after_the_end_is_never_taken_for_another_answer(answered: Answer) -> None:
    """A server that ends idle connections says why before it goes."""
    connection = answered(Stream().head().rows(b"1").eof().error(sequence=0))
    assert numbers(select_rows(connection, "SELECT", NUMBER)[0]) == [1]
    with pytest.raises((err.InterfaceError, err.OperationalError)) as raised:
        query(connection, "SELECT 1")
    assert is_lost(raised.value)
    assert not connection.open


def test_silence_is_a_lost_connection_after_the_read_timeout(answered: Answer) -> None:
    connection = answered(Stream().head().rows(b"1"), ends=False, timeout=0.2)
    with pytest.raises(err.OperationalError, match=rf"{LOST} \(timed out\)"):
        select_rows(connection, "SELECT", NUMBER)
    assert not connection.open


@pytest.mark.parametrize("size", [MAX - 5, MAX - 4, MAX - 3, MAX, 2 * MAX - 5, 2 * MAX - 4 - 5, 2 * MAX])
def test_rows_of_16_mib_and_more_are_put_together(answered: Answer, size: int) -> None:
    value = bytes(range(32, 127)) * (size // 95 + 1)
    value = value[:size]
    length = b"\xfd" + size.to_bytes(3, "little") if size < 1 << 24 else b"\xfe" + size.to_bytes(8, "little")
    body, stream = length + value, Stream().head().rows(b"first")
    for at in range(0, len(body) + 1, MAX):
        stream.packet(body[at : at + MAX])
    rows, _ = select_rows(answered(stream.rows(b"last").eof()), "SELECT", TEXT)
    assert [row["t"] for row in rows] == ["first", value.decode(), "last"]


@pytest.fixture
def table(database: Database, schema: str) -> str:
    values = ", ".join(f"({n})" for n in range(2_000))
    execute(database, "CREATE TABLE t (n INT PRIMARY KEY)", f"INSERT INTO t VALUES {values}", schema=schema)
    return f"{schema}.t"


def test_a_connection_serves_one_statement_after_another(connection: Connection, table: str) -> None:
    for _ in range(3):
        assert numbers(select_rows(connection, f"SELECT n FROM {table} ORDER BY n", NUMBER)[0]) == list(range(2_000))
        assert query(connection, "SELECT 1") == [(1,)]
        assert select_rows(connection, f"SELECT n FROM {table} WHERE n < 0", NUMBER) == ([], [])


def test_an_error_of_the_server_leaves_the_connection_usable(connection: Connection, table: str) -> None:
    fails_late = f"SELECT (SELECT b.n FROM {table} b WHERE b.n >= a.n) FROM {table} a ORDER BY a.n DESC"
    for statement, number in ((fails_late, 1242), ("SELECT nothing", 1054), ("nonsense", 1064)):
        with pytest.raises(pymysql.MySQLError) as raised:
            select_rows(connection, statement, NUMBER)
        assert raised.value.args[0] == number
        assert numbers(select_rows(connection, "SELECT 7", NUMBER)[0]) == [7]


def test_a_connection_that_is_killed_while_rows_come_is_lost(database: Database, table: str) -> None:
    connection = connect(source_of(database))
    slow = f"SELECT n + SLEEP(n = 1500) * 30 FROM {table} ORDER BY n"

    def kill() -> None:
        with database.connect() as other, other.cursor() as cursor:
            ours = f"SELECT 1 FROM information_schema.processlist WHERE id = {connection.thread_id()}"
            while not cursor.execute(f"{ours} AND info LIKE '%SLEEP%'"):
                time.sleep(0.01)
            cursor.execute(f"KILL {connection.thread_id()}")

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(pymysql.MySQLError) as raised:
        select_rows(connection, slow, NUMBER)
    thread.join()
    assert is_lost(raised.value) or raised.value.args[0] == 1317
