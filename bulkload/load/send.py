"""Sending the writes of one chunk to DynamoDB, many at once; a return means that every one of them was accepted, or
refused for good: only the service knows all of its rules.

A call comes back only when no request of it is being sent any more, so a caller that stops may give up its lease. All
writes may be repeated: a put writes the same item, and a guarded write finds itself done.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bulkload.load.budget import Budget
from bulkload.load.metered import Metered
from bulkload.load.writes import AnyItem, ChunkWrites
from bulkload.parallel import Job
from keymap.errors import KeyshiftError
from keymap.patch import Key, Patch
from keymap.rules import Keymap
from keyshift.aws import items
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code, explain
from keyshift.aws.slots import NotOurs, Unexplained, write_slots
from keyshift.process.stop import Stop

Put = tuple[str, AnyItem]  # table and item, or only its key
Run = Callable[[Iterator[Job]], None]

_INVALID: Final = "ValidationException"
_REMEDY: Final = "Correct what the keymap makes of this row or filter it out, or correct the row at its source"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that DynamoDB refuses whenever it is asked; `slots` are those that were to be written, none for all."""

    table: str
    key: Key
    reason: str
    remedy: str
    slots: frozenset[tuple[str, str]] = frozenset()


def batches(puts: Sequence[Put]) -> list[Sequence[Put]]:
    """The puts, which are of one table, in batches that DynamoDB takes.

    Neighbours in the primary key go to different batches: they often share a partition key, and one partition takes
    1,000 writes per second.
    """
    count = -(-len(puts) // items.WRITES_PER_BATCH_MAX)
    return [puts[begin::count] for begin in range(count)]


def _by_table(puts: Sequence[Put]) -> dict[str, list[Put]]:
    """A batch of one table tells by itself whether that table throttles, and holds up no other."""
    tables: dict[str, list[Put]] = {}
    for put in puts:
        tables.setdefault(put[0], []).append(put)
    return tables


class Sender:
    """Writes chunks for one migration (its id). `client` is guarded by its owner; `run` runs jobs, many at a time.

    `budget` says how fast: a table that must wait lets the writes to the others of the chunk go first.
    """

    def __init__(  # noqa: PLR0913 - collaborators are handed in
        self, client: DynamoDBClient, keymap: Keymap, migration: str, run: Run, stop: Stop, *, budget: Budget
    ) -> None:
        self._client: DynamoDBClient = Metered(client, budget, keymap.targets)  # type: ignore[assignment]
        self._budget = budget
        self._keymap = keymap
        self._migration = migration
        self._run = run
        self._stop = stop

    def send(self, writes: ChunkWrites) -> list[Refusal]:
        """Write all of it; what DynamoDB refuses is returned. Raises RetriesExhausted, LeaseLost, Stopped."""
        refusals: list[Refusal] = []
        self._run(self._jobs(writes, refusals))
        return refusals

    def waits(self) -> str:
        """What writes have waited for since this was asked last; "" for nothing to speak of."""
        return self._budget.waits()

    def _jobs(self, writes: ChunkWrites, refusals: list[Refusal]) -> Iterator[Job]:
        """The jobs, each of one table: next is always one of a table that need not wait, or waits the least."""
        waiting: dict[str, deque[Job]] = {}
        for table, puts in _by_table(writes.puts).items():
            waiting.setdefault(table, deque()).extend(partial(self._put, batch, refusals) for batch in batches(puts))
        for patches in writes.guarded:
            waiting.setdefault(patches[0].table, deque()).append(partial(self._guarded, patches, refusals))
        while waiting:
            table = min(waiting, key=self._budget.wait_seconds) if len(waiting) > 1 else next(iter(waiting))
            yield waiting[table].popleft()
            if not waiting[table]:
                del waiting[table]

    def _put(self, puts: Sequence[Put], refusals: list[Refusal]) -> None:
        try:
            self._put_batch(puts)
        except ClientError as error:
            if error_code(error) != _INVALID:
                raise
            # One of them is refused, and DynamoDB does not say which: ask for each alone.
            found = [refusal for put in puts if (refusal := self._refusal(put))]
            if not found:
                raise explain(error, "writing a batch") from error
            refusals += found

    def _put_batch(self, puts: Sequence[Put]) -> None:
        items.batch_put(self._client, {puts[0][0]: [item for _, item in puts]}, stop=self._stop)

    def _refusal(self, put: Put) -> Refusal | None:
        table, item = put
        try:
            self._put_batch([put])
        except ClientError as error:
            if error_code(error) != _INVALID:
                raise
            return _refused(table, self._keymap.targets[table].key_of(dict(item)), error)
        return None

    def _guarded(self, patches: Sequence[Patch], refusals: list[Refusal]) -> None:
        """Write slots of one item. Those that are there already, as after a retry, are left as they are."""
        table = patches[0].table
        try:
            write_slots(self._client, self._keymap, self._migration, patches, guess={}, stop=self._stop)
        except ClientError as error:
            if error_code(error) != _INVALID:
                raise
            slots = frozenset((patch.slot, patch.owner) for patch in patches)
            refusals.append(_refused(table, patches[0].key, error, slots))
        except NotOurs as error:
            message = f"an item of table {table} appeared during the load that is not of this migration"
            remedy = "Keep other writers away from the target tables, and load again to see its key"
            raise KeyshiftError(message, remedy) from error
        except Unexplained as error:
            raise KeyshiftError(f"writing to table {table} failed: {error.message}", error.remedy) from error


def _refused(table: str, key: Key, error: ClientError, slots: frozenset[tuple[str, str]] = frozenset()) -> Refusal:
    explained = explain(error, "writing it")
    reason = f"DynamoDB refuses its item of {table}: {explained.message}"
    return Refusal(table, key, reason, explained.remedy or _REMEDY, slots)
