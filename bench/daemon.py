"""The daemon as an operator runs it, a process of its own, and what the system counts of it. Linux only: /proc."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.sink import calls, counts
from bench.source import Begun
from keyshift.cli.demo.commands import Commands
from keyshift.control.checkpoint import read_checkpoint

WAIT_SECONDS_MAX = 300.0
_CPU_FIELDS = slice(13, 15)  # of /proc/PID/stat: user and system time, in ticks


@dataclass(frozen=True, slots=True)
class Watched:
    """A daemon that runs."""

    pid: int

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it took, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").split()
        return sum(map(int, fields[_CPU_FIELDS])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_mebibytes(self) -> float:
        """The most memory that it had (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What it took to capture rows, the daemon's start not counted.

    Rows per second are those between the first call's arrival and the last one's; the processor's time is counted from
    a few milliseconds before the first.
    """

    per_second: float
    cpu_us_per_row: float
    peak_mebibytes: float


@contextmanager
def running(commands: Commands) -> Iterator[Watched]:
    """`keyshift cdc run` within the block."""
    with commands.background("cdc", "run") as process:
        yield Watched(process.pid)
        commands.require_running(process, "cdc", "run")


def caught_up(source: Begun, commands: Commands, url: str, rows: int) -> Run:
    """Run it until its checkpoint is `rows` changes further."""
    before = captured(source)
    with running(commands) as daemon:
        begun_cpu = daemon.cpu_seconds
        while not calls(url):
            begun_cpu = daemon.cpu_seconds
            time.sleep(0.005)
        wait(lambda: captured(source) >= before + rows)
        cpu, peak = daemon.cpu_seconds - begun_cpu, daemon.peak_mebibytes
    found = counts(url)
    (first, count), (last, _) = found[0], found[-1]
    return Run((rows - count) / (last - first), cpu / rows * 1e6, peak)


def captured(source: Begun) -> int:
    """How many changes the checkpoint counts."""
    found = read_checkpoint(source.store)
    return found.changes if found else 0


def wait(condition: Callable[[], object]) -> None:
    """Look again until it holds."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon did not catch up")
        time.sleep(0.1)
