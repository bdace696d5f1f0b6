"""What lies between a function and its endpoints: each call may find a bad day, and other work may come before it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from keymap.errors import KeyshiftError
from keyshift.aws.clients import error_code
from keyshift.process.stop import Stop
from tests.apply.conftest import Inline
from tests.apply.simulation.schedule import Schedule

MENDED = (KeyshiftError, ClientError, BotoCoreError)  # by doing it again, on a bad day; all else is a mistake
READS = frozenset({"get_item", "query", "batch_get_item"})


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely a call is refused, or never heard of again, before or after it was done."""

    throttled: float = 0.0
    forbidden: float = 0.0  # what no repetition within the invocation mends
    unsent: float = 0.0
    lost: float = 0.0  # done, and the answer lost
    late: float = 0.0  # the answer lost, and it is done some time later
    shunned: str = ""  # a table of which every other write is forbidden


class Endpoint:
    """A client whose calls are steps of the schedule, and meet what `odds` say."""

    def __init__(self, client: Any, schedule: Schedule, chance: random.Random, odds: Odds) -> None:
        self.odds = odds
        self.late: list[Callable[[], object]] = []
        self.met: Counter[str] = Counter()
        self._client, self._schedule, self._chance = client, schedule, chance

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return found if name in {"meta", "exceptions"} else partial(self._call, name, found)

    def arrive(self) -> None:
        """One of the late requests does, if there is one; nobody hears of its answer."""
        if not self.late:
            return
        try:
            self.late.pop(self._chance.randrange(len(self.late)))()
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def _call(self, name: str, call: Callable[..., Any], **request: Any) -> Any:
        self._schedule.pause()
        self.met[name] += 1
        shunned = self.odds.shunned and request.get("TableName") == self.odds.shunned and self._chance.random() < 0.5
        fate = "forbidden" if shunned else self._fate()
        self.met[fate] += 1
        if fate in {"throttled", "forbidden"}:
            code = "ProvisionedThroughputExceededException" if fate == "throttled" else "AccessDeniedException"
            raise ClientError({"Error": {"Code": code, "Message": "a bad day"}}, name)
        if fate == "late" and name not in READS:
            self.late.append(partial(call, **request))
        if fate in {"unsent", "late"}:
            raise ReadTimeoutError(endpoint_url="simulated")
        answer = call(**request)
        if fate == "lost":
            raise ReadTimeoutError(endpoint_url="simulated")
        return answer

    def _fate(self) -> str:
        draw = self._chance.random()
        for fate in ("throttled", "forbidden", "unsent", "lost", "late"):
            draw -= getattr(self.odds, fate)
            if draw < 0:
                return fate
        return "answered"


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


class Hurried(Stop):
    """Sleeps end at once."""

    def wait(self, seconds: float) -> bool:
        del seconds
        return False
