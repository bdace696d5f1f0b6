"""Changes that were set aside: not applied, and kept with the reason until somebody has mended what is in their way.

There is one item for each change and lane in which it could not be applied, named by both, so that whoever meets the
change again finds it. It stays when the matter is over: the record may be delivered once more, and must not bring it up
again. Where the change itself lies, `claim` says, until it is over (docs/decisions/0034).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keymap.claims import Claim
from keymap.version import parse
from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import Store

_PREFIX: Final = "setaside#"


class Kind(StrEnum):
    """Why a change was set aside. The values are stored."""

    UNMAPPABLE = "unmappable"  # the keymap makes no items of it
    UNWRITABLE = "unwritable"  # DynamoDB takes no such item
    FOREIGN = "foreign"  # an item that is not ours is in its way


class State(StrEnum):
    """What became of it. The values are stored."""

    OPEN = "open"
    REDRIVEN = "redriven"  # applied
    STALE = "stale"  # something newer is there
    VOID = "void"  # its table was loaded again since
    DISCARDED = "discarded"  # somebody answers for it


@dataclass(frozen=True, slots=True)
class SetAside:
    """A change that was set aside in a lane.

    `source` is its table, `target` that of the item and `key` the digest of its key ("" where nobody knows them).
    `place` is its place in the source's binlog, `digest` that of the keymap it was made with. `attempt` counts how
    often it was set aside; `note` is why somebody answers for it. `at_ms`: when, wall clock, ms since 1970.
    """

    version: str
    lane: int
    kind: Kind
    source: str
    target: str
    key: str
    place: str
    digest: str
    reason: str
    remedy: str
    claim: Claim
    attempt: int = 1
    at_ms: int = 0
    state: State = State.OPEN
    note: str = ""

    @property
    def id(self) -> str:
        """Its name for people: epoch, file number, offset and row, and the lane."""
        parts = parse(self.version)
        return f"{parts.epoch}.{parts.file}.{parts.offset}.{parts.row}/{self.lane}"

    @property
    def item(self) -> str:
        """The item's name; the names sort as the changes do."""
        return f"{_PREFIX}{self.version}#{self.lane:04d}"

    @property
    def is_open(self) -> bool:
        """Whether it is to be applied yet, or answered for."""
        return self.state is State.OPEN

    def stands_for(self, kind: Kind) -> bool:
        """Whether nothing more need be recorded of a change that is met again, and cannot be applied for this reason.

        What was applied, or found to be superseded, once, and is now looked for in its item in vain, is open again. Of
        a change that the keymap makes nothing of nobody has looked.
        """
        return self.state not in {State.REDRIVEN, State.STALE} or kind is Kind.UNMAPPABLE


def read_all(store: Store) -> list[SetAside]:
    """All that was ever set aside, oldest change first."""
    return list(map(_decoded, store.query(_PREFIX)))


def read(store: Store, item: str) -> SetAside | None:
    """The one of this name, consistently."""
    record = store.get(item)
    return None if record is None else _decoded(record)


def read_open(store: Store) -> list[SetAside]:
    """What is set aside now, oldest change first: only what is older than the first one is known to be applied."""
    return [one for one in read_all(store) if one.is_open]


def count_open(store: Store) -> int:
    """How many are set aside now."""
    return sum(record.text("state") == State.OPEN for record in store.query(_PREFIX, names=("state",)))


def record_open(store: Store, one: SetAside) -> None:
    """Record that a change is set aside, the `attempt`-th time. Safe to repeat, and by several at once."""

    def opened(record: Record | None) -> Changes | None:
        return None if record is not None and record.number("attempt") >= one.attempt else _encoded(one)

    revise(store, one.item, opened)


def record_reason(store: Store, one: SetAside) -> None:
    """Record why it cannot be applied now, where it is open still."""

    def told(record: Record | None) -> Changes | None:
        fields = ("kind", "target", "key", "reason", "remedy")
        return {name: _encoded(one)[name] for name in fields} if _is_open(record, one) else None

    revise(store, one.item, told)


def resolve(store: Store, one: SetAside, state: State, *, note: str = "", lease: Lease | None = None) -> None:
    """Record that the matter is over; where it was already, that stays. `forget_object` comes next.

    With a lease it is written only while that is held. Raises LeaseLost.
    """

    def over(record: Record | None) -> Changes | None:
        return {"state": state.value, "note": note or None} if _is_open(record, one) else None

    revise(store, one.item, over, lease=lease)


def forget_object(store: Store, one: SetAside) -> None:
    """Record that the change's object is removed."""

    def forgotten(record: Record | None) -> Changes | None:
        mine = record is not None and record.text("object") == one.claim.object
        return {"object": None, "sha256": None, "bytes": None} if mine else None

    revise(store, one.item, forgotten)


def with_objects(every: Iterable[SetAside]) -> list[SetAside]:
    """Those that are over, and of which the object is not known to be removed."""
    return [one for one in every if not one.is_open and one.claim.object]


def _is_open(record: Record | None, one: SetAside) -> bool:
    found = None if record is None else _decoded(record)
    return found is not None and found.is_open and found.attempt == one.attempt


def _encoded(one: SetAside) -> Changes:
    return {
        "version": one.version,
        "lane": one.lane,
        "kind": one.kind.value,
        "source": one.source,
        "target": one.target or None,
        "key": one.key or None,
        "place": one.place,
        "digest": one.digest,
        "reason": one.reason,
        "remedy": one.remedy,
        "object": one.claim.object,
        "sha256": one.claim.sha256,
        "bytes": one.claim.bytes,
        "attempt": one.attempt,
        "set_aside_at_ms": one.at_ms,
        "state": one.state.value,
        "note": one.note or None,
    }


def _decoded(record: Record) -> SetAside:
    text, number = record.text, record.number
    return SetAside(
        version=text("version"),
        lane=number("lane"),
        kind=Kind(text("kind")),
        source=text("source"),
        target=text("target"),
        key=text("key"),
        place=text("place"),
        digest=text("digest"),
        reason=text("reason"),
        remedy=text("remedy"),
        claim=Claim(text("object"), text("sha256"), number("bytes")),
        attempt=number("attempt"),
        at_ms=number("set_aside_at_ms"),
        state=State(text("state")),
        note=text("note"),
    )
