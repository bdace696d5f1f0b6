"""Since when the stream may hold more than the checkpoint says.

After a crash nobody knows what was sent beyond the checkpoint but the stream itself. A fail-over has to look there
(docs/design, "Fail-over"), and must not read days of it. So each checkpoint carries a moment of which everything sent
earlier lies before it. Pure: counts and clocks are handed in.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from cdc.outbox import Progress
from keymap.gtid import GtidSet

SAMPLES_MAX: Final = 1_000  # a few minutes of a lane that is stuck; then the moment is an earlier one than need be


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a run begins with: the moment (ms since 1970), and the GTID set that contains what former runs have sent.

    `until` is "" where they have sent nothing beyond the checkpoint.
    """

    since_ms: int
    until: str = ""


class Soundings:
    """Notes how much was taken when. Counts are of changes since capture began, as in Progress."""

    def __init__(self, ahead: Ahead, changes: int) -> None:
        self._first_ms = ahead.since_ms
        self._until = GtidSet(ahead.until)
        self._samples = deque([(changes, ahead.since_ms)])

    def note(self, taken: int, now_ms: int) -> None:
        """So many changes may have been sent by now."""
        if len(self._samples) < SAMPLES_MAX and taken >= self._samples[-1][0]:
            self._samples.append((taken, now_ms))

    def is_settled(self, progress: Progress) -> bool:
        """Whether all that former runs have sent lies before this progress."""
        return not self._until or GtidSet(progress.position.gtid_set).contains(self._until)

    def since_ms(self, progress: Progress) -> int:
        """A moment of which everything sent earlier lies before this progress, which must not go back between calls."""
        if not self.is_settled(progress):
            return self._first_ms
        self._until = GtidSet()
        while len(self._samples) > 1 and self._samples[1][0] <= progress.changes:
            self._samples.popleft()
        return self._samples[0][1]
