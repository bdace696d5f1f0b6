"""The arguments of a template's function: what each may be, and how they are bound to the function's parameters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """An argument that is a bare word: a column."""

    text: str


Argument = int | str | Name


@dataclass(frozen=True, slots=True)
class Parameter:
    """What an argument may be: a whole number within `low` and `high`, text, one of both, or a column's name."""

    name: str
    types: tuple[type, ...]
    low: int = 0
    high: int = 0
    needed: bool = True

    def accept(self, given: Argument) -> int | str:
        """The argument's value. Raises ValueError saying what the parameter wants."""
        if not isinstance(given, self.types):
            wanted = " or ".join(self._words(kind) for kind in self.types)
            raise ValueError(f"{self.name} must be {wanted}")  # noqa: TRY004 - a mistake in a text, not in a call
        if isinstance(given, int) and not self.low <= given <= self.high:
            raise ValueError(f"{self.name} must be from {self.low} to {self.high}, not {given}")
        return given.text if isinstance(given, Name) else given

    def _words(self, kind: type) -> str:
        if kind is int:
            return f"a whole number from {self.low} to {self.high}"
        return "text in single quotes" if kind is str else "a column"


def bound(
    parameters: tuple[Parameter, ...], positional: list[Argument], named: dict[str, Argument]
) -> dict[str, int | str]:
    """The value of each parameter that is given. Raises ValueError: too many, too few, not known, or not fitting."""
    if len(positional) > len(parameters):
        raise ValueError(f"it takes {len(parameters) or 'no'} argument{'s' * (len(parameters) != 1)}")
    given = {parameter.name: value for parameter, value in zip(parameters, positional, strict=False)}
    for name in named:
        if name in given:
            raise ValueError(f"{name} is given twice")
        if all(name != parameter.name for parameter in parameters):
            raise ValueError(f"it has no argument {name}")
    given |= named
    missing = [parameter.name for parameter in parameters if parameter.needed and parameter.name not in given]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return {
        parameter.name: parameter.accept(given[parameter.name]) for parameter in parameters if parameter.name in given
    }
