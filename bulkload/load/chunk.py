"""One chunk, from its file to the acceptance of all its writes: what every engine that writes through the API does.

The file is read whole and checked against what was recorded, all its rows are turned into writes, and only then is the
first of them sent. Whoever asked for it records the chunk as loaded, or not. It may be done again, by anybody, as often
as one likes, as long as the lease is held.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from bulkload.load.budget import budget_for
from bulkload.load.reading import Task, rows_of
from bulkload.load.rejects import Reject, encode_rejects, key_name, problems
from bulkload.load.send import Refusal, Sender
from bulkload.load.writes import ChunkRows, plan_writes
from bulkload.parallel import run_all
from bulkload.storage import Storage
from keymap.errors import Problems
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.template import PatchError
from keyshift.aws.clients import Clients, DynamoDBClient, clients_of, explaining
from keyshift.aws.retry import RetriesExhausted
from keyshift.control.bounds import Bound
from keyshift.control.migration import Migration
from keyshift.process.garbage import collected_later
from keyshift.process.settings import Settings
from keyshift.process.stop import Stop


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of it: writes that were accepted, rows that are in the rejects file instead, what it waited for."""

    writes: int
    rejected: int = 0
    waits: str = ""


class ChunkLoader:
    """Loads chunks of one migration (its id). Rows of one chunk that cannot become items may be `rejects_max`."""

    def __init__(self, keymap: Keymap, migration: str, storage: Storage, sender: Sender, rejects_max: int) -> None:
        self._keymap = keymap
        self._migration = migration
        self._storage = storage
        self._sender = sender
        self._rejects_max = rejects_max

    def load(self, task: Task, fetched: Callable[[], bytes] | None = None) -> Loaded:
        """Write a chunk, whose file is fetched now or was by `fetched`. All that it was made of is let go of.

        Raises ChunkError for a file that is not what was dumped; Problems that name its rows where too many of them
        cannot be written, before anything is; RetriesExhausted, LeaseLost, Stopped; KeyshiftErrors that tell the chunk.
        """
        name = f"chunk {task.chunk.number} of {task.chunk.table}"
        try:
            with explaining(f"loading {name}"), collected_later():
                return self._load(task, fetched)
        except RetriesExhausted as error:
            first = self._bound(task, task.chunk.lower, "the table's beginning")
            last = self._bound(task, task.chunk.upper, "the table's end")
            error.message += f"; {name} is not loaded: its rows are those after {first}, up to {last}"
            raise

    def _load(self, task: Task, fetched: Callable[[], bytes] | None) -> Loaded:
        data = fetched() if fetched else self._storage.get(task.chunk.object)
        writes = plan_writes(self._keymap, self._migration, self._rows(task, data))
        self._require_few(writes.rejects, task.schema)
        refusals = self._sender.send(writes)
        rejects = [*writes.rejects, *(self._refused(self._rows(task, data), refusals) if refusals else ())]
        self._require_few(rejects, task.schema)
        if rejects:
            chunk = task.chunk
            where = self._storage.rejects_name(chunk.table, chunk.generation, chunk.number)
            self._storage.put(where, encode_rejects(rejects, chunk, task.schema))
        return Loaded(writes.items - len(refusals), len(rejects), self._sender.waits())

    def _rows(self, task: Task, data: bytes) -> ChunkRows:
        return rows_of(task, data, self._storage, self._migration)

    @staticmethod
    def _bound(task: Task, bound: Bound, none: str) -> str:
        return none if bound is None else key_name(task.schema, bound)

    def _require_few(self, rejects: Sequence[Reject], schema: TableSchema) -> None:
        if len(rejects) > self._rejects_max:
            raise Problems(problems(rejects, schema))

    def _refused(self, chunk: ChunkRows, refusals: Sequence[Refusal]) -> list[Reject]:
        """The rows behind what DynamoDB refused: found by mapping them once more, as that is seldom."""
        by_item = {(refusal.table, refusal.key): refusal for refusal in refusals}
        found = []
        for row in chunk.rows:
            try:
                patches = self._keymap.row_patches(chunk.schema.full_name, row, chunk.version)
            except PatchError:
                continue  # a reject already
            for patch in patches:
                refusal = by_item.get((patch.table, patch.key))
                if refusal and (not refusal.slots or (patch.slot, patch.owner) in refusal.slots):
                    found.append(Reject.of(chunk.schema, row, refusal.reason, refusal.remedy))
                    break
        return found


def chunk_loader(  # noqa: PLR0913 - collaborators are handed in
    settings: Settings,
    keymap: Keymap,
    migration: Migration,
    storage: Storage,
    *,
    client: DynamoDBClient,
    executor: Executor,
    stop: Stop,
    capacities: DynamoDBClient,
    share: float = 1.0,
) -> ChunkLoader:
    """The loader of one process. `client` is guarded by its owner and used for the targets; `executor` has a thread for
    each call in flight. `capacities` is asked what the targets take, and `share` (0 to 1) of all budgets is this one's.
    """
    budget = budget_for(settings.bulkload, capacities, keymap.targets.values(), stop, share)
    run = partial(run_all, executor=executor, concurrency=settings.bulkload.load_concurrency, stop=stop)
    sender = Sender(client, keymap, migration.id, run, stop, budget=budget)
    return ChunkLoader(keymap, migration.id, storage, sender, settings.bulkload.rejects_max)


def writing_clients(settings: Settings) -> Clients:
    """Clients for the writes of one process: every try is seen here, since a throttle must slow the next writes."""
    return clients_of(settings.aws, connections_max=settings.bulkload.load_concurrency + 1, attempts_max=1)
