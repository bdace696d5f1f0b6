"""How the workers of a stream share its shards: one look at the control table, and what follows from it.

Nobody leads and nobody is asked. Each worker looks once in a while at who is there and who holds what, and knows its
own share: it takes shards that are free while it has fewer, and gives some up while it has more (keyshift/apply/shards,
`shares`). A newcomer is seen by the others, which give up; a worker that is gone leaves its shards free. Two that take
the same shard at once are told apart by the control table. What was seen may be old: then a worker takes or gives a
shard too many, and the next look mends it. It never reads one that another believes to hold.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from keyshift.apply.shards import readable, shares
from keyshift.aws.stream import Shard
from keyshift.control import shards
from keyshift.control.shards import ShardCheckpoint, ShardHold, ShardState
from keyshift.control.store import Store
from keyshift.control.workers import Roster


@dataclass(frozen=True, slots=True)
class Look:
    """What one worker is to do: give these up, and take `room` of those that are `free`, and all that are `found`.

    What is found it has taken before without knowing: the answer was lost. `expired` are its own of which the stream
    does not know any more; `finished` counts all that are read to their end.
    """

    give: Sequence[str]
    found: Sequence[ShardState]
    free: Sequence[ShardState]
    room: int
    expired: Collection[str]
    finished: int


class Sharing:
    """One worker's part in it. `roster` has been entered; `owner` is the process, for people. For one thread."""

    def __init__(self, store: Store, stream: str, roster: Roster, owner: str) -> None:
        self._store = store
        self._stream = stream
        self._roster = roster
        self._owner = owner

    def look(self, listed: Sequence[Shard], reading: Collection[str], leaving: Collection[str] = ()) -> Look:
        """Look, where the stream has these shards and the worker reads some of them, and is about to leave others.

        Raises LeaseLost when the worker has no lease any more; errors of the control table reach the caller.
        """
        view, states = self._roster.look(), shards.read(self._store, self._stream)
        me = self._roster.me
        held = {shard for shard, state in states.items() if state.holder and not view.is_gone(state.holder)}
        places = {shard: state.checkpoint for shard, state in states.items()}
        ready = readable(listed, places, held)
        found = {shard for shard in held.difference(reading, leaving) if states[shard].holder == me}
        share = shares(view.alive.index(me), len(view.alive), len(ready), found.union(reading).intersection(ready))
        return Look(
            give=[shard for shard in share.give if shard in reading],
            found=[states[shard] for shard in found],
            free=[states.get(shard) or self._unknown(shard) for shard in ready if shard not in held],
            room=share.room,
            expired=set(reading) - {one.id for one in listed},
            finished=sum(place.closed for place in places.values()),
        )

    def take(self, look: Look) -> Iterator[ShardHold]:
        """Take what was found, and of the free ones as many as there is room for and nobody else was faster with."""
        yield from filter(None, map(self._take, look.found))
        yield from islice(filter(None, map(self._take, look.free)), look.room)

    def _take(self, state: ShardState) -> ShardHold | None:
        return shards.take(self._store, state, self._roster.me, self._owner)

    def _unknown(self, shard: str) -> ShardState:
        return ShardState(ShardCheckpoint(self._stream, shard))
