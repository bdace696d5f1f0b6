"""How far dump and load are, told while they run. The command line draws a bar of it, a container's log does not."""

from typing import Protocol


class Progress(Protocol):
    """Called after each chunk, in the thread that does the work."""

    def __call__(self, table: str, done: int, total: int, unit: str) -> None:
        """`done` of about `total` `unit`s ("rows") of this table are done; `total` is never below `done`."""


def silent(table: str, done: int, total: int, unit: str) -> None:
    """Nobody looks."""
