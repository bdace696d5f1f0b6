"""A lease that another process holds, perhaps on another machine, believed in by looking at its item.

The holder believes in its lease for its duration from before it *sent* a renewal; whoever wants the lease waits that
long, and a little more, from after it *read* that renewal (keyshift/control/lease). A watcher learns of a renewal by a
look that shows it for the first time. It was done after the look before that one was sent, since that one still showed
an older item; nobody can have read it earlier. So a watcher that believes for the duration from when that earlier look
was sent, on its own clock, stops before anybody else begins, whatever the clocks show and the network does.
"""

from collections.abc import Callable
from typing import Final

from keyshift.control.lease import LeaseLost
from keyshift.control.record import Check, Record
from keyshift.control.store import Store

_NEVER: Final = float("-inf")


class WatchedLease:
    """The acquisition of a lease for which `held` holds (Lease.held_check), as one who works under it sees it.

    `owner` is who works, for people; `boottime` a clock in seconds that counts suspend. One thread looks, several times
    per duration; any may check. It is believed in from the second renewal on that is seen.
    """

    def __init__(self, store: Store, held: Check, owner: str, boottime: Callable[[], float]) -> None:
        self._store = store
        self._held = held
        self._owner = owner
        self._boottime = boottime
        self._deadline = self._looked_at = (
            _NEVER  # until when it is believed in; when the last look was sent that was answered
        )
        self._nonce = ""  # what it showed
        self.over = False  # that acquisition will never stand again

    def valid(self) -> bool:
        """Whether nobody else can hold the lease at this moment."""
        return self._boottime() < self._deadline

    def check(self) -> None:
        """Raise LeaseLost unless valid. Call it right before what must not happen without the lease."""
        if not self.valid():
            why = "it is somebody else's, or given back" if self.over else "no renewal was seen for too long"
            raise LeaseLost(self._held.item, self._owner, f"{why}, and this process works under it")

    def look(self) -> None:
        """Look at the item. Errors of the control table reach the caller, and change nothing."""
        sent = self._boottime()
        record = self._store.get(self._held.item)
        if record is None or not self._stands(record):
            self.end()
            return
        if record.nonce != self._nonce:
            if self._nonce:
                self._deadline = self._looked_at + record.number("lease_ms") / 1000
            self._nonce = record.nonce
        self._looked_at = sent

    def end(self) -> None:
        """Believe in it no more."""
        self.over = True
        self._deadline = _NEVER

    def _stands(self, record: Record) -> bool:
        return all(record.attributes.get(name) == value for name, value in self._held.expected.items())
