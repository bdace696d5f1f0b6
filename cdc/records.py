"""The records of one run of capture: what each says of itself, and its bytes, made by the thread that sends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cdc.claims import Claimed
from keymap.wire import CLAIM_FORMAT, FORMAT, Header, encode_pack

CHANGES: Final = "changes"
BARRIER: Final = "barrier"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every record of one run of capture says of itself. `claims` is the folder of what fits no record."""

    migration: str
    digest: str
    epoch: int
    lanes: int
    claims: str = "claims"

    def header(self, lane: int, follows: str, last: str, *, count: int = 0, barrier: int | None = None) -> Header:
        """The header of a lane's record, of `count` changes or of a barrier's marker."""
        return Header(
            migration=self.migration,
            digest=self.digest,
            epoch=self.epoch,
            lane=lane,
            kind=CHANGES if barrier is None else BARRIER,
            follows=follows,
            last=last,
            barrier=barrier or 0,
            count=count,
        )


class Record:
    """A lane's next record. Where it is a pointer, what is `claimed` must be in S3 before it is sent.

    `lines_bytes` is the size of what is within, before compression; the record itself is not much larger than that.
    """

    def __init__(self, header: Header, lines: Sequence[bytes], lines_bytes: int, claimed: Claimed | None) -> None:
        self._header = header
        self._lines: Sequence[bytes] = lines if claimed is None else (claimed.pointer,)
        self._data: bytes | None = None
        self.lane, self.lines_bytes, self.claimed = header.lane, lines_bytes, claimed

    @property
    def data(self) -> bytes:
        """Its bytes: made when they are first asked for, while one thread has it, and the same ever after.

        Compression lets go of the interpreter, so records of several calls are made beside each other.
        """
        if self._data is None:
            version = FORMAT if self.claimed is None else CLAIM_FORMAT
            self._data, self._lines = encode_pack(self._header, self._lines, version), ()
        return self._data
