"""Mistakes that the simulation must find: each takes away one thing on which everything rests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import apply_stream
from keymap import folding
from keymap.change import Change
from keymap.patch import Patch
from keymap.rules import Keymap
from keymap.version import is_tombstone
from keyshift.apply import stream, writer
from tests.apply.fake_dynamodb import Condition, FakeDynamoDB
from tests.apply.simulation.timeline import KEYMAP

Patching = pytest.MonkeyPatch


def versions_are_not_compared(patch: Patching) -> None:
    """What comes last wins, not what is newest."""
    right = Condition._compare

    def compare(held: dict[str, Any] | None, operator: str, value: dict[str, Any]) -> bool:
        return held is not None if operator == "<" else right(held, operator, value)

    patch.setattr(Condition, "_compare", staticmethod(compare))


def a_removal_leaves_nothing(patch: Patching) -> None:
    """No tombstones, but where a slot has owners."""
    right, books = FakeDynamoDB._write, KEYMAP.bookkeeping

    def write(self: FakeDynamoDB, request: dict[str, Any], identity: Any, new: Any) -> Any:
        answer = right(self, request, identity, new)
        item = self.tables[request["TableName"]][identity]
        for slot, mark in books.slots(item).items():
            if is_tombstone(mark) and books.owner(slot) not in item:
                del item[books.mark(slot)]
        if not books.slots(item):
            del self.tables[request["TableName"]][identity]
        return answer

    patch.setattr(FakeDynamoDB, "_write", write)


def rows_share_a_register(patch: Patching) -> None:
    """Rows that pass a slot to each other are not told apart."""
    right = Keymap.patches

    def patches(self: Keymap, change: Change) -> list[Patch]:
        return [replace(one, owner="") for one in right(self, change)]

    patch.setattr(Keymap, "patches", patches)


def markers_come_first(patch: Patching) -> None:
    """A batch's markers are recorded before its changes are written."""
    plain = stream.StreamApplier._write

    def write(self: stream.StreamApplier, packs: Any, *arguments: Any) -> Any:
        self._mark(pack.header for pack in packs)
        return plain(self, packs, *arguments)

    patch.setattr(stream.StreamApplier, "_write", write)
    patch.setattr(stream, "folded", lambda *_arguments: None)


def failures_are_forgotten(patch: Patching) -> None:
    """What could not be written is counted as done."""
    right = writer.summed
    patch.setattr(writer, "summed", lambda outcomes: replace(right(outcomes), failures=()))


def the_record_behind_is_named(patch: Patching) -> None:
    """The answer is off by one."""
    right = apply_stream.handle

    def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
        answer = right(event, context)
        numbers = [one["kinesis"]["sequenceNumber"] for one in event["Records"]]
        behind = dict(zip(numbers, [*numbers[1:], numbers[-1]], strict=True))
        return {
            "batchItemFailures": [
                {"itemIdentifier": behind[one["itemIdentifier"]]} for one in answer["batchItemFailures"]
            ]
        }

    patch.setattr(apply_stream, "handle", handle)


def errors_are_swallowed(patch: Patching) -> None:
    """Of what raised nothing is delivered again."""
    right = apply_stream.handle

    def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
        try:
            return right(event, context)
        except Exception:  # noqa: BLE001 - the mistake
            return {"batchItemFailures": []}

    patch.setattr(apply_stream, "handle", handle)


def the_oldest_of_a_batch_wins(patch: Patching) -> None:
    """Folding keeps the first change of a slot."""

    def fold(patches: Iterable[Patch]) -> list[Patch]:
        oldest: dict[Any, Patch] = {}
        for one in patches:
            oldest.setdefault(one.register, one)
        return list(oldest.values())

    def add(self: folding.Newest, slot: Any) -> None:
        self._slots.setdefault(slot.patch.register, slot)

    right = folding._Whole._add

    def add_whole(self: Any, whole: dict[Any, Any], *arguments: Any) -> None:
        before = dict(whole)
        right(self, whole, *arguments)
        whole |= before

    patch.setattr(writer, "fold", fold)
    patch.setattr(folding.Newest, "add", add)
    patch.setattr(folding._Whole, "_add", add_whole)


def a_refused_write_is_taken_for_done(patch: Patching) -> None:
    """One slot that is not newer takes all others of its write along."""
    patch.setattr("keyshift.aws.slots.newer_than", lambda _books, _old, _patches: [])


def it_writes_past_the_gate(patch: Patching) -> None:
    """A closed gate is none."""
    patch.setattr(writer.GuardedWriter, "check", writer.GuardedWriter.apply)


MUTANTS: Sequence[Callable[[Patching], None]] = (
    versions_are_not_compared,
    a_removal_leaves_nothing,
    rows_share_a_register,
    markers_come_first,
    failures_are_forgotten,
    the_record_behind_is_named,
    errors_are_swallowed,
    the_oldest_of_a_batch_wins,
    a_refused_write_is_taken_for_done,
    it_writes_past_the_gate,
)
