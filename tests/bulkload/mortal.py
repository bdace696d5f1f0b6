"""A process that dies at its n-th call to AWS: the clients raise, then and for ever after.

To die before call n+1 is to die after call n, whether its answer was read or not. So dying once before each call of a
run, in turn, is dying at every point that anybody outside can tell apart.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any


class Killed(BaseException):
    """Nothing after this is done: what an `except Exception` would do after it, a dead process does not."""


class Fuse:
    """Burns at call number `at`, counted over all clients and threads; None: never. Counts the calls.

    With `names`, only these: of calls that change nothing, to die before one or before the next is the same.
    """

    def __init__(self, at: int | None = None, names: Collection[str] = ()) -> None:
        self.at = at
        self.names = names
        self.calls = 0
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        with self._lock:
            self.calls += not self.names or name in self.names
            if self.at is not None and self.calls >= self.at:
                raise Killed


class MortalClient:
    """A client of boto3, whose calls hang on a fuse."""

    def __init__(self, client: Any, fuse: Fuse) -> None:
        self._client = client
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in {"meta", "exceptions"}:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fuse.step(name)
            return found(*arguments, **named)

        return call


class Mortal:
    """Clients whose calls all hang on one fuse."""

    def __init__(self, clients: Any, fuse: Fuse) -> None:
        self.dynamodb = self.control = MortalClient(clients.dynamodb, fuse)
        self.s3 = MortalClient(clients.s3, fuse)
        self.region = clients.region
        self._clients = clients

    def close(self) -> None:
        self._clients.close()


def deaths(run: Callable[[Fuse], object], names: Collection[str] = ()) -> Iterator[int]:
    """Let it die at its first call, then at its second, and so on until it lives; gives the number after each death.
    `names` as for Fuse.

    A run with several threads does not always make as many calls.
    """
    at = 1
    while True:
        try:
            run(Fuse(at, names))
        except Killed:
            yield at
        else:
            return
        at += 1
