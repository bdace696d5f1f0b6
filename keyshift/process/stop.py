"""The wish to stop, asked by a signal and honoured between two steps of a loop.

It is a pipe rather than a `threading.Event`: an Event's lock is not reentrant, so a handler that calls `set()` while
the main thread is inside `wait()` can wait for itself for ever. Writing one byte to a pipe is always safe in a handler,
and a byte that nobody reads wakes every thread that polls, now and later.
"""

import os
import select
import signal
import weakref
from types import FrameType
from typing import Final

POLL_SECONDS_MAX: Final = 86_400.0  # poll() takes 24 days of milliseconds at most


class Stopped(Exception):
    """A wait was cut short because the process was asked to stop; what was not done before stays undone."""


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class Stop:
    """A flag that is set once and never cleared. Any number of threads may look at it and wait for it."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        self._set = False
        weakref.finalize(self, _close, self._read_fd, self._write_fd)

    def install(self) -> None:
        """Let SIGTERM and SIGINT set the flag; only the main thread may call this.

        A second SIGINT meets Python's own handler again, so Ctrl-C twice ends a process that does not listen.
        """
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def set(self) -> None:
        """Ask to stop. Safe in a signal handler and from any thread, any number of times."""
        if not self._set:
            self._set = True
            os.write(self._write_fd, b"\0")

    def is_set(self) -> bool:
        """Whether somebody asked to stop."""
        return self._set

    def fileno(self) -> int:
        """A descriptor that can be read from as soon as the flag is set, for those who wait for other things too."""
        return self._read_fd

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the flag is set; says whether it is."""
        if not self._set:
            poll = select.poll()  # not select(): it fails on descriptors above 1023
            poll.register(self._read_fd, select.POLLIN)
            while not poll.poll(max(0.0, min(seconds, POLL_SECONDS_MAX)) * 1000) and seconds > POLL_SECONDS_MAX:
                seconds -= POLL_SECONDS_MAX
        return self._set

    def sleep(self, seconds: float) -> None:
        """Sleep that long; raises Stopped when the flag is, or becomes, set."""
        if self.wait(seconds):
            raise Stopped("asked to stop")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)


NEVER = Stop()  # for calls that nobody needs to interrupt
