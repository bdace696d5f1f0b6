"""A server that lets in as RDS does with IAM: within TLS it asks for the token in clear (mysql_clear_password).

Only the handshake, and OK to every statement: no server that can be had here has Amazon's plugin.
"""

import contextlib
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import Any, Self

_CAPABILITIES = 0x000FFFFF | 1 << 19 | 1 << 21  # all classic ones with TLS and protocol 4.1, plugins, long responses
_OK = b"\x00\x00\x00\x02\x00\x00\x00"


class FakeRds:
    """Listens on loopback as long as the block lasts; `tokens` are those that were sent to it."""

    def __init__(self, folder: Path, *, accept: bool = True, tls: bool = True) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self._answer = _OK if accept else b"\xff\x15\x04#28000Access denied for user 'keyshift'@'%'"
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = self._listener.getsockname()[1]
        self.tokens: list[bytes] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain, contextlib.suppress(OSError):  # a client that does not trust us hangs up
                self._serve(plain)

    def _serve(self, plain: socket.socket) -> None:
        _send(plain, 0, _greeting())
        if not self._tls:
            self._let_in(plain)
            return
        assert len(_receive(plain)[1]) == 32  # the wish for TLS, and nothing else, goes in clear
        with self._context.wrap_socket(plain, server_side=True) as secure:
            self._let_in(secure)

    def _let_in(self, peer: Any) -> None:
        sequence, _ = _receive(peer)
        _send(peer, sequence + 1, b"\xfemysql_clear_password\x00")
        sequence, token = _receive(peer)
        self.tokens.append(token)
        _send(peer, sequence + 1, self._answer)
        while (received := _receive(peer))[1][:1] == b"\x03":  # COM_QUERY
            _send(peer, received[0] + 1, _OK)


def _greeting() -> bytes:
    low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
    head = b"\x0a8.0.41\x00" + struct.pack("<I", 7) + b"12345678\x00"
    rest = struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + b"123456789012\x00"
    return head + rest + b"mysql_native_password\x00"


def _send(peer: Any, sequence: int, payload: bytes) -> None:
    peer.sendall(len(payload).to_bytes(3, "little") + bytes([sequence & 0xFF]) + payload)


def _receive(peer: Any) -> tuple[int, bytes]:
    head = _exactly(peer, 4)
    return (head[3], _exactly(peer, int.from_bytes(head[:3], "little"))) if head else (0, b"")


def _exactly(peer: Any, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = peer.recv(count - len(received))
        if not part:
            return b""
        received += part
    return received
