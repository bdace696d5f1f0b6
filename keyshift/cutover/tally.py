"""What a verification found: exact counts of everything, and as many examples as a person can read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keyshift.cutover.compare import Difference, Kind

Progress = Callable[[str, str, int], None]  # what is done ("compare", "scan", "look again"), the table, how many more


def silent(_what: str, _table: str, _count: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one verification.

    `rows` were read from the source and own `slots`; `items` of this migration were found in the target, `tombstones`
    of them without any live slot. `differences` counts by kind, `examples` holds the first of each kind. Where the
    source was `live`: `changing` rows had not settled when the rounds ended, and `in_motion` slots were written so late
    that nothing is said of them. `pending` tables are being loaded again, and were not compared. Where it is not
    `settled`, changes on their way show as differences (basis.py). A report is clean when both sides are proven equal:
    a row that still changes is not. Of the differences, `repairable` are in tables that the cutover repairs.
    """

    rows: int
    slots: int
    items: int
    tombstones: int
    differences: Mapping[Kind, int]
    examples: tuple[Difference, ...]
    changing: int
    in_motion: int
    live: bool
    seconds: float
    repairable: int = 0
    pending: tuple[str, ...] = ()
    settled: bool = True

    @property
    def total(self) -> int:
        """All differences of all kinds."""
        return sum(self.differences.values())

    @property
    def clean(self) -> bool:
        """Whether nothing differs and nothing is left open."""
        return self.settled and not self.total and not self.changing and not self.pending


class Tally:
    """Counts while a verification runs. Not for several threads at once."""

    def __init__(self, examples_max: int) -> None:
        self._examples_max = examples_max
        self._examples: list[Difference] = []
        self.differences: Counter[Kind] = Counter()
        self.rows = self.slots = self.items = self.tombstones = self.changing = self.in_motion = self.repairable = 0

    def difference(self, difference: Difference) -> None:
        """Count a difference, and keep it while its kind has less than the wanted number of examples."""
        self.differences[difference.kind] += 1
        if self.differences[difference.kind] <= self._examples_max:
            self._examples.append(difference)

    def report(self, *, live: bool, settled: bool, seconds: float, pending: tuple[str, ...] = ()) -> Report:
        """What has been counted so far."""
        return Report(
            rows=self.rows,
            slots=self.slots,
            items=self.items,
            tombstones=self.tombstones,
            differences={kind: self.differences[kind] for kind in Kind},
            examples=tuple(sorted(self._examples, key=lambda one: list(Kind).index(one.kind))),
            changing=self.changing,
            in_motion=self.in_motion,
            live=live,
            seconds=seconds,
            repairable=self.repairable,
            pending=pending,
            settled=settled,
        )
