"""From a commit at the source to the arrival of its change on the stream, one row to a transaction."""

import time
from collections.abc import Iterator
from statistics import median, quantiles

from bench import shape
from bench.daemon import running, wait
from bench.measure import Result
from bench.sink import calls, ids
from bench.source import Begun
from keyshift.cli.demo.commands import Commands

IDLE_COMMITS, IDLE_SECONDS = 100, 0.04  # between two: longer than a commit alone takes, and no multiple of our waits
LOAD_PER_SECOND, LOAD_COMMITS = 1_000, 4_000


def latencies(source: Begun, commands: Commands, url: str, first: int) -> list[Result]:
    """In milliseconds: of commits that come alone, and of a thousand commits in a second."""
    with running(commands):
        _committed(source, first, 1, 0.0)
        wait(lambda: calls(url))
        ids(url)
        idle = _measured(source, url, first + 1, IDLE_COMMITS, IDLE_SECONDS)
        load = _measured(source, url, first + 1 + IDLE_COMMITS, LOAD_COMMITS, 1 / LOAD_PER_SECOND)
    return [*_results("idle", idle), *_results(f"{LOAD_PER_SECOND:,} commits a second", load)]


def _measured(source: Begun, url: str, first: int, count: int, pause_seconds: float) -> list[float]:
    """The milliseconds of each commit."""
    committed = _committed(source, first, count, pause_seconds)
    arrived: dict[int, float] = {}

    def all_arrived() -> bool:
        for at, found in ids(url):
            arrived.update(dict.fromkeys(found, at))
        return len(arrived) >= count

    wait(all_arrived)
    return [1_000 * (arrived[number] - at) for number, at in committed.items()]


def _committed(source: Begun, first: int, count: int, pause_seconds: float) -> dict[int, float]:
    """Insert rows, each at its time; when each was committed, as the client knows it."""
    found, begun = {}, time.monotonic()
    with source.database.connect(shape.SCHEMA) as connection, connection.cursor() as cursor:
        for number, values in enumerate(shape.values(count, first)):
            time.sleep(max(0.0, begun + number * pause_seconds - time.monotonic()))
            cursor.execute(shape.INSERT, values)
            found[first + number] = time.monotonic()
    return found


def _results(what: str, milliseconds: list[float]) -> Iterator[Result]:
    middle, high = median(milliseconds), quantiles(milliseconds, n=100)[98]
    for name, figure in (("median", middle), ("99th percentile", high)):
        yield Result("capture", f"commit to stream, {what}, {name}", figure, "the median", figure / middle, "ms")
