"""Hooks: a Python function of the keymap's author that a rule gives its rows to first (decision 0012).

It is given a row and returns a row, None, or a list of rows, and may change the columns only that its rule names. What
it returns is looked at each time: so whatever was proven of the other columns, as that the key tells the row's primary
key, holds for every row that it makes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from keymap.hook_values import canonical
from keymap.patch import Patch
from keymap.template import PatchError
from keymap.values import Canonical, Row

ROWS_MAX: Final = 1000  # of one row: each may be in a lane of its own, to each of which the change is sent whole
SHOWN_MAX: Final = 60  # characters of a key's column in a message

HookFunction = Callable[[Row], object]
Make = Callable[[Row, str], Patch | None]
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Hook:
    """A rule's hook. `call` is its name, ``module:function``; `columns` are those that it may add or change.

    `key_columns` are those of the rule's key that it leaves as they are: they name a row in messages.
    """

    call: str
    function: HookFunction
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]

    def patches(self, make: Make, row: Row, version: str) -> list[Patch]:
        """The patches that `make` makes of the hook's rows. Raises PatchError where two of them are one slot's."""
        made = (make(one, version) for one in self.rows(row))
        found = [patch for patch in made if patch is not None]
        if len({patch.register for patch in found}) < len(found):
            raise self._refusal(row, "returned two rows for one item", "Put what sets them apart into the key")
        return found

    def rows(self, row: Row) -> list[Row]:
        """The rows that the hook makes of one. Raises PatchError where it raises, or returns what it may not."""
        try:
            given = self.function(dict(row))
        except Exception as error:  # noqa: BLE001 - whatever it is, the row is refused; its text may hold contents
            raise self._refusal(row, f"raised {type(error).__name__}", "Correct the hook") from None
        made = given if isinstance(given, list) else [] if given is None else [given]
        if len(made) > ROWS_MAX:
            raise self._refusal(row, f"returned {len(made)} rows, and may return {ROWS_MAX}", "Return fewer")
        return [self._row(row, one) for one in made]

    def _row(self, row: Row, made: object) -> Row:
        if not isinstance(made, dict):
            raise self._refusal(row, f"returned a value of type {type(made).__name__}", _RETURN)
        known = row.keys() | set(self.columns)
        if not made.keys() <= known:
            raise self._refusal(row, "returned a column that neither the row nor its `columns` have", _NAME)
        for name, value in row.items():
            if name not in self.columns and not _same(made.get(name, _ABSENT), value):
                raise self._refusal(row, f"changed column {name}, which its `columns` do not name", _NAME)
        return row | {name: self._value(row, made, name) for name in self.columns}

    def _value(self, row: Row, made: dict[str, object], name: str) -> Canonical:
        if name not in made:
            raise self._refusal(row, f"returned no column {name}", "Return all of its `columns`; NULL is None")
        value = made[name]
        if name in row and value is row[name]:
            return row[name]
        try:
            return canonical(value)
        except ValueError as error:
            raise self._refusal(row, f"returned {error}, as column {name}", _VALUES) from None

    def _refusal(self, row: Row, what: str, remedy: str) -> PatchError:
        key = ", ".join(f"{name} {_shown(row.get(name))}" for name in self.key_columns)
        return PatchError(f"hook {self.call} {what} for the row with {key or 'a key of its own making'}", remedy)


_RETURN: Final = "Return a row, None, or a list of rows"
_NAME: Final = "Name every column that the hook adds or changes, and return the others as they are"
_VALUES: Final = "Return None, int, Decimal, str, bytes, a tuple of str, or a document of dict and list"


def _same(given: object, value: Canonical) -> bool:
    return given is value or (type(given) is type(value) and given == value)


def _shown(value: Canonical) -> str:
    """A key's value in a message: on one line, and cut."""
    if value is None:
        return "NULL"
    text = str(value) if isinstance(value, int | Decimal) else repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
