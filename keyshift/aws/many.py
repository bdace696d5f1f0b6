"""Guarded writes of many items at once: the first request of each, with what all puts of a table share written once.

What comes of most of them is told here: written, or refused with the item that was in the way. All else (throttles,
lost answers, items that may be too large, slots whose owners meet) is left to keyshift.aws.slots, which writes one item
at a time, with patience: it is safe to write there again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

from keymap.attributes import ITEM_BYTES_MAX
from keymap.errors import KeyshiftError
from keymap.folding import Put
from keymap.items import put_request
from keymap.patch import WHOLE, Item, KeyValue, Patch
from keymap.rules import Keymap
from keymap.targets import Target
from keymap.version import mark
from keyshift.aws.clients import BotoCoreError, DynamoDBClient, error_code
from keyshift.aws.items import WRITTEN, Outcome, Refused
from keyshift.aws.lean.body import encode, encode_item
from keyshift.aws.lean.client import LeanClient
from keyshift.aws.slots import first_request
from keyshift.process.stop import Stopped

FAILURES_MAX: Final = 8  # a service that fails or throttles so many is not asked any further without pauses
Ready = tuple[str, bytes]  # the call, and its request as a body
_VERSION: Final = "a version stands here"
_KEYS: Final[Mapping[str, KeyValue]] = {"S": "", "N": 0, "B": b""}


class ManyWrites:
    """Writes for one migration, `width` under way at once. For use by several threads."""

    def __init__(self, client: LeanClient, keymap: Keymap, migration: str, width: int) -> None:
        self._client, self._keymap, self._migration, self._width = client, keymap, migration, width
        self._forms = {name: _Form(keymap, migration, target) for name, target in keymap.targets.items()}

    def put(self, put: Put) -> Ready | None:
        """The request of a put; None for one that must be looked at by itself. Raises PatchError."""
        return self._forms[put.rule.target.name].request(put)

    def slots(self, patches: Sequence[Patch]) -> Ready | None:
        """The first request of an item's patches; None for one that must be looked at by itself."""
        request = first_request(self._keymap, self._migration, patches)
        if request is None:
            return None
        body = encode(request)
        if "Item" not in request:
            return "update_item", body
        return ("put_item", body) if len(body) <= ITEM_BYTES_MAX else None

    def send(self, requests: Sequence[Ready | None]) -> Iterator[tuple[int, Outcome]]:
        """Send the requests, and tell what came of them, by number. What is not told of may have been written."""
        numbers = [number for number, request in enumerate(requests) if request]
        failures = 0
        try:
            with closing(self._client.several(list(filter(None, requests)), self._width)) as answers:
                for at, answer in answers:
                    if not isinstance(answer, Exception):
                        yield numbers[at], WRITTEN
                    elif error_code(answer) == "ConditionalCheckFailedException":
                        yield numbers[at], Refused(_old(answer))
                    elif (failures := failures + 1) >= FAILURES_MAX:
                        return
        except (BotoCoreError, KeyshiftError, Stopped):
            return  # there are no credentials, or a guard of the client objects: who writes one by one says so


def many_writes(client: DynamoDBClient, keymap: Keymap, migration: str, width: int) -> ManyWrites | None:
    """Writes by this client; None where it makes one call at a time only, as boto3's."""
    return ManyWrites(client, keymap, migration, width) if isinstance(client, LeanClient) else None


def _old(error: Exception) -> Item:
    old: Item = getattr(error, "response", {}).get("Item") or {}
    return old


class _Form:
    """What the puts of one target have in common, around version and item."""

    def __init__(self, keymap: Keymap, migration: str, target: Target) -> None:
        self._target, self._books, self._migration = target, keymap.bookkeeping, {"S": migration}
        key = tuple(_KEYS[part.type] for part in target.keys)
        request = put_request(keymap, migration, Patch(target.name, key, WHOLE, None, _VERSION))
        del request["Item"]
        self._head, tail = encode(request).split(_VERSION.encode())
        self._tail = tail[:-1] + b',"Item":'

    def request(self, put: Put) -> Ready | None:
        content, version = put.content(), put.version
        item = {
            **self._target.key_item(put.key),
            **(content or {}),
            self._books.migration: self._migration,
            self._books.mark(WHOLE): {"S": mark(version, tombstone=content is None)},
        }
        encoded = encode_item(item)
        if encoded is None or encoded.bytes > ITEM_BYTES_MAX:
            return None
        return "put_item", b"".join((self._head, version.encode(), self._tail, encoded.json, b"}"))
