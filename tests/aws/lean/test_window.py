"""Several requests under way at once from one thread: each is told of once, whatever becomes of the others."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from keyshift.aws.lean.connection import Timeouts
from keyshift.aws.lean.route import route_to
from keyshift.aws.lean.sender import Hooks, Sender, Way
from keyshift.aws.lean.signature import Signer
from keyshift.aws.lean.window import Told, Window

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b"
Answering = Callable[[bytes], bytes | None]  # the body of a request: its answer, None to end the connection instead


class Echo:
    """A server with a thread for each connection, which answers as `answering` says, so many times.

    Counts connections, and what is under way.
    """

    def __init__(self, answering: Answering, answers_max: int = 1_000) -> None:
        self._answering, self._answers_max = answering, answers_max
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = self.under_way = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            for _ in range(self._answers_max):
                if not (data := peer.recv(65_536)):
                    return
                body = data.partition(b"\r\n\r\n")[2]
                self._count(1)
                answer = self._answering(body)
                self._count(-1)
                if answer is None:
                    return
                peer.sendall(answer)

    def _count(self, more: int) -> None:
        with self._lock:
            self.under_way += more
            self.most = max(self.most, self.under_way)


def echo(body: bytes) -> bytes:
    return OK % (len(body), b"", body)


def sender(port: int, hooks: Hooks | None = None, read_seconds: float = 5.0) -> Sender:
    route = route_to(f"http://127.0.0.1:{port}", {})
    assert route
    signer = Signer("dynamodb", "r", route.authority, "/", "x")
    return Sender(Way(route, signer, None, Timeouts(5.0, read_seconds), "", 10), hooks or Hooks())


def window(made: Sender, width: int = 3) -> Window:
    return Window(made, lambda: ReadOnlyCredentials("a", "b", None), width)


def told(found: Iterator[Told]) -> dict[int, bytes | type[BotoCoreError]]:
    """By number, once each: the answer's body, or the kind of the error."""
    every = [(number, type(one) if isinstance(one, BotoCoreError) else one.body) for number, one in found]
    assert len(dict(every)) == len(every)
    return dict(every)


BODIES = [b"%d" % number for number in range(20)]
REQUESTS = [("T.PutItem", body) for body in BODIES]


def test_every_body_gets_its_own_answer_and_no_more_are_under_way_than_may_be() -> None:
    def slowly(body: bytes) -> bytes:
        time.sleep(0.002)
        return echo(body)

    with Echo(slowly) as server:
        assert told(window(made := sender(server.port)).answers(REQUESTS)) == dict(enumerate(BODIES))
        assert (server.connections, server.most) == (3, 3)
        assert told(window(made).answers(REQUESTS[:2])) == dict(enumerate(BODIES[:2]))
        assert server.connections == 3, "they are kept"


def test_a_slow_answer_holds_up_nothing_else() -> None:
    others = threading.Event()

    def answering(body: bytes) -> bytes:
        assert body != b"0" or others.wait(5)
        return echo(body)

    with Echo(answering) as server:
        found = []
        for number, _ in window(sender(server.port)).answers(REQUESTS):
            found.append(number)
            if len(found) == len(BODIES) - 1:
                others.set()
    assert found[-1] == 0


def test_what_gets_no_answer_is_told_and_the_rest_goes_on() -> None:
    lost: list[BaseException] = []
    never = threading.Event()

    def answering(body: bytes) -> bytes | None:
        if body == b"4":
            never.wait(5)
        return None if body in {b"3", b"7"} else OK % (0, b"Connection: close\r\n", b"") if body == b"9" else echo(body)

    with Echo(answering) as server:
        made = sender(server.port, Hooks(watchers=[lost.append]), read_seconds=0.3)
        found = told(window(made).answers(REQUESTS))
    never.set()
    assert {number: one for number, one in found.items() if one != BODIES[number]} == {
        3: ConnectionClosedError,
        4: ReadTimeoutError,
        7: ConnectionClosedError,
        9: b"",
    }
    assert sorted(map(type, lost), key=str) == [ConnectionClosedError, ConnectionClosedError, ReadTimeoutError]


def test_where_nobody_listens_each_body_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert set(told(window(sender(port)).answers(REQUESTS)).values()) == {EndpointConnectionError}


def test_whoever_stops_asking_ends_what_is_under_way() -> None:
    lost: list[BaseException] = []

    def answering(body: bytes) -> bytes | None:
        if body != b"0":
            time.sleep(0.2)
        return echo(body) if body == b"0" else None

    with Echo(answering) as server:
        made = sender(server.port, Hooks(watchers=[lost.append]))
        with contextlib.closing(window(made).answers(REQUESTS)) as answers:
            assert next(answers)[0] == 0
    assert len(lost) == 2


def test_a_guard_is_asked_before_each_request_and_what_it_raises_is_raised() -> None:
    asked = []

    def guard() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise KeyError("the lease is lost")

    with Echo(echo) as server:
        found = []
        with pytest.raises(KeyError, match="lease"):
            found.extend(window(sender(server.port, Hooks(guards=[guard]))).answers(REQUESTS))
    assert len(asked) == 5
    assert len(found) <= 4


def test_a_connection_that_ends_while_it_is_idle_is_replaced() -> None:
    """A server may close after any answer without saying so."""
    with Echo(echo, answers_max=1) as server:
        found = told(window(sender(server.port)).answers(REQUESTS))
    assert len(found) == len(BODIES)
    assert all(one in {BODIES[number], ConnectionClosedError} for number, one in found.items())
