"""Changes that fit no record, on their way to S3 (docs/decisions/0018)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cdc.entries import Entry
from keymap.claims import Claim, claim_of, packed, pointer

Store = Callable[[str, bytes], str]  # object's name and bytes; "" when it is there, else what passes by itself (a code)


@dataclass(slots=True, eq=False)
class Claimed:
    """One such change; all lanes that it goes to share it, so that it is put once (or, at the same time, twice)."""

    claim: Claim
    line: bytes
    pointer: bytes
    stored: bool = False

    @classmethod
    def of(cls, entry: Entry, folder: str) -> Self:
        """The change of an entry, to lie in the folder."""
        claim = claim_of(entry.line, entry.version, folder)
        return cls(claim, entry.line, pointer(entry.line, claim))

    def put(self, store: Store) -> str:
        """Put it, unless that is done; "" when it is, else why it may not be. Safe to repeat, and from two threads."""
        error = "" if self.stored else store(self.claim.object, packed(self.line))
        self.stored = not error
        return error


def nowhere(name: str, _data: bytes) -> str:
    """For senders that never have such a change."""
    raise ValueError(f"there is no bucket for {name}")
