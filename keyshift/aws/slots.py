"""One item's slots, written until each is there or something newer is.

The first request knows nothing of the item, or takes it for what its caller says. Where its condition fails, DynamoDB
returns the item as it was: patches that are not newer any more are STALE and left out, and the next request is made of
what is there. So each turn of the loop answers to another state of the item, and a state that comes back unchanged is
one that cannot be explained.

An endpoint that is only compatible may refuse and return nothing (ReturnValuesOnConditionCheckFailure is younger than
the rest of the API). The item is then taken for absent, and where that is refused too, it is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keymap.attributes import ITEM_BYTES_MAX, oversize
from keymap.errors import KeyshiftError
from keymap.items import Request, newer_than, put_merged, put_request
from keymap.owners import Registers, live_owners
from keymap.patch import Item, Patch
from keymap.rules import Keymap
from keymap.updates import per_update, update_merged, update_request
from keyshift.aws import items
from keyshift.aws.clients import DynamoDBClient
from keyshift.process.stop import Stop


class NotOurs(KeyshiftError):
    """The item does not belong to the migration; `owner` is the one that it does belong to, "" for none."""

    def __init__(self, owner: str) -> None:
        super().__init__("an item that does not belong to this migration is in the way")
        self.owner = owner


class Unexplained(KeyshiftError):
    """DynamoDB refused a write, and the item as it is does not say why; `where`: which one, as messages begin."""

    def __init__(self, where: str = "") -> None:
        super().__init__(
            f"{where}the condition failed, and the item does not say why",
            "Check that the endpoint evaluates ConditionExpression as DynamoDB does, and reads consistently",
        )


class TooLarge(KeyshiftError):
    """The item would be larger than DynamoDB takes. Nothing was sent."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the item would have {size} bytes, and DynamoDB takes {ITEM_BYTES_MAX}")


@dataclass(frozen=True, slots=True)
class Landed:
    """The patches that were written; the others were STALE. `collided` slots have more than one live owner now."""

    patches: Sequence[Patch]
    collided: int = 0


def write_slots(  # noqa: PLR0913 - the last two are its caller's choice
    client: DynamoDBClient,
    keymap: Keymap,
    migration: str,
    patches: Sequence[Patch],
    *,
    guess: Item | None = None,
    stop: Stop | None = None,
) -> Landed:
    """Write patches of one item that fit one request (keymap.updates). `guess`: {} where the item should be absent,
    or the item where that is known, and all patches are newer.

    Safe to repeat. Raises NotOurs, TooLarge, Unexplained, and what keyshift.aws.items raises.
    """
    left, old = list(patches), guess
    while left:
        request, registers = _request(keymap, migration, left, old)
        outcome = _send(client, request, stop)
        if isinstance(outcome, items.Written):
            return Landed(left, sum(len(live_owners(held)) > 1 for held in registers))
        found = outcome.old
        if found == old:  # no answer of DynamoDB's, but of an endpoint that does not tell what was in the way: look
            found = items.get(client, patches[0].table, keymap.targets[patches[0].table].key_item(patches[0].key), stop)
            if found == old:
                raise Unexplained
        old = found
        if old and not keymap.bookkeeping.belongs_to(old, migration):
            raise NotOurs(old.get(keymap.bookkeeping.migration, {}).get("S", ""))
        left = newer_than(keymap.bookkeeping, old, left)
    return Landed(())


def first_request(keymap: Keymap, migration: str, patches: Sequence[Patch]) -> Request | None:
    """The request that knows nothing of the item; None where patches need several, or owners of one slot meet."""
    if len(patches) > 1 and len(next(per_update(patches))) < len(patches):
        return None
    request, registers = _request(keymap, migration, patches, None)
    return None if registers else request


def _send(client: DynamoDBClient, request: Request, stop: Stop | None) -> items.Outcome:
    if "Item" not in request:
        return items.update(client, request, stop=stop)
    if size := oversize(request["Item"]):
        raise TooLarge(size)
    return items.put(client, request, stop=stop)


def _request(
    keymap: Keymap, migration: str, patches: Sequence[Patch], old: Item | None
) -> tuple[Request, Sequence[Registers]]:
    """The next request. One slot's owners meet only where the item is known."""
    meeting = old is not None or len({patch.slot for patch in patches}) < len(patches)
    owned = meeting and any(patch.owner for patch in patches)
    if patches[0].is_whole:
        if not owned:
            return put_request(keymap, migration, patches[0]), ()
        request, registers = put_merged(keymap, migration, patches, old or {})
        return request, (registers,)
    if not owned:
        return update_request(keymap, migration, patches, old), ()
    return update_merged(keymap, migration, patches, old or {})
