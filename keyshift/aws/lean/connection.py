"""One connection that is kept: a request out, its answer in, as much of HTTP/1.1 as AWS and its look-alikes speak."""

import contextlib
import select
import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple

from keyshift.aws.lean.route import Proxy, Route

_PIECE_BYTES: Final = 65_536  # of one recv
_HEAD_BYTES_MAX: Final = 65_536  # of an answer's or a chunk's head; servers send a few hundred


class Cut(OSError):
    """The connection ended, or what came on it is not an answer. `unanswered`: before the first byte of one."""

    def __init__(self, message: str, *, unanswered: bool = False) -> None:
        super().__init__(message)
        self.unanswered = unanswered


class ProxyRefused(OSError):
    """The proxy would not pass us on."""


class Timeouts(NamedTuple):
    """Seconds for a handshake, and for each wait for bytes."""

    connect_seconds: float
    read_seconds: float


class Answer(NamedTuple):
    """An answer as it came; names of headers in lower case. `last`: the connection cannot be used again."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    last: bool


class Connection:
    """A connected socket. For one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    @property
    def alive(self) -> bool:
        """Whether it may be used again. A server that closed it, or said something unasked, made it readable."""
        return not self._poll.poll(0)

    def fileno(self) -> int:
        """The socket's descriptor: it can be read from when the answer is there."""
        return self._socket.fileno()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def send(self, request: bytes) -> None:
        """Send a request. Raises Cut, and OSError such as TimeoutError."""
        try:
            self._socket.sendall(request)
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise Cut(str(error), unanswered=True) from error

    def answer(self) -> Answer:
        """Wait for the answer to what was sent. Raises as `send`."""
        try:
            held = self._socket.recv(_PIECE_BYTES)
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise Cut(str(error), unanswered=True) from error
        if not held:
            raise Cut("closed without an answer", unanswered=True)
        try:
            return self._answer(held)
        except ValueError as error:
            raise Cut(f"what came is no answer: {error}") from error

    def _answer(self, held: bytes) -> Answer:
        status = 100
        while status < 200:  # noqa: PLR2004 - 1xx only announces the answer
            head, held = self._until(b"\r\n\r\n", held)
            status, headers, last = read_head(head)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return Answer(status, headers, self._chunked(held), last)
        length = headers.get("content-length")
        if length is None:
            return Answer(status, headers, self._rest(held), last=True)
        body, more = self._exactly(int(length), held)
        return Answer(status, headers, body, last or bool(more))

    def _chunked(self, held: bytes) -> bytes:
        parts: list[bytes] = []
        while True:
            line, held = self._until(b"\r\n", held)
            size = int(line.partition(b";")[0], 16)
            if not size:
                while line:  # what trails behind the last chunk, up to an empty line
                    line, held = self._until(b"\r\n", held)
                return b"".join(parts)
            part, held = self._exactly(size + 2, held)
            parts.append(part[:-2])

    def _until(self, end: bytes, held: bytes) -> tuple[bytes, bytes]:
        while (at := held.find(end)) < 0:
            if len(held) > _HEAD_BYTES_MAX:
                raise Cut("what came is no answer: its head does not end")
            held += self._more()
        return held[:at], held[at + len(end) :]

    def _exactly(self, size: int, held: bytes) -> tuple[bytes, bytes]:
        if len(held) < size:
            parts, missing = [held], size - len(held)
            while missing > 0:
                parts.append(self._more())
                missing -= len(parts[-1])
            held = b"".join(parts)
        return held[:size], held[size:]

    def _rest(self, held: bytes) -> bytes:
        parts = [held]
        while part := self._socket.recv(_PIECE_BYTES):
            parts.append(part)
        return b"".join(parts)

    def _more(self) -> bytes:
        if data := self._socket.recv(_PIECE_BYTES):
            return data
        raise Cut("closed in the middle of an answer")


def read_head(head: bytes) -> tuple[int, dict[str, str], bool]:
    """Status and headers, and whether the server will close. Raises ValueError for what is no head of an answer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    if not protocol.startswith("HTTP/1."):
        raise ValueError("no status line")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    wish = headers.get("connection", "").lower()
    last = "close" in wish or (protocol == "HTTP/1.0" and "keep-alive" not in wish)
    return int(rest[:3]), headers, last


def connect(route: Route, tls: ssl.SSLContext | None, timeouts: Timeouts) -> Connection:
    """A connection to the route's end, through its proxy if it has one; with `tls` verified as the context says.

    Raises ProxyRefused, ssl.SSLError, and OSError such as TimeoutError and socket.gaierror.
    """
    near = (route.proxy.host, route.proxy.port) if route.proxy else (route.host, route.port)
    sock = socket.create_connection(near, timeouts.connect_seconds)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if tls:
            if route.proxy:
                _tunnel(sock, route, route.proxy)
            sock = tls.wrap_socket(sock, server_hostname=route.host)
        sock.settimeout(timeouts.read_seconds)
    except BaseException:
        sock.close()
        raise
    return Connection(sock)


def _tunnel(sock: socket.socket, route: Route, proxy: Proxy) -> None:
    """Have the proxy pass bytes on. It says no more than the head of an answer until we begin."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    there = f"{host}:{route.port}"
    sock.sendall(f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{proxy.authorization}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (data := sock.recv(1)) or len(head) > _HEAD_BYTES_MAX:
            raise ProxyRefused("it closed the connection")
        head += data
    status = head.split(b"\r\n")[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        raise ProxyRefused(status)
