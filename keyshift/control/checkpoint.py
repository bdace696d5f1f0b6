"""What capture remembers: where it began, and up to where everything was acknowledged by the stream.

The item "capture" holds lease and checkpoint together. So each checkpoint is a renewal, and a daemon that lost its
lease cannot write one. *Acknowledge, then remember*: the checkpoint moves only past whole transactions of which every
record was accepted, and never backwards (docs/design, "Checkpoint, lease, barrier, phase").

The lanes' versions are kept short (`1.57.1234567.0`, without leading zeros, in lane order), so that the item of 64
lanes stays near one kilobyte, which is what DynamoDB bills a write by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keymap.errors import KeyshiftError
from keymap.position import Position, file_number
from keymap.version import parse, version
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.record import Record
from keyshift.control.store import Store

_NONE: Final = "-"  # a lane that nothing was sent to yet


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything before `position` is acknowledged.

    `lanes`: version of the last acknowledged change by lane, lanes without one left out; `last_version`: of the newest
    captured change, "" when there is none; `changes`: count of row changes acknowledged since capture began; `server`:
    the source's identity (server_uuid, or what stands for it); `epoch`: the one that the versions were made in;
    `ahead_since_ms`: wall clock (ms since 1970) of which everything sent earlier lies before `position`, 0 where the
    stream holds nothing that does not.
    """

    position: Position
    lanes: Mapping[int, str] = field(default_factory=dict)
    last_version: str = ""
    changes: int = 0
    server: str = ""
    epoch: int = 1
    ahead_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """Capture as another process sees it.

    It is alive when `renewals` grows between two looks, a lease's duration apart at most; `updated_at_ms` (the daemon's
    wall clock) is for people. `started`: the first record of every lane was acknowledged, so rows may be dumped.
    `start_epoch` is the one that capture began in; the others are as in Checkpoint, also before there is one.
    """

    owner: str = ""
    fence: int = 0
    renewals: int = 0
    released: bool = False
    lease_seconds: float = 0.0
    updated_at_ms: int = 0
    started: bool = False
    start: Position | None = None
    start_epoch: int = 1
    server: str = ""
    ahead_since_ms: int = 0
    schemas: str = ""  # digest of the captured tables' columns at the start (keymap.schema.digest)
    checkpoint: Checkpoint | None = None

    @property
    def position(self) -> Position | None:
        """Where capture goes on; None before it began."""
        return self.checkpoint.position if self.checkpoint else self.start

    @property
    def epoch(self) -> int:
        """The epoch of that position."""
        return self.checkpoint.epoch if self.checkpoint else self.start_epoch


def read_capture(store: Store) -> CaptureStatus:
    """Capture as it is at this moment; all defaults before it ran for the first time. Raises NotInitialised."""
    record = store.get(CAPTURE)
    if record is None:
        return CaptureStatus()
    return CaptureStatus(
        owner=record.text("owner"),
        fence=record.number("fence"),
        renewals=record.number("renewals"),
        released=record.flag("released"),
        lease_seconds=record.number("lease_ms") / 1000,
        updated_at_ms=record.at_ms,
        started=record.flag("started"),
        start=_position(record, "start_"),
        start_epoch=record.number("start_epoch") or 1,  # of a run that an older version began
        server=record.text("server"),
        ahead_since_ms=record.number("ahead_since_ms"),
        schemas=record.text("schemas"),
        checkpoint=_checkpoint(record),
    )


def read_checkpoint(store: Store) -> Checkpoint | None:
    """The checkpoint; None when there is none yet. Raises NotInitialised."""
    return read_capture(store).checkpoint


def record_start(lease: Lease, start: Position, server: str, schemas: str = "", epoch: int = 1) -> None:
    """Record where capture begins, and in which epoch, before anything is sent.

    `server` is the source's identity, `schemas` the digest of the captured tables (keymap.schema.digest).

    The first start stays: a daemon that finds one (read_capture) uses it. Raises LeaseLost, and KeyshiftError when
    another start is recorded.
    """
    _require_capture(lease)
    recorded = _position(lease.record, "start_")
    if recorded is not None and (recorded, lease.record.text("server")) != (start, server):
        raise KeyshiftError(
            f"capture is already recorded as beginning at {recorded.file}:{recorded.offset}",
            "Start the daemon again: it goes on from there",
        )
    if recorded is None:
        lease.renew(**_flat("start_", start), server=server, schemas=schemas, start_epoch=epoch)


