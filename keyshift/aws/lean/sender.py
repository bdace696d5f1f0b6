"""One attempt of a call: a kept or a new connection, the request signed at the last moment, and what came of it.

Failures are botocore's exceptions, so that whoever handles boto3's failures handles these.
"""

import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidConfigError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from keyshift.aws.lean.connection import Answer, Connection, Cut, ProxyRefused, Timeouts, connect
from keyshift.aws.lean.route import Route
from keyshift.aws.lean.signature import Credentials, Signer

SKEW_SECONDS_MAX: Final = 240.0  # AWS takes a request signed within five minutes; the SDKs correct from four on


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a client's owner wants to know of its requests.

    `guards` are called right before each request leaves, and what they raise reaches the caller; `watchers` are told of
    each request that got no answer, with the error.
    """

    guards: list[Callable[[], None]] = field(default_factory=list)
    watchers: list[Callable[[BaseException], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """How requests reach the service. `headers` are the lines that all have in common, `kept_max` connections wait."""

    route: Route
    signer: Signer
    context: ssl.SSLContext | None
    timeouts: Timeouts
    headers: str
    kept_max: int


class Sender:
    """Sends requests of one service. For use by several threads."""

    def __init__(self, way: Way, hooks: Hooks) -> None:
        self._way = way
        self._hooks = hooks
        self._head = way.route.head + way.headers
        self._kept: deque[Connection] = deque()
        self._closed = weakref.finalize(self, _close, self._kept)
        self._clock_ahead_seconds = 0.0  # the service's before ours

    def send(self, target: str, body: bytes, credentials: Credentials) -> tuple[Answer, float]:
        """The answer to one request, and the moment with which it was signed. Raises BotoCoreError.

        A kept connection may end just as it is used again. That is no failure of the service: the request is sent once
        more at once, on a new one. As with every lost answer it may have been done, and is safe to repeat.
        """
        if connection := self._take():
            try:
                return self._exchange(connection, target, body, credentials)
            except ConnectionClosedError as error:
                if not (isinstance(error.__cause__, Cut) and error.__cause__.unanswered):
                    raise
        return self._exchange(self._connect(), target, body, credentials)

    def open(self) -> Connection:
        """A connection for whoever calls `begin` and `end` himself, and then `keep`. Raises BotoCoreError."""
        return self._take() or self._connect()

    def begin(self, connection: Connection, target: str, body: bytes, credentials: Credentials) -> float:
        """Sign a request and send it, and give the moment with which it was signed. Raises BotoCoreError."""
        at = time.time() + self._clock_ahead_seconds
        signature = self._way.signer.headers(credentials, target, body, at)
        head = f"{self._head}X-Amz-Target: {target}\r\n{signature}Content-Length: {len(body)}\r\n\r\n"
        request = head.encode() + body
        for guard in self._hooks.guards:
            guard()
        try:
            connection.send(request)
        except OSError as error:
            raise self.lost(error) from error
        return at

    def end(self, connection: Connection) -> Answer:
        """Wait for the answer to what was sent. Raises BotoCoreError."""
        try:
            return connection.answer()
        except OSError as error:
            raise self.lost(error) from error

    def keep(self, connection: Connection, *, usable: bool) -> None:
        """Keep a connection that is not needed now, or end it."""
        if usable and self._closed.alive and len(self._kept) < self._way.kept_max:
            self._kept.append(connection)
        else:
            connection.close()

    def lost(self, error: OSError) -> BotoCoreError:
        """What a request that got no answer is told by; whoever watches is told."""
        told = self._told(error)
        for watcher in self._hooks.watchers:
            watcher(told)
        return told

    @property
    def answer_seconds_max(self) -> float:
        """How long an answer is waited for."""
        return self._way.timeouts.read_seconds

    def corrected(self, answer: Answer, signed_at: float) -> bool:
        """Whether the service's clock is so far from the one that signed that this was the fault; set right now."""
        if (told := _seconds(answer.headers.get("date", ""))) is None or abs(told - signed_at) < SKEW_SECONDS_MAX:
            return False
        self._clock_ahead_seconds = told - time.time()
        return True

    def close(self) -> None:
        """End the connections, those in use when their answer is there."""
        self._closed()

    def _take(self) -> Connection | None:
        while True:
            try:
                connection = self._kept.pop()  # the one used last: the others may grow old and be closed by the service
            except IndexError:
                return None
            if connection.alive:
                return connection
            connection.close()

    def _exchange(
        self, connection: Connection, target: str, body: bytes, credentials: Credentials
    ) -> tuple[Answer, float]:
        usable = False
        try:
            at = self.begin(connection, target, body, credentials)
            answer = self.end(connection)
            usable = not answer.last
            return answer, at
        finally:
            self.keep(connection, usable=usable)

    def _told(self, error: OSError) -> BotoCoreError:
        if isinstance(error, TimeoutError):
            return ReadTimeoutError(endpoint_url=self._way.route.url, error=error)
        if isinstance(error, ssl.SSLError):
            return SSLError(endpoint_url=self._way.route.url, error=error)
        return ConnectionClosedError(endpoint_url=self._way.route.url, error=error)

    def _connect(self) -> Connection:
        route, told = self._way.route, dict[str, Any](endpoint_url=self._way.route.url)
        try:
            return connect(route, self._way.context, self._way.timeouts)
        except ssl.SSLError as error:
            raise SSLError(**told, error=error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(**told, error=error) from error
        except OSError as error:
            if route.proxy and (isinstance(error, ProxyRefused) or not isinstance(error, socket.gaierror)):
                raise ProxyConnectionError(proxy_url=route.proxy.url, error=error) from error
            raise EndpointConnectionError(**told, error=error) from error


def _close(kept: deque[Connection]) -> None:
    while kept:
        kept.pop().close()


def trusting(bundle: str) -> ssl.SSLContext:
    """A context that verifies servers by the CA certificates in a file or a folder. Raises InvalidConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:
        raise InvalidConfigError(error_msg=f"CA bundle {bundle} cannot be read: {error.strerror}") from error
    return context


def _seconds(date: str) -> float | None:
    """The moment of a Date header, in seconds since 1970."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
