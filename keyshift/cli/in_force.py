"""What is in force now, for the plan: of the stream as it is, where it is there, and of the dump's limits.

The settings say what `keyshift init` creates a stream with; it may have been another's, or changed since. Limits may
have been asked for by `keyshift bulkload throttle`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

from bulkload.dump.limits import Limits
from keymap.errors import KeyshiftError
from keyshift.aws.own_stream import StreamFacts, stream_facts
from keyshift.cli.errors import SERVICE_ERRORS, told
from keyshift.cli.wiring import Wiring
from keyshift.control.store import NotInitialised
from keyshift.control.throttle import Throttle, read_throttle

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamNow:
    """The stream: as it is (`there`), or as the settings want it. `shards` of one on demand: open ones, 0 if new."""

    there: bool
    shards: int
    on_demand: bool
    retention_hours: int


def stream_now(wiring: Wiring) -> StreamNow:
    """The stream that the changes will be kept in."""
    wanted = wiring.settings.stream
    found: StreamFacts | None = _asked("the stream is", lambda: stream_facts(wiring.clients.kinesis, wanted.name))
    if found is None:
        return StreamNow(
            there=False,
            shards=0 if wanted.on_demand else wanted.shards,
            on_demand=wanted.on_demand,
            retention_hours=wanted.retention_hours,
        )
    return StreamNow(there=True, shards=found.shards, on_demand=found.on_demand, retention_hours=found.retention_hours)


def limits_now(wiring: Wiring) -> Limits:
    """The limits that a dump would have."""
    asked = _asked("what `keyshift bulkload throttle` asked for is", lambda: _throttle(wiring))
    return Limits.of(wiring.settings.bulkload.throttle, asked or Throttle())


def _throttle(wiring: Wiring) -> Throttle | None:
    try:
        return read_throttle(wiring.store)
    except NotInitialised:
        return None


def _asked(what: str, question: Callable[[], T | None]) -> T | None:
    """The answer. Where nobody may ask, that is told, and the plan goes by the settings."""
    try:
        return question()
    except (KeyshiftError, *SERVICE_ERRORS) as error:
        click.echo(f"{what} not known, and the plan goes by the settings: {told(error).message}", err=True)
        return None
