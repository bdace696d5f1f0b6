"""An HTTP proxy, as companies have them at their border: it forwards what is plain and tunnels TLS (CONNECT)."""

import contextlib
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from keyshift.cli.demo.child import HOST

_HOPS = {"connection", "proxy-authorization", "proxy-connection", "keep-alive"}


class HttpProxy:
    """Listens at `url` as long as the block lasts. `authorization` is what it wants to be told ("" for nothing)."""

    def __init__(self, authorization: str = "") -> None:
        self.authorization = authorization
        self.forwarded: list[str] = []  # URLs
        self.tunnels: list[str] = []  # host:port
        self._server = _Server(self)
        self.address = f"{HOST}:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: HttpProxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._let_in():
            return
        self.server.proxy.forwarded.append(self.path)
        there = urlsplit(self.path)
        behind = http.client.HTTPConnection(there.hostname or "", there.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        behind.request("POST", there.path, body, headers)
        response = behind.getresponse()
        answer = response.read()
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {*_HOPS, "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        behind.close()

    def do_CONNECT(self) -> None:
        if not self._let_in():
            return
        self.server.proxy.tunnels.append(self.path)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as behind:
            self.send_response_only(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                _pump(self.connection, behind)
        self.close_connection = True

    def _let_in(self) -> bool:
        wanted = self.server.proxy.authorization
        if not wanted or self.headers.get("Proxy-Authorization") == wanted:
            return True
        self.send_response_only(407, "Proxy Authentication Required")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for source in select.select([one, other], [], [])[0]:
            if not (data := source.recv(65_536)):
                return
            (other if source is one else one).sendall(data)
