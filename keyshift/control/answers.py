"""What preflight refuses and a team has answered for, and how often the cutover has repaired what came of it.

An answer is recorded when it is first used, by `keyshift init` or by the daemon, and stays: from then on changes may
have been missed, whatever the settings say later. So the cutover goes by what stands here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keyshift.control.record import Record
from keyshift.control.revise import revise
from keyshift.control.store import Conflict, Store
from keyshift.control.tables import escape

ANSWER_PREFIX: Final = "answer#"
REPAIR: Final = "repair"
_ATTEMPTS_MAX: Final = 20  # nobody runs so many cutovers at once


@dataclass(frozen=True, slots=True)
class Answer:
    """A kind of refusal (accept.KIND in the settings) that is accepted for a captured table, and why."""

    kind: str
    table: str
    reason: str


def record_answers(store: Store, answers: Iterable[Answer]) -> None:
    """Record them. Safe to repeat: the first reason stays. Raises NotInitialised."""
    known = {(one.kind, one.table) for one in read_answers(store)}
    for one in answers:
        if (one.kind, one.table) in known:
            continue
        item = f"{ANSWER_PREFIX}{one.kind}#{escape(one.table)}"
        try:
            store.swap(item, None, {"kind": one.kind, "table": one.table, "reason": one.reason})
        except Conflict:
            continue  # another process was first


def read_answers(store: Store) -> tuple[Answer, ...]:
    """All that was ever answered for, by kind and table. Raises NotInitialised."""
    found = store.query(ANSWER_PREFIX)
    return tuple(Answer(one.text("kind"), one.text("table"), one.text("reason")) for one in found)


def next_repair(store: Store) -> int:
    """A number for a pass of repair, from 1 on: no two passes of a migration have the same, and a later one more."""
    return _number(revise(store, REPAIR, lambda record: {"number": _number(record) + 1}, attempts_max=_ATTEMPTS_MAX))


def _number(record: Record | None) -> int:
    return record.number("number") if record else 0
