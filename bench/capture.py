"""Capture: `keyshift cdc run` into a sink, beside what one would pick instead; what a row costs, and whether it grows.

Processor time is the daemon's own, all threads of it, and so says more on a busy machine than rows per second do.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench import mysqlbinlog, readers, shape
from bench.daemon import Run, captured, caught_up
from bench.decode import Stretch, written
from bench.latency import latencies
from bench.measure import Result, per_second
from bench.sink import sink
from bench.source import Begun, begun
from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.program import find_program

FIRST_ROWS = 10
MANY, FEW_TABLES, MANY_TABLES = 1_000, 4, 400
TIMES_MANY, TIMES_ONE, TIMES_SHORT, TIMES_TABLES, TIMES_HUGE = 15, 2.5, 3, 10, 50  # as many rows as were asked for
BARE_SHARE, NAIVE_SHARE = 5, 60  # of the daemon's rows the slow ways read so much less
_COLUMNS = ", ".join(shape.COLUMNS[1:])
_HUGE = f"INSERT INTO event_2 (id, {_COLUMNS}) SELECT id + %s, {_COLUMNS} FROM event ORDER BY id LIMIT %s"


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast another way is, and what it takes."""

    per_second: float
    cpu_us_per_row: float


class World:
    """A source and a daemon's commands; `next` is the first id that is free."""

    def __init__(self, source: Begun, url: str) -> None:
        self.source, self.url = source, url
        self.database = source.database
        self.commands = source.with_stream_at(url)
        self.next = FIRST_ROWS + 1

    def written(self, rows: int, size: int, names: tuple[str, ...] = (shape.TABLE,)) -> Stretch:
        """So many new rows in transactions of a size."""
        with self.database.connect(shape.SCHEMA) as connection, connection.cursor() as cursor:
            write = partial(shape.fill, cursor, self.next, rows, size, names)
            self.next += rows
            return written(self.database, f"{size:,} row{'s' if size > 1 else ''} a transaction", rows, write)

    def captured(self, rows: int) -> Run:
        """What the daemon takes for the rows that were written since it ran last."""
        return caught_up(self.source, self.commands, self.url, rows)


def measure(rows: int) -> list[Result]:
    """The whole group, in some two minutes for 20,000 rows."""
    with begun(FIRST_ROWS, FEW_TABLES) as source, sink(source.url) as url:
        world = World(source, url)
        results, many = _compared(world, int(rows * TIMES_MANY), MANY)
        one_results, _ = _compared(world, int(rows * TIMES_ONE), 1)
        short = _again(world, int(rows * TIMES_SHORT))
        results += [
            *one_results,
            _cost("capture going on for longer", short, many, f"{TIMES_MANY // TIMES_SHORT} times"),
        ]
        huge = _huge(world, int(rows * TIMES_HUGE))
        results.append(_cost("larger transactions", many, huge, f"{int(rows * TIMES_HUGE):,} rows in one"))
        few = _again(world, int(rows * TIMES_TABLES), FEW_TABLES)
        peak = max(run.peak_mebibytes for run in (many, short, huge, few))
        results.append(Result("capture", "peak memory of all runs", peak, "256 MiB", peak / 256, "MiB"))
        results += latencies(source, world.commands, url, world.next)
    with begun(FIRST_ROWS, MANY_TABLES) as source, sink(source.url) as url:
        most = _again(World(source, url), int(rows * TIMES_TABLES), MANY_TABLES)
        results.append(_cost("more captured tables", few, most, f"{MANY_TABLES} instead of {FEW_TABLES}"))
    return results


def _compared(world: World, rows: int, size: int) -> tuple[list[Result], Run]:
    """The daemon beside the other ways, all from the beginning of one stretch."""
    stretch = world.written(rows, size)
    bare_rows, naive_rows = rows // BARE_SHARE, rows // NAIVE_SHARE * (5 if size == 1 else 1)
    against = {
        "one put_record per row": _timed(
            naive_rows, lambda: readers.naive(world.database, stretch, naive_rows, world.url)
        ),
        "bare loop over the library": _timed(bare_rows, lambda: readers.bare(world.database, stretch, bare_rows)),
    }
    try:
        words = mysqlbinlog.command(find_program())
        against["mysqlbinlog -v"] = _timed(
            rows, lambda: mysqlbinlog.print_rows(words, world.database, stretch.file, stretch.begin, stretch.end)
        )
    except ServerError:
        pass  # there is none for this server
    ours = world.captured(rows)
    return [result for other, speed in against.items() for result in _beside(stretch.what, ours, other, speed)], ours


def _beside(what: str, ours: Run, other: str, speed: Speed) -> Iterator[Result]:
    """The daemon against another way: in rows, and in the processor time that both take for one, where more is less."""
    name = f"keyshift cdc run, {what}"
    yield Result("capture", f"{other}, {what}", speed.per_second, other, 1.0)
    yield Result("capture", name, ours.per_second, other, ours.per_second / speed.per_second)
    ratio = speed.cpu_us_per_row / ours.cpu_us_per_row
    against = f"{other}: {speed.cpu_us_per_row:.1f} us"
    yield Result("capture", f"{name}: processor time per row", ours.cpu_us_per_row, against, ratio, "us")


def _timed(rows: int, work: Callable[[], None]) -> Speed:
    """The better of two, so that a moment of other work does not flatter us."""
    found = []
    for _ in range(2):
        begun = sum(os.times()[:4])  # of this process and of those that it has waited for
        speed = per_second(rows, work)
        found.append(Speed(speed, (sum(os.times()[:4]) - begun) / rows * 1e6))
    return Speed(max(one.per_second for one in found), min(one.cpu_us_per_row for one in found))


def _again(world: World, rows: int, tables: int = 1) -> Run:
    world.written(rows, MANY // 10 if tables > 1 else MANY, tuple(shape.names(tables)))
    return world.captured(rows)


def _huge(world: World, rows: int) -> Run:
    """One transaction, made by the server of the rows that it has."""
    there = captured(world.source)
    with world.database.connect(shape.SCHEMA) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for begin in range(0, rows, there):
            cursor.execute(_HUGE, (world.next, min(there, rows - begin)))
            world.next += there + FIRST_ROWS
        cursor.execute("COMMIT")
    return world.captured(rows)


def _cost(what: str, small: Run, large: Run, how: str) -> Result:
    ratio = large.cpu_us_per_row / small.cpu_us_per_row
    name = f"processor time per row, {what} ({how})"
    return Result("capture", name, large.cpu_us_per_row, f"{small.cpu_us_per_row:.1f} us", ratio, "us")
