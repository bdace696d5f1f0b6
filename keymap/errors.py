"""Errors that are made for the person who reads them: what happened, where, and what to do next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class KeyshiftError(Exception):
    """A refusal or a user's mistake. The command line prints it without a traceback.

    `message` says what happened and where, `remedy` what to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, whatever its class asks for when it is made: errors of one process are told by another."""
        return _made, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


def _made(kind: type[KeyshiftError], args: tuple[Any, ...], fields: dict[str, Any]) -> KeyshiftError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `where` it is ("keymap.yaml:12", "table shop.orders"), `what` it is, and the `remedy`."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


class Problems(KeyshiftError):
    """All mistakes of one input, reported together so that one edit can mend them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def raise_if_any(cls, problems: Iterable[Problem]) -> None:
        """Raise one error for all of `problems`; return when there is none."""
        found = tuple(problems)
        if found:
            raise cls(found)
