"""The loop in the middle: from what was read, through the lanes, to the stream; and to the keeper, how far that is.

Each step takes a bounded amount, sends what may go, hears what was answered. It waits only when nothing can be done,
and then for whichever comes first: something read, something answered, a barrier asked for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from cdc.committed import Committed
from cdc.entries import Entry
from cdc.inbox import Failure, Inbox, Item
from cdc.keeper import Keeper
from cdc.meter import Meter
from cdc.outbox import Barrier, Outbox, Progress
from cdc.sender import Sender
from cdc.soundings import Soundings
from keyshift.control import barrier
from keyshift.process.clock import now_ms
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

STEP_SECONDS_MAX: Final = 0.1  # between two looks at the wish to stop, and at the lease
ENTRIES_PER_STEP: Final = 5_000  # then what may go is sent, before more is taken
FLUSH_SECONDS_MAX: Final = 10.0  # for sending what was taken already, when told to stop
OFFER_SECONDS: Final = 0.2  # the keeper writes once a second; telling it costs a copy of all lanes
_log = get_logger("cdc")


class Pump:
    """Moves everything along until told to stop. For one thread; `wake` is set by the others."""

    def __init__(  # noqa: PLR0913 - collaborators, handed in once
        self,
        inbox: Inbox,
        outbox: Outbox,
        sender: Sender,
        keeper: Keeper,
        meter: Meter,
        *,
        soundings: Soundings,
        stop: Stop,
        wake: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = now_ms,
        show: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._sender = sender
        self._keeper = keeper
        self._meter = meter
        self._soundings = soundings
        self._taken = outbox.progress.changes  # changes that were put into the outbox, since capture began
        self._now_ms = now_ms
        self._stop = stop
        self._wake = wake
        self._clock = clock
        self._show = show  # called a few times a second
        self._adding: tuple[Committed, Iterator[Entry]] | None = None
        self._read_to = outbox.progress.position
        self._heard = False  # whether the source has said anything yet
        self._first: Barrier | None = None  # barrier 0, sent and waiting for that
        self._placed = barrier.START  # the newest barrier put into the lanes
        self._offered_at = float("-inf")
        self._failure: BaseException | None = None
        self._ending = False  # nothing more will be sent

    def run(self, *, announce: bool) -> None:
        """Go on until `stop` is set; `announce`: begin with the marker in every lane that says that capture has begun.

        Raises what ended the reading (after all before it was sent), LeaseLost, and what the stream refuses for good.
        """
        if announce:
            self._outbox.barrier(barrier.START)
        busy = True
        while not self._stop.is_set() and self._failure is None:
            if not busy:
                self._wait()
            busy = self._step()
        self._flush()
        if self._failure is not None:
            raise self._failure

    def _step(self) -> bool:
        """One round; says whether there is more to do at once."""
        self._keeper.check()
        self._sender.collect(self._outbox)
        more = self._fill()
        self._place_barrier()
        self._sender.dispatch(self._outbox)
        self._tell_keeper()
        if self._meter.is_due():
            _log.info("captured", **self._meter.line(self._outbox, self._sender.sent))
        return more

    def _wait(self) -> None:
        due = self._sender.next_due()
        seconds = STEP_SECONDS_MAX if due is None else min(STEP_SECONDS_MAX, max(0.001, due - self._clock()))
        self._wake.wait(seconds)
        self._wake.clear()

    def _fill(self) -> bool:
        """Take what is there, up to the outbox's room and a step's budget; says whether only the budget ended it."""
        budget = ENTRIES_PER_STEP
        while budget > 0 and self._outbox.has_room() and self._failure is None:
            if self._adding is not None:
                budget -= self._add(*self._adding, budget)
            elif (item := self._inbox.take()) is not None:
                budget -= 1
                self._take(item)
            else:
                return False
        return budget <= 0

    def _take(self, item: Item) -> None:
        if isinstance(item, Failure):
            self._failure = item.error
            return
        self._heard = True
        self._meter.took(item)
        if isinstance(item, Committed):
            self._adding = item, iter(item.entries)
        else:
            self._read_to = item.position
            self._outbox.end(item.position)

    def _add(self, committed: Committed, entries: Iterator[Entry], budget: int) -> int:
        """Add the next changes, as many as there is room for within the budget; behind the last, end what they are."""
        added = self._outbox.add(entries, budget)
        self._taken += added
        self._meter.added(added)
        if added < budget and self._outbox.has_room():  # then there are no more
            self._adding = None
            committed.entries.close()
            self._read_to = committed.end
            self._outbox.end(committed.end)
        return added + 1

    def _place_barrier(self) -> None:
        """Put a marker into every lane, once everything that it is to prove has been read."""
        request = self._keeper.requested
        if request is None or request.number <= self._placed or self._adding is not None:
            return
        if self._read_to.contains(request.position):
            self._outbox.barrier(request.number)
            self._placed = request.number

    def _tell_keeper(self) -> None:
        while done := self._outbox.next_barrier():
            if done.number == barrier.START:
                self._first = done
            else:
                self._keeper.sent(Barrier(done.number, self._sounded(done.progress)))
        if self._first is not None and self._heard:
            self._keeper.sent(Barrier(self._first.number, self._sounded(self._first.progress)))
            self._first = None
        if self._clock() - self._offered_at >= OFFER_SECONDS:
            self._offered_at = self._clock()
            self._soundings.note(self._taken, self._now_ms())
            self._keeper.offer(self._sounded(self._outbox.progress))
            self._show()

    def _sounded(self, progress: Progress) -> Progress:
        """The progress, with the moment since which the stream may hold more; none when all that was sent is in it."""
        settled = self._ending and self._outbox.is_empty and self._adding is None
        settled = settled and self._soundings.is_settled(progress)
        return replace(progress, ahead_since_ms=0 if settled else self._soundings.since_ms(progress))

    def _flush(self) -> None:
        """Send what was taken, as far as that goes quickly, and tell the keeper where we are."""
        deadline = self._clock() + FLUSH_SECONDS_MAX
        while not self._outbox.is_empty and self._clock() < deadline:
            self._keeper.check()
            self._sender.collect(self._outbox)
            self._sender.dispatch(self._outbox)
            self._wait()
        self._sender.collect(self._outbox)
        self._offered_at = float("-inf")
        self._ending = True
        self._tell_keeper()
        if self._adding is not None:
            self._adding[0].entries.close()
        _log.info("captured", last=True, **self._meter.line(self._outbox, self._sender.sent))
