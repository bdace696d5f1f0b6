"""How a refusal looks: one block with what is wrong, where, and what to do. No traceback: nothing of ours is broken."""

import click

from keymap.errors import KeyshiftError, Problem, Problems
from keyshift.aws.clients import BotoCoreError, ClientError, is_throttle, is_transient
from keyshift.aws.errors import loggable
from keyshift.aws.retry import RetriesExhausted
from keyshift.mysql.connection import MySQLError, Unreachable

EXIT_FOUND = 1  # the command did its work, and what it found is not what one hopes for
EXIT_REFUSED = 2  # a mistake, or a service says no: a person is needed; click's own code for a wrong option
EXIT_AGAIN = 75  # a service cannot be reached, or is too busy: the same command may do later; EX_TEMPFAIL of sysexits.h
EXIT_INTERRUPTED = 130  # as a shell counts a process ended by Ctrl-C

SERVICE_ERRORS = (ClientError, BotoCoreError, MySQLError, OSError)


def told(error: BaseException) -> KeyshiftError:
    """Any error of a user or of a service, as ours. Those of a service have seldom come so far without one."""
    if isinstance(error, KeyshiftError):
        return error
    if isinstance(error, MySQLError):
        reason = error.args[-1] if error.args else type(error).__name__
        return KeyshiftError(f"MySQL says: {reason}", "Check the grants and the server's error log, then try again")
    if isinstance(error, OSError):
        return KeyshiftError(f"{error.filename or 'the system'}: {error.strerror or error}", "Mend it, then try again")
    return loggable(error)


def exit_code(error: BaseException) -> int:
    """Whether a later try may succeed, or a person is needed. A supervisor restarts on the one only (deploy/)."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Unreachable | RetriesExhausted) or is_throttle(cause) or is_transient(cause):
            return EXIT_AGAIN
        cause = cause.__cause__
    return EXIT_REFUSED


def show(error: KeyshiftError) -> None:
    """Print it to standard error."""
    click.echo(block(error), err=True)


def block(error: KeyshiftError) -> str:
    """The text, coloured; click strips the colour where nobody sees it."""
    if isinstance(error, Problems) and len(error.problems) > 1:
        head = click.style(f"error: {len(error.problems)} problems", fg="red", bold=True)
        return "\n".join([head, *(_problem(one) for one in error.problems)])
    if isinstance(error, Problems):
        (one,) = error.problems
        error = KeyshiftError(f"{one.where}: {one.what}", one.remedy)
    lines = [click.style("error: ", fg="red", bold=True) + error.message]
    return "\n".join([*lines, *([_remedy(error.remedy, "  ")] if error.remedy else [])])


def _problem(problem: Problem) -> str:
    return f"  {click.style(problem.where, bold=True)}: {problem.what}\n{_remedy(problem.remedy, '    ')}"


def _remedy(text: str, indent: str) -> str:
    return "\n".join(indent + line for line in f"{click.style('do:', fg='cyan')} {text}".splitlines())
