"""An AWS-compatible endpoint that swallows everything: the client is what is measured, so the sink must be faster.

It speaks just enough HTTP/1.1 to answer what the writers send: PutRecords (a fitting list of successes), BatchWriteItem
(nothing left over), PutItem and UpdateItem (no old item), Scan (nothing there). Whatever else is asked, such as the
shards of a stream, is answered by a real endpoint behind it. It is a process of its own, beside our interpreter.

What comes by PutRecords is kept, with the moment of its arrival, until somebody asks for it: counts() or ids().
"""

import asyncio
import base64
import http.client
import json
import multiprocessing
import os
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from keymap.wire import decode_header, decode_pack

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
_RECORD = b'{"ShardId":"shardId-000000000000","SequenceNumber":"1"}'


_FIXED = {
    b"BatchWriteItem": b'{"UnprocessedItems":{}}',
    b"PutItem": b"{}",
    b"UpdateItem": b"{}",
    b"Scan": b'{"Items":[],"Count":0,"ScannedCount":0}',
}


_kept: list[tuple[float, bytes]] = []  # in the sink's process: when it came, and the body


def _answer(target: bytes, body: bytes) -> bytes | None:
    """What a swallowed request is answered with; None for one that is not swallowed."""
    if target == b"PutRecords":
        _kept.append((time.monotonic(), body))
        records = b",".join([_RECORD] * body.count(b'"PartitionKey"'))
        return b'{"FailedRecordCount":0,"Records":[' + records + b"]}"
    if target == b"PutRecord":
        return _RECORD
    if target == b"Calls":
        return b"%d" % len(_kept)
    if target in _KEPT:
        found = [(at, _KEPT[target](call)) for at, call in _kept]
        _kept.clear()
        return json.dumps(found).encode()
    return _FIXED.get(target)


def _records(call: bytes) -> list[bytes]:
    return [base64.b64decode(record["Data"]) for record in json.loads(call)["Records"]]


def _count(call: bytes) -> int:
    return sum(decode_header(record).count for record in _records(call))


def _ids(call: bytes) -> list[Any]:
    return [change.after["id"] for record in _records(call) for change in decode_pack(record)[1] if change.after]


_KEPT: dict[bytes, Callable[[bytes], Any]] = {b"Counts": _count, b"Ids": _ids}


def calls(url: str) -> int:
    """How many calls of PutRecords the sink at the URL keeps."""
    return int(_asked(url, "Calls"))


def counts(url: str) -> list[tuple[float, int]]:
    """When each of them came, by time.monotonic(), and how many changes are in it. The sink forgets them."""
    return [(at, count) for at, count in json.loads(_asked(url, "Counts"))]


def ids(url: str) -> list[tuple[float, list[int]]]:
    """The same, with the ids of the rows that were inserted."""
    return [(at, found) for at, found in json.loads(_asked(url, "Ids"))]


def _asked(url: str, what: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, b"", {"X-Amz-Target": f"Bench.{what}"})) as answer:
        found: bytes = answer.read()
    return found


class _Swallow(asyncio.Protocol):
    """One connection: requests come one after the other, each with a Content-Length."""

    def __init__(self, upstream: str, answer_seconds: float) -> None:
        self._held = bytearray()
        self._upstream, self._answer_seconds = upstream, answer_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._held[:end])
            length = int(_header(head, b"content-length") or 0)
            if len(self._held) < end + 4 + length:
                if b"100-continue" in head:
                    self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._held[end + 4 : end + 4 + length])
            del self._held[: end + 4 + length]
            answer = _answer(_header(head, b"x-amz-target").rpartition(b".")[2], body)
            whole = self._forward(head, body) if answer is None else _HEAD % len(answer) + answer
            if self._answer_seconds:
                asyncio.get_running_loop().call_later(self._answer_seconds, self._write, whole)
            else:
                self._write(whole)

    def _forward(self, head: bytes, body: bytes) -> bytes:
        """Ask the endpoint behind us. These calls are few, so that waiting for them holds nobody up."""
        connection = http.client.HTTPConnection(self._upstream.removeprefix("http://"))
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        status = b"HTTP/1.1 %d Answer\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
        return status % (response.status, len(answer)) + answer

    def _write(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(data)


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


async def _serve(port_out: Connection, upstream: str, certificates: Path | None, answer_seconds: float) -> None:
    context = None
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Swallow(upstream, answer_seconds), "127.0.0.1", 0, ssl=context)
    port_out.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main(port_out: Connection, upstream: str, certificates: Path | None, answer_seconds: float) -> None:
    asyncio.run(_serve(port_out, upstream, certificates, answer_seconds))


@contextmanager
def sink(upstream: str = "", certificates: Path | None = None, answer_seconds: float = 0.0) -> Iterator[str]:
    """The URL of a running sink, before the endpoint at URL `upstream`; with TLS where a folder has certificates.

    What it swallows is answered after `answer_seconds`, as a service far away would.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(sender, upstream, certificates, answer_seconds), daemon=True)
    process.start()
    try:
        yield f"{'https' if certificates else 'http'}://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


@contextmanager
def sinks() -> Iterator[dict[str, str]]:
    """The URLs of a sink without TLS and of one with it, whose certificate is trusted within."""
    from tests.servers.certificates import make_certificates  # noqa: PLC0415 - how to make them is the tests' business

    with tempfile.TemporaryDirectory() as folder, sink() as plain:
        os.environ["AWS_CA_BUNDLE"] = str(make_certificates(Path(folder)))
        try:
            with sink(certificates=Path(folder)) as secure:
                yield {"plain": plain, "TLS": secure}
        finally:
            del os.environ["AWS_CA_BUNDLE"]
