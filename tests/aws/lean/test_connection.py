"""An answer is read whole however it comes, and what is not a whole answer is an error."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from keyshift.aws.lean.connection import Answer, Connection, Cut, Timeouts, connect
from keyshift.aws.lean.route import Route, route_to

OK = b"HTTP/1.1 200 OK\r\n"
TIMEOUTS = Timeouts(5, 5)
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


class Script:
    """A server of one connection: for each request that comes, the pieces of an answer; then it closes, or waits."""

    def __init__(self, *answers: Sequence[bytes], close: bool = True, timeouts: Timeouts = TIMEOUTS) -> None:
        self._answers = answers
        self._timeouts = timeouts
        self._close = close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        route = route_to(f"http://127.0.0.1:{self._listener.getsockname()[1]}", {})
        assert route
        self.route: Route = route

    def __enter__(self) -> Connection:
        self._thread.start()
        self._connection = connect(self.route, None, self._timeouts)
        return self._connection

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._connection.close()
        self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        peer, _ = self._listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with peer:
            for answer in self._answers:
                peer.recv(65_536)
                for piece in answer:
                    peer.sendall(piece)
                    time.sleep(0.001)
            if not self._close:
                self._over.wait(5)


def _bytes(answer: bytes) -> Iterator[bytes]:
    return (answer[at : at + 1] for at in range(len(answer)))


def _ask(connection: Connection) -> Answer:
    connection.send(REQUEST)
    return connection.answer()


def _asked(*pieces: bytes) -> tuple[int, bytes, bool]:
    with Script(pieces) as connection:
        answer = _ask(connection)
    return answer.status, answer.body, answer.last


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", (200, b"hello", False)),
        (OK + b"content-length:0\r\n\r\n", (200, b"", False)),
        (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", (200, b"x", True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, b"x", True)),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.1 503\r\nContent-Length: 2\r\n\r\nno", (503, b"no", False)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", (200, b"x", False)),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n02;x=y\r\nde\r\n0\r\n\r\n", (200, b"abcde", False)),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n", (200, b"a", False)),
        (OK + b"\r\nuntil the end", (200, b"until the end", True)),
    ],
)
def test_an_answer_is_the_same_at_once_and_byte_by_byte(answer: bytes, told: tuple[int, bytes, bool]) -> None:
    assert _asked(answer) == told
    assert _asked(*_bytes(answer)) == told


def test_a_large_answer_is_read_whole() -> None:
    body = bytes(range(256)) * 20_000
    assert _asked(OK + b"Content-Length: %d\r\n\r\n" % len(body), body)[1] == body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100_000], body[100_000:]))
    assert _asked(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n")[1] == body


def test_headers_are_known_by_lower_case_names() -> None:
    with Script([OK + b"X-Amz-CRC32: 7\r\nDate:  today \r\nContent-Length: 0\r\n\r\n"]) as connection:
        assert _ask(connection).headers == {"x-amz-crc32": "7", "date": "today", "content-length": "0"}


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Content-Length: x\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 x\r\n\r\n",
        b"x" * 200_000,
    ],
)
def test_half_an_answer_is_an_error_and_not_taken_for_none(answer: bytes) -> None:
    with Script([answer]) as connection, pytest.raises(Cut) as caught:
        _ask(connection)
    assert not caught.value.unanswered


def test_an_end_without_an_answer_says_so() -> None:
    with Script([]) as connection, pytest.raises(Cut) as caught:
        _ask(connection)
    assert caught.value.unanswered


def test_what_was_said_beyond_the_answer_ends_the_connection() -> None:
    assert _asked(OK + b"Content-Length: 1\r\n\r\nx" + OK) == (200, b"x", True)


def test_a_connection_serves_many_requests_until_the_other_side_closes() -> None:
    answer = [OK + b"Content-Length: 1\r\n\r\nx"]
    with Script(answer, answer, answer) as connection:
        for _ in range(3):
            assert connection.alive
            assert _ask(connection).body == b"x"
        deadline = time.monotonic() + 5
        while connection.alive and time.monotonic() < deadline:
            time.sleep(0.001)
        assert not connection.alive


def test_silence_is_a_timeout() -> None:
    with Script([OK], close=False, timeouts=Timeouts(5, 0.05)) as connection, pytest.raises(TimeoutError):
        _ask(connection)
