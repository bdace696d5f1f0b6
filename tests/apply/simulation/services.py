"""The control table and the bucket, in memory, and who watches what is written into the table."""

import io
from collections.abc import Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from keyshift.apply.gate import ControlGate
from keyshift.control.record import Record, decode_item
from keyshift.control.setasides import State
from keyshift.control.store import PHASE, Store
from tests.control.memory import Memory

SET_ASIDE = "setaside#"


class Watcher(Protocol):
    """Who is told what is recorded, and may object."""

    def marker(self, number: int, lane: int) -> None:
        """Before a lane's marker of a barrier is."""

    def phase(self, before: Record, after: Record) -> None:
        """The item with phase and horizon has changed."""

    def set_aside(self, record: Record) -> None:
        """A change is set aside now."""


class ControlTable(Memory):
    """The control table. It has its `watcher` before anything happens."""

    watcher: Watcher

    def update_item(self, **request: Any) -> dict[str, Any]:
        item = request["Key"]["item"]["S"]
        if item.startswith("barrier#") and request["UpdateExpression"].startswith("ADD"):
            (lane,) = request["ExpressionAttributeValues"][":member"]["NS"]
            self.watcher.marker(int(item.partition("#")[2]), int(lane))
        return super().update_item(**request)

    def _update(self, request: dict[str, Any]) -> None:
        name = request["Key"]["item"]["S"]
        if name != PHASE and not name.startswith(SET_ASIDE):
            super()._update(request)
            return
        before = self._record(request)
        super()._update(request)
        after = self._record(request)
        if name == PHASE and before.attributes:
            self.watcher.phase(before, after)
        elif name != PHASE and after.text("state") == State.OPEN != before.text("state"):
            self.watcher.set_aside(after)

    def _record(self, request: dict[str, Any]) -> Record:
        name = request["Key"]["item"]["S"]
        held = self.items.get((request["Key"]["migration"]["S"], name))
        return decode_item(held) if held else Record(name, {})


class Bucket:
    """S3's client, for one bucket of `objects`."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def put_object(self, *, Key: str, Body: bytes, **_bucket: str) -> Mapping[str, Any]:  # noqa: N803 - as S3 has them
        self.objects[Key] = Body
        return {}

    def get_object(self, *, Key: str, **_bucket: str) -> Mapping[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "it is not there"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_object(self, *, Key: str, **_bucket: str) -> Mapping[str, Any]:  # noqa: N803
        self.objects.pop(Key, None)
        return {}


class AnyOrder(ControlGate):
    """Takes a lane's records in any order: none of them is a gap."""

    def void_before(self) -> str:
        return "~"  # behind every version


def store_of(client: Any) -> Store:
    """The migration's items in the control table."""
    return Store(client, "control", "shop", sleep=lambda _seconds: None)
