"""What a look at one thing found: `keyshift init` refuses on its problems, `keyshift doctor` shows all of it."""

from collections.abc import Callable
from dataclasses import dataclass

from keymap.errors import KeyshiftError, Problem, Problems
from keyshift.cli.errors import SERVICE_ERRORS, told
from keyshift.control.answers import Answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen where all is well, what is wrong, and what one should know.

    `present` says that a resource is there, ready to be tried; `gone` that init made one which is not there any more;
    `accepted` are the refusals that the settings answer for.
    """

    name: str
    evidence: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    gone: tuple[Problem, ...] = ()
    present: bool = False
    accepted: tuple[Answer, ...] = ()


def attempt(name: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds, or, where it is refused, the refusal as a problem of `name`."""
    try:
        return look()
    except (KeyshiftError, *SERVICE_ERRORS) as error:
        return failed(name, error)


def failed(name: str, error: BaseException) -> Finding:
    """A refusal as a problem of `name`; several, where it tells of several."""
    ours = told(error)
    problems = ours.problems if isinstance(ours, Problems) else (Problem(name, ours.message, ours.remedy),)
    return Finding(name, "", tuple(problems))
