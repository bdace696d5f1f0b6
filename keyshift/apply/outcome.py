"""What became of patches that were to be written: counts, and each failure in the words of whoever must mend it."""

from collections.abc import Iterable
from dataclasses import dataclass

from keymap.errors import KeyshiftError
from keymap.patch import Key, Patch
from keyshift.apply.refusals import Foreign, of_patch, unwritable
from keyshift.aws.clients import BotoCoreError, ClientError, error_code, explain
from keyshift.aws.slots import NotOurs, TooLarge, Unexplained
from keyshift.process.stop import Stopped

_SIZE_REMEDY = "Exclude or shorten the large columns in the keymap, or split the item over several keys"
_PARTITION_REMEDY = "Split the partition key in the keymap, or do without local indexes"
_KEYMAP_REMEDY = "Correct what the keymap makes of this row, or filter it out"


@dataclass(frozen=True, slots=True)
class Failure:
    """Patches of an item that were not all applied, and why. They may or may not be in the table.

    Where the reason is Poison it is about these alone, and none of them is superseded.
    """

    table: str
    key: Key
    error: KeyshiftError | Stopped
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many patches were written (set, removed) and how many had nothing to do any more (stale).

    `collided`: how often more than one row was left alive on one slot, in passing or for good (keymap.owners).
    """

    set: int = 0
    removed: int = 0
    stale: int = 0
    collided: int = 0
    failures: tuple[Failure, ...] = ()


def summed(outcomes: Iterable[Outcome]) -> Outcome:
    """All of them together."""
    landed = removed = stale = collided = 0
    failures: list[Failure] = []
    for one in outcomes:
        landed += one.set
        removed += one.removed
        stale += one.stale
        collided += one.collided
        failures += one.failures
    return Outcome(landed, removed, stale, collided, tuple(failures))


def told(error: KeyshiftError | Stopped | ClientError | BotoCoreError, patch: Patch) -> KeyshiftError | Stopped:
    """Why a write of an item failed; `patch` is one of those that were in it."""
    if isinstance(error, NotOurs):
        return Foreign(patch.table, patch.key, error.owner)
    if isinstance(error, TooLarge):
        return unwritable(patch, error.message, _SIZE_REMEDY)
    if isinstance(error, Unexplained):
        return Unexplained(of_patch(patch))
    if isinstance(error, KeyshiftError | Stopped):
        return error
    return _refused(error, patch)


def _refused(error: ClientError | BotoCoreError, patch: Patch) -> KeyshiftError:
    """What DynamoDB's own word means: whether it can never take the write, or did not for now."""
    if error_code(error) == "ItemCollectionSizeLimitExceededException":
        return unwritable(patch, "its partition has the 10 GB that a table with local indexes takes", _PARTITION_REMEDY)
    if error_code(error) == "ValidationException":
        text = explain(error, "DynamoDB").message
        return unwritable(patch, text, _SIZE_REMEDY if "size" in text else _KEYMAP_REMEDY)
    return explain(error, f"writing to table {patch.table}")
