"""Many requests from one thread, several of them under way at once.

Threads that each wait for one answer pass Python's lock to each other at every step, which costs more than the requests
themselves. Here one thread sends until so many are under way, and then waits for whichever answer comes first, so that
a slow one holds up nothing but its own connection.

Nothing is tried again here. A request that got no answer may have been done.
"""

import select
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError

from keyshift.aws.lean.connection import Answer, Connection
from keyshift.aws.lean.sender import Sender
from keyshift.aws.lean.signature import Credentials

_MILLISECONDS: Final = 1000
Ready = tuple[str, bytes]  # the target, and the body
Told = tuple[int, Answer | BotoCoreError]  # which request's, and what came of it


class _UnderWay(NamedTuple):
    """A request that was sent at a moment of the monotonic clock."""

    number: int
    connection: Connection
    since: float


class Window:
    """Sends requests by `sender`, at most `width` at once. For one thread, and once."""

    def __init__(self, sender: Sender, credentials: Callable[[], Credentials], width: int) -> None:
        self._sender, self._credentials, self._width = sender, credentials, width
        self._poll = select.poll()
        self._under_way: dict[int, _UnderWay] = {}  # by descriptor, the oldest first
        self._idle: list[Connection] = []

    def answers(self, requests: Iterable[Ready]) -> Generator[Told]:
        """What came of each request, by its number, as answers come.

        Whoever stops asking ends the connections of what is under way; so does an error of the sender's guards.
        """
        try:
            for number, request in enumerate(requests):
                while len(self._under_way) >= self._width:
                    yield from self._ended()
                error = self._begin(number, *request)
                if error:
                    yield number, error
            while self._under_way:
                yield from self._ended()
        finally:
            self._close()

    def _begin(self, number: int, target: str, body: bytes) -> BotoCoreError | None:
        connection: Connection | None = None
        try:
            connection = self._idle.pop() if self._idle else self._open()
            self._sender.begin(connection, target, body, self._credentials())
        except BaseException as error:
            if connection:
                self._end(connection)
            if isinstance(error, BotoCoreError):
                return error
            raise
        self._under_way[connection.fileno()] = _UnderWay(number, connection, time.monotonic())
        return None

    def _open(self) -> Connection:
        connection = self._sender.open()
        self._poll.register(connection, select.POLLIN)
        return connection

    def _end(self, connection: Connection) -> None:
        self._poll.unregister(connection)
        connection.close()

    def _ended(self) -> Iterator[Told]:
        """What has been answered when something has, or waited for too long."""
        first, oldest = next(iter(self._under_way.items()))
        left = oldest.since + self._sender.answer_seconds_max - time.monotonic()
        for descriptor, _ in self._poll.poll(max(0.0, left) * _MILLISECONDS):
            one = self._under_way.pop(descriptor, None)
            if one is None:  # the other side ends a connection that is idle
                self._drop(descriptor)
            else:
                yield one.number, self._answer(one.connection)
        if left <= 0 and self._under_way.get(first) is oldest:
            del self._under_way[first]
            self._end(oldest.connection)
            yield oldest.number, self._sender.lost(TimeoutError("no answer"))

    def _answer(self, connection: Connection) -> Answer | BotoCoreError:
        try:
            answer = self._sender.end(connection)
        except BotoCoreError as error:
            self._end(connection)
            return error
        if answer.last:
            self._end(connection)
        else:
            self._idle.append(connection)
        return answer

    def _drop(self, descriptor: int) -> None:
        for connection in self._idle:
            if connection.fileno() == descriptor:
                self._idle.remove(connection)
                self._end(connection)
                return

    def _close(self) -> None:
        for one in self._under_way.values():
            one.connection.close()
            self._sender.lost(OSError("nobody waits for its answer any more"))
        for connection in self._idle:
            self._sender.keep(connection, usable=True)
