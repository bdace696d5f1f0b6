"""A client whose writes meet the fates that a network has for them."""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


class Fate(Enum):
    """What happens to one write."""

    ANSWERED = "it is done and answered"
    UNSENT = "it never arrives, and the caller hears of a broken connection"
    LOST = "it is done, and the caller hears of a broken connection"
    REPEATED = "it is done, its answer is lost, and the SDK sends it again and hands over the second answer"
    LATE = "the caller hears of a broken connection, and it is done, or refused, some time later"


class BrokenConnection(Exception):
    """Nobody knows whether the write was done."""


def nothing() -> None:
    """What happens beside a call unless a test wants something."""


class Network:
    """Hands reads on. Writes take the next of `fates` (ANSWERED when there is none); `late` holds the late ones.

    `before_write` runs before a write is sent, `after_write` before its answer arrives.
    """

    def __init__(self, client: Any, *fates: Fate) -> None:
        self.client = client
        self.exceptions = client.exceptions
        self.fates = deque(fates)
        self.late: deque[Callable[[], object]] = deque()
        self.before_write: Callable[[], None] = nothing
        self.after_write: Callable[[], None] = nothing
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def update_item(self, **request: Any) -> Any:
        return self._write(lambda: self.client.update_item(**request))

    def transact_write_items(self, **request: Any) -> Any:
        """The token that makes a repeated transaction succeed is changed: not every endpoint honours it."""
        tokens = iter("abc")

        def send() -> Any:
            return self.client.transact_write_items(
                **{**request, "ClientRequestToken": request["ClientRequestToken"] + next(tokens)}
            )

        return self._write(send)

    def through(self, fate: Fate, step: Callable[[], T]) -> T:
        """Do a step whose first write meets this fate, and do it again where nobody knows what became of it."""
        self.fates.append(fate)
        if fate not in {Fate.ANSWERED, Fate.REPEATED}:
            with pytest.raises(BrokenConnection):
                step()
        return step()

    def deliver_all(self) -> None:
        """Let every late write arrive."""
        while self.late:
            self.deliver()

    def deliver(self) -> None:
        """Let the first late write arrive."""
        send = self.late.popleft()
        try:
            send()
        except self.exceptions.ClientError as error:
            codes = error.response["Error"]["Code"]
            assert codes in {"ConditionalCheckFailedException", "TransactionCanceledException"}, codes

    def _write(self, send: Callable[[], Any]) -> Any:
        self.writes += 1
        self.before_write()
        fate = self.fates.popleft() if self.fates else Fate.ANSWERED
        try:
            return self._meet(fate, send)
        finally:
            self.after_write()

    def _meet(self, fate: Fate, send: Callable[[], Any]) -> Any:
        if fate is Fate.LATE:
            self.late.append(send)
        if fate in {Fate.LATE, Fate.UNSENT}:
            raise BrokenConnection
        answer = send()
        if fate is Fate.LOST:
            raise BrokenConnection
        return send() if fate is Fate.REPEATED else answer
