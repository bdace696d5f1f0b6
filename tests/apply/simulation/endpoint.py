"""What lies between a process and a service: each call may find a bad day, and other work may come before it.

A request whose answer is lost may arrive some time later, but no later than the life of a request; where nobody asks
for such a bound, at any time.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from keymap.errors import KeyshiftError
from keyshift.aws.clients import error_code
from tests.apply.conftest import Inline
from tests.apply.simulation.schedule import Schedule
from tests.control.conftest import Clock

MENDED: Final = (KeyshiftError, ClientError, BotoCoreError)  # by doing it again, on a bad day; all else is a mistake
READS: Final = frozenset({"get_item", "query", "batch_get_item", "scan", "get_object"})
LIFE_SECONDS: Final = 30.0  # of a request that was sent
OPERATORS_LUCK: Final = 4  # with the control table: what they run takes many calls, each of which has to come through


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely a call is refused, or never heard of again, before or after it was done."""

    throttled: float = 0.0
    forbidden: float = 0.0  # what no repetition within the invocation mends
    unsent: float = 0.0
    lost: float = 0.0  # done, and the answer lost
    late: float = 0.0  # the answer lost, and it is done some time later
    shunned: str = ""  # a table of which every other write is forbidden


@dataclass(frozen=True, slots=True)
class Late:
    """A request on its way, until then; `by` is who sent it, "" for whoever is no operator."""

    call: Callable[[], object]
    by: str
    until: float


class Endpoint:
    """A service whose calls are steps of the schedule, and meet what `odds` say. `sender` is whose call is being done.

    No request of an operator lives longer than LIFE_SECONDS; with `mortal`, none does.
    """

    def __init__(
        self, service: Any, schedule: Schedule, chance: random.Random, odds: Odds, clock: Clock, *, mortal: bool
    ) -> None:
        self.odds, self.sender = odds, ""
        self.late: list[Late] = []
        self.met: Counter[str] = Counter()
        self.service, self.schedule = service, schedule
        self._chance, self._clock, self._mortal = chance, clock, mortal

    def client(self, by: str = "", refuses: Callable[[dict[str, Any]], bool] = lambda _request: False) -> "Client":
        """A client of a process of its own. `refuses` says which requests the service finds invalid."""
        return Client(self, by, refuses)

    def arrive(self) -> None:
        """One of the late requests does, if there is one; nobody hears of its answer."""
        if self.late:
            self._do(self.late.pop(self._chance.randrange(len(self.late))))

    def expire(self, now: float) -> None:
        """What has not arrived by then does so at last, or never will."""
        for one in [one for one in self.late if one.until <= now]:
            self.late.remove(one)
            if self._chance.random() < 0.5:
                self._do(one)

    def _do(self, late: Late) -> None:
        self.sender = late.by
        try:
            late.call()
        except ClientError as error:
            if error_code(error) not in {"ConditionalCheckFailedException", "TransactionCanceledException"}:
                raise
        finally:
            self.sender = ""

    def answer(self, client: "Client", name: str, request: dict[str, Any]) -> Any:
        """What comes of a request that has left."""
        self.met[name] += 1
        shunned = self.odds.shunned and request.get("TableName") == self.odds.shunned and self._chance.random() < 0.5
        lucky = client.by and request.get("TableName") == "control"
        fate = "forbidden" if shunned else self._fate(1 / OPERATORS_LUCK if lucky else 1)
        self.met[fate] += 1
        if fate in {"throttled", "forbidden"}:
            code = "ProvisionedThroughputExceededException" if fate == "throttled" else "AccessDeniedException"
            raise ClientError({"Error": {"Code": code, "Message": "a bad day"}}, name)
        call, invalid = partial(getattr(self.service, name), **request), client.refuses(request)
        if fate == "late" and name not in READS and not invalid:
            life_seconds = LIFE_SECONDS if self._mortal or client.by else inf
            self.late.append(Late(call, client.by, self._clock() + life_seconds))
        if fate in {"unsent", "late"}:
            raise ReadTimeoutError(endpoint_url="simulated")
        if invalid:
            self.met["refused"] += 1
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "Item size is too large"}}, name)
        self.sender = client.by
        try:
            answer = call()
        finally:
            self.sender = ""
        if fate == "lost":
            raise ReadTimeoutError(endpoint_url="simulated")
        return answer

    def _fate(self, share: float) -> str:
        draw = self._chance.random()
        for fate in ("throttled", "forbidden", "unsent", "lost", "late"):
            draw -= share * getattr(self.odds, fate)
            if draw < 0:
                return fate
        return "answered"


class Events:
    """Botocore's: who is told before a request leaves, and what came of it (keyshift.aws.clients.guard_sends)."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[..., None]]] = {}

    def register(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers.setdefault(name, []).append(handler)

    def tell(self, name: str, **event: object) -> None:
        for handler in self._handlers.get(name, ()):
            handler(**event)


class Client:
    """A client of boto3, as far as it is used. A process may stand, or die, before each of its calls."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, endpoint: Endpoint, by: str, refuses: Callable[[dict[str, Any]], bool]) -> None:
        self.by, self.refuses, self._endpoint = by, refuses, endpoint
        self.meta = SimpleNamespace(events=Events())

    def close(self) -> None:
        """There is nothing to close."""

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    def _call(self, name: str, **request: Any) -> Any:
        self._endpoint.schedule.pause()
        self.meta.events.tell("before-send.dynamodb")
        try:
            return self._endpoint.answer(self, name, request)
        except ReadTimeoutError as lost:
            self.meta.events.tell("needs-retry.dynamodb", caught_exception=lost)
            raise


class Jumbled(Inline):
    """Runs jobs that come together one after another in an order that is drawn."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def map(self, fn: Any, *iterables: Any, **_options: Any) -> Iterator[Any]:
        jobs = list(zip(*iterables, strict=True))
        results: dict[int, Any] = {}
        for place in self._chance.sample(range(len(jobs)), len(jobs)):
            results[place] = fn(*jobs[place])
        return (results[place] for place in range(len(jobs)))
