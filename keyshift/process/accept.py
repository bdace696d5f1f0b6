"""The section of the settings in which a team answers for what preflight refuses: by kind, table and reason.

Only what both sides can be compared for, and repaired from, may be accepted (docs/decisions/0023). All else that
preflight refuses would lose changes in a way that no comparison in the write stop could mend in time, or at all.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator

from keymap.errors import Problem, Problems
from keyshift.process.sections import Section

Kind = Literal["fk_cascade", "engine"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Answers = Mapping[tuple[str, str], str]  # the reason by kind and table ("db.table")


def _is_reason(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a reason is expected: whoever cuts over will read who answers for it, and why")
    return value.strip()


Reason = Annotated[str, BeforeValidator(_is_reason)]


class AcceptSettings(Section):
    """Refusals of preflight that a team answers for. The cutover then repairs these tables in the write stop."""

    fk_cascade: dict[str, Reason] = Field(
        default_factory=dict,
        description="table: reason, where a foreign key changes rows that the binlog does not show",
    )
    engine: dict[str, Reason] = Field(
        default_factory=dict,
        description="table: reason, where an engine without transactions keeps what a ROLLBACK takes back",
    )
    _places: dict[tuple[str, str], str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _remember_places(self, info: ValidationInfo) -> Self:
        place = (info.context or {}).get("place", ".".join)
        self._places = {(kind, name): place(("accept", kind, name)) for kind in KINDS for name in self._of(kind)}
        return self

    def _of(self, kind: Kind) -> dict[str, str]:
        found: Any = getattr(self, kind)
        return dict(found)

    def answers(self, tables: Iterable[str]) -> Answers:
        """The reasons by kind and captured table. Raises Problems where a name is that of none of `tables`."""
        captured = sorted(tables)
        found: dict[tuple[str, str], str] = {}
        problems = []
        for kind in KINDS:
            for name, reason in self._of(kind).items():
                meant = [table for table in captured if name in {table, table.partition(".")[2]}]
                if len(meant) == 1 and (kind, meant[0]) not in found:
                    found[kind, meant[0]] = reason
                else:
                    problems.append(self._mistake(kind, name, meant, captured))
        Problems.raise_if_any(problems)
        return found

    def _mistake(self, kind: str, name: str, meant: list[str], captured: list[str]) -> Problem:
        where = self._places.get((kind, name), f"accept.{kind}.{name}")
        if len(meant) == 1:
            return Problem(where, f"accept.{kind} names table {meant[0]} twice", "Keep one of the two")
        if meant:
            return Problem(where, f"accept.{kind}: {name} may be {' or '.join(meant)}", "Write the database, too")
        what = f"accept.{kind}: the keymap captures no table {name}"
        return Problem(where, what, f"Captured are {', '.join(captured)}")
