"""The claim check: a change that does not fit a record lies in S3, and the record holds a pointer to it.

The object is the gzip of the change's line, as it would be on the stream: ``gunzip | jq`` reads it. Its name holds the
change's version and the beginning of its hash, so that whoever puts the same change again, a later try or another
daemon, writes what is there already. The hash is of the line, not of the object, since that is what must be right,
whoever compressed it.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from gzip import compress

import orjson

from keymap.errors import KeyshiftError

_LEVEL = 1
_DIGEST_LENGTH = 16  # hexadecimal digits: two changes of one version differ only where two epochs' code does
_WINDOW_BITS = 31  # gzip


@dataclass(frozen=True, slots=True)
class Claim:
    """The pointer: `object` is the name within the migration's bucket, `sha256` and `bytes` are those of the line."""

    object: str
    sha256: str
    bytes: int


class ClaimError(KeyshiftError):
    """A change that lies in S3 cannot be had as it was put there."""


Fetch = Callable[[Claim], bytes]  # the object's bytes, as they are


def claims_folder(prefix: str, migration: str) -> str:
    """Where a migration's objects lie, under the folder that `keyshift destroy` empties."""
    return f"{prefix}/{migration}/claims"


def set_aside_folder(prefix: str, migration: str) -> str:
    """Where the changes lie that were set aside."""
    return f"{prefix}/{migration}/setaside"


def claim_of(line: bytes, name: str, folder: str) -> Claim:
    """The pointer to a change's line; `name` is its version, or begins with it."""
    sha256 = hashlib.sha256(line).hexdigest()
    return Claim(f"{folder}/{name}-{sha256[:_DIGEST_LENGTH]}.gz", sha256, len(line))


def pointer(line: bytes, claim: Claim) -> bytes:
    """The line that stands on the stream in place of a change's own: `claim` where the two images were.

    Cut out of the line, since one of many megabytes is not worth reading again. In JSON text a quote within a string is
    escaped, so the last `,"source":{` is the envelope's own, whatever the row holds.
    """
    operation, source = line[: line.index(b',"before":')], line[line.rindex(b',"source":{') :]
    return operation + b',"claim":' + orjson.dumps(asdict(claim)) + source


def packed(line: bytes) -> bytes:
    """The object of a change's line."""
    return compress(line, _LEVEL, mtime=0)


def opened(data: bytes, claim: Claim) -> bytes:
    """The change's line. Raises ClaimError where the object is not the one that was put."""
    reader = zlib.decompressobj(_WINDOW_BITS)
    try:
        line = reader.decompress(data, claim.bytes + 1)  # never more, whatever the object says of itself
    except zlib.error:
        line = b""
    if hashlib.sha256(line).hexdigest() != claim.sha256:
        raise ClaimError(f"the object {claim.object} is not what its record says: it is damaged", LOST)
    return line


def unfetched(claim: Claim) -> bytes:
    """For readers of the stream that are not given the bucket."""
    raise ClaimError(f"a change lies in the object {claim.object}", "Read it from the migration's bucket: gunzip | jq")


LOST = (
    "Put the object back as it was (a version of it, a backup of the bucket); without it the migration must be started "
    "again (keyshift destroy, then init). The record stays on the stream until then"
)
