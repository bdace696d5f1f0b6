"""The group of events that is open: a transaction as far as it was read, with the points that it may go back to."""

from dataclasses import dataclass, field

from cdc import grammar
from cdc.entries import Entries, Mark


@dataclass(slots=True)
class Group:
    """`begun`: its end will be marked; until then it may be a single statement. Times are in microseconds since 1970.

    `committed_us` is when it was committed, None where its head does not say; `timestamp_us` is the best that is known.
    `moot`: its statement has changed nothing (cdc.events.Begin).
    """

    gtid: str
    entries: Entries
    begun: bool
    committed_us: int | None = None
    timestamp_us: int = 0
    moot: bool = False
    savepoints: dict[str, Mark] = field(default_factory=dict)

    def control(self, control: grammar.Control) -> bool:
        """A statement about savepoints, or another within it; False where its savepoint is not known.

        Going back and releasing forget the savepoints set later; going back keeps the savepoint itself.
        """
        if control.kind == grammar.SAVEPOINT:
            self.savepoints.pop(control.name, None)  # set again, it is the latest
            self.savepoints[control.name] = self.entries.mark()
        elif control.kind in {grammar.ROLLBACK_TO, grammar.RELEASE}:
            if control.name not in self.savepoints:
                return False
            self._end(control)
        return True

    def _end(self, control: grammar.Control) -> None:
        mark = self.savepoints[control.name]
        names = list(self.savepoints)
        for name in names[names.index(control.name) :]:
            del self.savepoints[name]
        if control.kind == grammar.ROLLBACK_TO:
            self.entries.cut(mark)
            self.savepoints[control.name] = mark