def mark_ahead(lease: Lease, now_ms: int) -> int:
    """Record that from `now_ms` on the stream may hold more than the checkpoint says, before anything is sent.

    An earlier such moment stays, until a checkpoint says otherwise. Returns the one that is recorded. Raises LeaseLost.
    """
    _require_capture(lease)
    if not lease.record.number("ahead_since_ms"):
        lease.renew(ahead_since_ms=now_ms)
    return lease.record.number("ahead_since_ms")


def mark_started(lease: Lease) -> None:
    """Record that the first record of every lane was acknowledged: from now on rows may be dumped. Raises LeaseLost."""
    _require_capture(lease)
    if _position(lease.record, "start_") is None:
        raise ValueError("record_start comes first")
    if not lease.record.flag("started"):
        lease.renew(started=True)


def record_schemas(lease: Lease, schemas: str) -> None:
    """Record what the captured tables look like where capture begins anew (digest). Raises LeaseLost."""
    _require_capture(lease)
    lease.renew(schemas=schemas)


def save_checkpoint(lease: Lease, checkpoint: Checkpoint) -> None:
    """Remember what was acknowledged, and renew the lease by it.

    Raises LeaseLost, and ValueError for a checkpoint that lies before the recorded one. After any other error it is
    unknown whether it was written, and saving it, or a later one, again is right.
    """
    _require_capture(lease)
    recorded = _checkpoint(lease.record)
    if recorded is not None and _order(checkpoint) < _order(recorded):
        raise ValueError(f"the checkpoint would go back from {recorded.position} to {checkpoint.position}")
    lease.renew(
        **_flat("", checkpoint.position),
        lanes=pack_lanes(checkpoint.lanes),
        last_version=checkpoint.last_version,
        changes=checkpoint.changes,
        server=checkpoint.server,
        epoch=checkpoint.epoch,
        ahead_since_ms=checkpoint.ahead_since_ms or None,
    )


def pack_lanes(lanes: Mapping[int, str]) -> str:
    """The lanes' versions as short text, in lane order; "" for none."""
    return " ".join(_short(lanes[lane]) if lane in lanes else _NONE for lane in range(max(lanes, default=-1) + 1))


def unpack_lanes(text: str) -> dict[int, str]:
    """The lanes' versions of pack_lanes. Raises ValueError on anything else."""
    return {lane: _long(short) for lane, short in enumerate(text.split()) if short != _NONE}


def _short(text: str) -> str:
    return ".".join(map(str, parse(text)))


def _long(short: str) -> str:
    epoch, file, offset, row = map(int, short.split("."))
    return version(epoch, file, offset, row)


def _order(checkpoint: Checkpoint) -> tuple[int, int, int, int, str]:
    """What may not go back. Within an epoch there is one server and one numbering, so files and offsets order.

    A raised epoch begins at another server's oldest file: only the count of changes goes on.
    """
    position = checkpoint.position
    where = (checkpoint.epoch, file_number(position.file), position.offset)
    return (*where, checkpoint.changes, checkpoint.last_version)


def _flat(prefix: str, position: Position) -> dict[str, str | int | None]:
    """A position as attributes; what it does not have is no attribute."""
    return {
        f"{prefix}file": position.file,
        f"{prefix}offset": position.offset,
        f"{prefix}gtid_set": position.gtid_set or None,
        f"{prefix}fingerprint": position.fingerprint or None,
    }


def _position(record: Record, prefix: str) -> Position | None:
    file = record.text(f"{prefix}file")
    if not file:
        return None
    gtid_set, fingerprint = record.text(f"{prefix}gtid_set"), record.text(f"{prefix}fingerprint")
    return Position(file, record.number(f"{prefix}offset"), gtid_set, fingerprint)


def _checkpoint(record: Record) -> Checkpoint | None:
    position = _position(record, "")
    if position is None:
        return None
    return Checkpoint(
        position=position,
        lanes=unpack_lanes(record.text("lanes")),
        last_version=record.text("last_version"),
        changes=record.number("changes"),
        server=record.text("server"),
        epoch=record.number("epoch"),
        ahead_since_ms=record.number("ahead_since_ms"),
    )


def _require_capture(lease: Lease) -> None:
    if lease.item != CAPTURE:
        raise ValueError(f"the lease `{CAPTURE}` is needed here, not `{lease.item}`")
