"""A server process that cannot outlive us.

The demo, the tests and the bench start real servers, and are themselves ended as life will (Ctrl-C, SIGKILL, a CI
timeout). So every server runs on a leash: a small shell watcher in the server's own process group reads from a pipe
whose other end only we hold. When we die, however we die, the pipe closes; the watcher removes the server's directory
and kills the group. This needs neither `preexec_fn` (unsafe beside threads) nor PR_SET_PDEATHSIG (Linux only, and it
fires already when the *thread* that started the server ends).
"""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
READY_SECONDS_MAX = 60.0  # the slowest start measured is 3 s; a busy CI machine may need ten times that
STOP_SECONDS_MAX = 20.0  # a clean shutdown of a small database takes under a second
POLL_SECONDS = 0.02
LOG_TAIL_LINES = 15

_HELD_MAX = 200  # ports chosen by one process; by then the first one's server listens, or is gone
_held: deque[int] = deque()  # file descriptors, which end with the process

# `exec` gives the server the shell's own process id, so a signal sent to the child reaches the server itself. `$$` is
# that id and the group's; it cannot be recycled while the watcher, a member of the group, lives. The second `$$` is
# for a container, where the server may not lead a group.
_LEASH = """
exec 3<&0 </dev/null
{ cat <&3; rm -rf "$0"; kill -KILL -$$ $$; } >/dev/null 2>&1 &
exec 3<&- "$@"
"""


class ServerError(Exception):
    """A throw-away server cannot be had or does not start; the text says what is missing and ends with the remedy."""


def leashed(argv: Sequence[str], directory: Path | None) -> list[str]:
    """The command that runs argv until its standard input closes; then argv is killed and the directory removed."""
    return ["/bin/sh", "-c", _LEASH, str(directory or ""), *argv]


def free_port(among: Sequence[int] = PORTS) -> int:
    """A port nobody listens on, below the range from which outgoing connections take theirs (Linux: 32768 and up).

    So a server that was killed finds its port again: no client's connection can have taken it in between. And no other
    process of ours is given it: we hold the UDP port of that number, which our servers do not use, for as long as we
    live. (Two test runs side by side were once given one port.)
    """
    for port in random.SystemRandom().sample(among, min(100, len(among))):
        held = socket.socket(type=socket.SOCK_DGRAM)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            held.bind((HOST, port))
            _held.append(held.detach())
            if len(_held) > _HELD_MAX:
                os.close(_held.popleft())
            return port
        held.close()
    raise ServerError(
        f"no free TCP port on {HOST} between {among[0]} and {among[-1]}: end the servers that are left over"
    )


class ThrowAway(ABC):
    """What is started on entry, and in the end, or where starting failed, stopped and removed."""

    @abstractmethod
    def start(self) -> None:
        """Start; return when it works. Raises ServerError."""

    @abstractmethod
    def close(self) -> None:
        """Stop, and remove what was written. Safe to repeat."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Child:
    """One server with a port, a directory and a log of its own; it can be started again after stop() or kill().

    Not for use by several threads at once. close() when done: it removes the directory; so does a normal exit.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"keyshift-{name}-"))
        self.log = self.directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def run(self, argv: Sequence[str], *, seconds_max: float) -> None:
        """Run a (leashed) command that prepares the server; raises ServerError with the log's tail when it fails."""
        command = self._process = self._spawn(argv, {})
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(seconds_max)
        self.kill()
        if command.returncode != 0:
            raise ServerError(f"{self.name}: preparing it failed with status {command.returncode}; {self._log_tail()}")

    def start(
        self, argv: Sequence[str], ready: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a (leashed) server, with environment added to ours, and wait until it is ready, else ServerError."""
        if self.pid:
            raise ServerError(f"{self.name} runs already as process {self.pid}: stop it first")
        self._process = self._spawn(argv, environment or {})
        try:
            self._wait_until(ready)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the server cleanly (SIGTERM), or by force when it takes too long. Stopping what is stopped is fine."""
        if self._process:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS_MAX)
        self.kill()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL), with all its children. Afterwards its port is free."""
        process, self._process = self._process, None
        if not process:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()
        self._wait_until_silent()

    def close(self) -> None:
        """Stop the server and remove its directory."""
        atexit.unregister(self.close)
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, argv: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the programs are ours or the operator's own
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not ready():
            if not self.pid:
                raise ServerError(f"{self.name} ended while it started; {self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} is not ready after {READY_SECONDS_MAX:.0f} s; {self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def _wait_until_silent(self) -> None:
        """A container goes a moment after the client process that ran it."""
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) != 0:
                    return
            time.sleep(POLL_SECONDS)
        raise ServerError(f"{self.name} still answers on port {self.port} after it was ended: end it by hand")

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(["its log ends with:", *lines[-LOG_TAIL_LINES:]])
