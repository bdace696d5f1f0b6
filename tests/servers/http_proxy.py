"""An HTTP proxy, as companies have them at their border: it forwards what is plain and tunnels TLS (CONNECT)."""

import contextlib
import http.client
import select
import socket
from urllib.parse import urlsplit

from tests.servers.http_server import Handler, Server, Serving

_HOPS = {"connection", "proxy-authorization", "proxy-connection", "keep-alive"}


class HttpProxy(Serving):
    """Listens at `url` as long as the block lasts. `authorization` is what it wants to be told ("" for nothing)."""

    def __init__(self, authorization: str = "") -> None:
        self.authorization = authorization
        self.forwarded: list[str] = []  # URLs
        self.tunnels: list[str] = []  # host:port
        self._server = Server(self, _Handler)
        self.address = self._server.address
        self.url = f"http://{self.address}"


class _Handler(Handler):
    server: Server[HttpProxy]

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        body = self.body()
        if not self._let_in():
            return
        self.server.owner.forwarded.append(self.path)
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

    def do_CONNECT(self) -> None:  # noqa: N802 - http.server's name
        if not self._let_in():
            return
        self.server.owner.tunnels.append(self.path)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as behind:
            self.send_response_only(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                _pump(self.connection, behind)
        self.close_connection = True

    def _let_in(self) -> bool:
        wanted = self.server.owner.authorization
        if not wanted or self.headers.get("Proxy-Authorization") == wanted:
            return True
        self.send_response_only(407, "Proxy Authentication Required")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for source in select.select([one, other], [], [])[0]:
            if not (data := source.recv(65_536)):
                return
            (other if source is one else one).sendall(data)
