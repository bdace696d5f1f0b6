"""A TCP proxy that breaks on demand: what lies between a reader and its database on a bad day."""

import contextlib
import select
import socket
import socketserver
import struct
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from keyshift.cli.demo.child import HOST, free_port

_POLL_SECONDS = 0.01  # how soon a link notices that it is cut
_CHUNK_BYTES = 1 << 16


class TcpProxy:
    """Stands at `host` and `port` before an upstream server; a context manager.

    Another `upstream` is that of connections made from then on, as when a name comes to mean another server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.host: Final = HOST
        self.port: Final = free_port()
        self.accepted = 0  # connections so far
        self._links: list[int] = []  # for each, how many cuts there had been when it began
        self._cuts = 0
        self._stalled = False
        self._changed = threading.Condition()
        self._server: socketserver.ThreadingTCPServer | None = None

    def __enter__(self) -> Self:
        self.allow()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self.cut()

    def cut(self) -> None:
        """Reset every connection on both sides; new ones are possible at once. Returns when all that were are gone."""
        with self._changed:
            self._cuts += 1
            now = self._cuts
            self._changed.wait_for(lambda: all(link >= now for link in self._links))

    def refuse(self) -> None:
        """Refuse new connections, as a server does that is down. Those that exist stay."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()

    def stall(self) -> None:
        """Pass nothing on, in any connection, without a word: the network's own kind of silence."""
        self._stalled = True

    def allow(self) -> None:
        """Accept and pass on again."""
        self._stalled = False
        if not self._server:
            self._server = _Server((self.host, self.port), self._handler())
            threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        link = self._link

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                link(self.request)

        return Handler

    def _link(self, client: socket.socket) -> None:
        with self._changed:
            epoch = self._cuts
            self._links.append(epoch)
            self.accepted += 1
        try:
            with contextlib.suppress(OSError), socket.create_connection(self.upstream) as upstream:
                self._pump(client, upstream, epoch)
        finally:
            client.close()
            with self._changed:
                self._links.remove(epoch)
                self._changed.notify_all()

    def _pump(self, client: socket.socket, upstream: socket.socket, epoch: int) -> None:
        while epoch == self._cuts:
            if self._stalled:
                time.sleep(_POLL_SECONDS)
                continue
            readable, _, _ = select.select([client, upstream], [], [], _POLL_SECONDS)
            for source in readable:
                data = source.recv(_CHUNK_BYTES)
                if not data:
                    return
                (upstream if source is client else client).sendall(data)
        for side in (client, upstream):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def shutdown_request(self, request: Any) -> None:
        """Close at once: the usual shutdown before would turn a reset into an orderly end."""
        self.close_request(request)
