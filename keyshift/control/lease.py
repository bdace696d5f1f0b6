"""A lease: one process at a time may do a job. It lives in the item that it protects.

Nobody compares wall clocks of two machines. The holder renews, each time changing the item; whoever wants the lease
watches the item, and takes it over only after it has stayed the same for the lease's duration *on the watcher's own
clock* (keyshift/control/takeover), by a write on the condition that it is still the same. The holder, on its own clock,
believes in its lease for that duration counted from before it *sent* the last renewal that succeeded; the watcher
counts from after it *read*. So the holder always stops believing first. A lease that was released is taken at once.

The clock counts suspend (keyshift/process/clock): a process that slept wakes up with a lease that it knows has run out.
What it may have sent before is fenced by `fence`, a number that goes up with each acquisition, and, for writes that
carry no condition, by waiting out the signature's validity after a take-over (`seconds_since_takeover`).
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from keymap.errors import KeyshiftError
from keyshift.control.record import Changes, Check, Presence, Record, Value
from keyshift.control.store import PHASE, Conflict, NotInitialised, Store
from keyshift.control.takeover import Takeover, Verdict, Watch, judge

CAPTURE: Final = "capture"
DUMP: Final = "dump"
LOAD: Final = "load"
REDRIVE: Final = "redrive"
TIDY: Final = "tidy"
_NEVER: Final = float("-inf")
_RENEW_ATTEMPTS: Final = 3  # one, and one more for each earlier write of ours that is found done after all


class LeaseLost(KeyshiftError):
    """This process may not go on: another one took the lease over, or it ran out, or the migration is gone."""

    def __init__(self, item: str, owner: str, why: str) -> None:
        remedy = "Nothing is lost; start this process again if it should be the active one"
        super().__init__(f"{owner} no longer holds the lease `{item}`: {why}", remedy)


class Deadline(Protocol):
    """Until when (seconds of the holder's clock) a lease is believed in. It may lie where other processes see it."""

    value: float


@dataclass(slots=True)
class OwnDeadline:
    """A deadline that only this process looks at."""

    value: float = _NEVER


class Lease:
    """One contender for the lease on an item. Threads may share it: writes of one lease happen one after another.

    `owner` is for people (host and process id); `seconds` the lease's duration; `boottime` a clock in seconds that
    counts suspend. Renew about three times per duration. `draw` makes the token that tells contenders apart;
    `deadline` is kept up to date, for others of this machine who work under the lease.
    """

    def __init__(  # noqa: PLR0913 - clock and randomness are handed in
        self,
        store: Store,
        item: str,
        owner: str,
        seconds: float,
        boottime: Callable[[], float],
        *,
        draw: Callable[[], str] = lambda: secrets.token_hex(8),
        deadline: Deadline | None = None,
    ) -> None:
        self.store = store
        self.item = item
        self.owner = owner
        self.seconds = seconds
        self._boottime = boottime
        self._token = draw()
        self._watch = Watch()
        self._takeover = Takeover()
        self._record: Record | None = None
        self.deadline = deadline or OwnDeadline()
        self._lock = threading.RLock()

    @property
    def record(self) -> Record:
        """The item as our last write left it. Raises LeaseLost when the lease is not held."""
        if self._record is None:
            raise LeaseLost(self.item, self.owner, "it was never acquired, was released, or is lost")
        return self._record

    @property
    def fence(self) -> int:
        """The number of this acquisition, above that of all earlier ones. Raises LeaseLost when not held."""
        return self.record.number("fence")

    @property
    def taken_over(self) -> bool:
        """Whether this acquisition took the lease from a holder that had not released it. Raises LeaseLost."""
        return self.record.flag("taken_over")

    def valid(self) -> bool:
        """Whether nobody else can hold the lease at this moment."""
        return self._boottime() < self.deadline.value

    def check(self) -> None:
        """Raise LeaseLost unless valid. Call it right before what must not happen without the lease."""
        if not self.valid():
            why = "it ran out before it was renewed (was the process asleep, or DynamoDB out of reach?)"
            raise LeaseLost(self.item, self.owner, why if self._record else "it is not held")

    def seconds_since_takeover(self) -> float | None:
        """How long ago, at least, the lease was last taken over without release; None when it never was."""
        return self._takeover.age_at(self._boottime())

    def held_check(self) -> Check:
        """The condition, for a write elsewhere, that this very acquisition still stands. Raises LeaseLost."""
        return Check(self.item, {"token": self._token, "fence": self.fence, "released": False})

    def try_acquire(self) -> bool:
        """Take the lease if that is possible now; call it again and again, a few times per duration.

        Raises NotInitialised when the migration is gone.
        """
        with self._lock:
            if self.valid():
                return True
            before = self.store.get(self.item)
            verdict = self.look(before, self._boottime())
            return verdict is not Verdict.HELD and self._take(before, expired=verdict is Verdict.EXPIRED)

    def look(self, record: Record | None, now: float) -> Verdict:
        """What it means for us that an answer which came at `now` shows the item so; try_acquire looks by itself."""
        with self._lock:
            if record is not None:  # it was so no later than now
                self._watch = self._watch.look(record, now)
                self._takeover = self._takeover.look(record, now)
            return judge(record, self._token, self._watch, self.seconds, now)

    def renew(self, **attributes: Value | None) -> None:
        """Go on holding, and set `attributes` of the item (None removes) in the same write.

        Raises LeaseLost when the lease is somebody else's now. Other errors leave it unknown whether the write was
        done; `valid` then still counts from the last renewal that was answered, and the next call finds out.
        """
        with self._lock:
            self._write(attributes)

    def release(self) -> None:
        """Let the next one take it at once. Do nothing that needs the lease from the moment of this call."""
        with self._lock:
            self.deadline.value = _NEVER
            if self._record is None:
                return
            try:
                self._write({"released": True})
            except LeaseLost:
                return  # somebody has it already
            finally:
                self._record = None  # whatever became of the write: unreleased, it runs out

    def _take(self, before: Record | None, *, expired: bool) -> bool:
        started = self._boottime()
        held = before or Record(self.item, {})
        changes: dict[str, Value | None] = {
            "owner": self.owner,
            "token": self._token,
            "fence": held.number("fence") + 1,
            "renewals": held.number("renewals") + 1,
            "released": False,
            "lease_ms": round(self.seconds * 1000),
        }
        if expired:
            changes |= {"takeovers": held.number("takeovers") + 1, "taken_over_at_ms": self.store.now_ms}
            changes |= {"taken_over": True, "takeover_age_ms": 0}
        elif held.text("token") != self._token or held.flag("released"):
            changes |= {"taken_over": False}
        try:
            record = self.store.swap(self.item, before, changes, checks=[_ALIVE])
        except Conflict:
            self._require_alive()
            return False
        self._hold(record, started)
        return True

    def _write(self, attributes: Changes) -> None:
        for _ in range(_RENEW_ATTEMPTS):
            before, started = self.record, self._boottime()
            age = self._takeover.age_at(started)
            changes: dict[str, Value | None] = {"renewals": before.number("renewals") + 1, **attributes}
            if age is not None:
                changes["takeover_age_ms"] = int(age * 1000)
            try:
                self._hold(self.store.swap(self.item, before, changes), started)
            except Conflict:
                self._record = self._still_ours(before)
            else:
                return
        raise self._lost("its item changes under our hands")

    def _still_ours(self, before: Record) -> Record:
        """The item, if an earlier write of ours that we believed failed is what changed it. Raises LeaseLost."""
        current = self.store.get(self.item)
        if current is None:
            raise self._lost("the migration was destroyed")
        same = (self._token, before.number("fence"), False)
        if (current.text("token"), current.number("fence"), current.flag("released")) != same:
            raise self._lost(f"{current.text('owner')} took it over (fence {current.number('fence')})")
        return current

    def _hold(self, record: Record, started: float) -> None:
        self._record = record
        self.deadline.value = _NEVER if record.flag("released") else started + self.seconds
        self._takeover = self._takeover.look(record, self._boottime())

    def _lost(self, why: str) -> LeaseLost:
        self.deadline.value, self._record = _NEVER, None
        return LeaseLost(self.item, self.owner, why)

    def _require_alive(self) -> None:
        if self.store.get(PHASE) is None:
            message = f"migration {self.store.name} was destroyed while this process ran"
            raise NotInitialised(message, "Run `keyshift init` to begin anew, and start this process again")


_ALIVE: Final = Check(PHASE, {"phase": Presence.PRESENT})
