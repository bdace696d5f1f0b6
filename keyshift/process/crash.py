"""Errors that nobody foresaw, as a log may hold them: of which type and where, never in their own words.

Such an error's text may quote what rows hold (`invalid literal for int(): 'Alice'`). A KeyshiftError is written with
that in mind, and tells its text; of everything else only the type is told, and the lines of code that it came by.
"""

import sys
import threading
import traceback
from pathlib import PurePath
from types import TracebackType

from keymap.errors import KeyshiftError


class Unforeseen(KeyshiftError):
    """An error that is none of ours and none of a service's, told without its text."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"{type(error).__name__}{_place(error)}, an error that nobody foresaw; what it says is not told, since it "
            "may hold what rows hold",
            "It is a mistake of Keyshift's: report type and place. Nothing was skipped",
        )


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    return f" at {'/'.join(PurePath(frames[-1].filename).parts[-2:])}:{frames[-1].lineno}"


def textless(error: BaseException) -> str:
    """The traceback as Python prints it, without the texts of what is no KeyshiftError."""
    parts = [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}{_text(error)}"]
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        parts = [textless(before), "\n\nwhich led to:\n\n", *parts]
    return "".join(parts)


def _text(error: BaseException) -> str:
    return f": {error}" if isinstance(error, KeyshiftError) else ""


def tell_textless() -> None:
    """Let errors that end this process, or a thread of it, be printed so, unless standard error is a terminal."""
    if sys.stderr is None or sys.stderr.isatty():
        return
    sys.excepthook = _of_process
    threading.excepthook = _of_thread


def _of_process(_kind: type[BaseException], error: BaseException, _where: TracebackType | None) -> None:
    sys.stderr.write(f"{textless(error)}\n")


def _of_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
        name = given.thread.name if given.thread else "?"
        sys.stderr.write(f"in thread {name}:\n{textless(given.exc_value)}\n")
