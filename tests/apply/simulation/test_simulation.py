"""Whatever Kinesis, Lambda, DynamoDB and the daemon do, the items are those of a replay in order.

KEYSHIFT_SIMULATION_SECONDS lets each mode live histories for that long, from KEYSHIFT_SIMULATION_SEED on.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cdc import outbox
from keyshift.apply import packs
from tests.apply.simulation.mutants import MUTANTS
from tests.apply.simulation.mutants_aside import MUTANTS_ASIDE
from tests.apply.simulation.world import World

SECONDS = float(os.environ.get("KEYSHIFT_SIMULATION_SECONDS", "0"))
FIRST = int(os.environ.get("KEYSHIFT_SIMULATION_SEED", "0"))
HISTORIES = 30  # of each mode
MUTANT_HISTORIES = 150  # within which each mistake must be found


def seeds() -> Iterator[int]:
    """So many, or for so long."""
    end = time.monotonic() + SECONDS
    seed = FIRST
    while seed < FIRST + HISTORIES or time.monotonic() < end:
        yield seed
        seed += 1


def lived(seed: int, *, in_order: bool) -> World:
    """Of every other one the packs are small, and what fits none lies in S3."""
    with pytest.MonkeyPatch.context() as patch:
        if seed % 2:
            patch.setattr(outbox, "PACK_BYTES_MAX", 320)
            patch.setattr(packs, "FETCHED_BYTES_MAX", 700)
        try:
            world = World(seed, in_order=in_order)
            world.run()
        except BaseException as error:
            error.add_note(f"lived({seed}, in_order={in_order})")
            raise
        return world


@pytest.mark.parametrize("in_order", [True, False], ids=["as Lambda delivers", "in any order"])
def test_every_history_ends_in_the_items_of_a_replay_in_order(*, in_order: bool) -> None:
    counts: Counter[str] = Counter()
    for seed in seeds():
        counts += lived(seed, in_order=in_order).counts
        counts["histories"] += 1
    sys.stdout.write(f"{dict(counts)}\n")
    wanted = {"done", "named", "raised", "killed", "overtaken", "unheard", "twice at once", "once more", "put_item"}
    wanted |= {"update_item", "batch_get_item", "throttled", "forbidden", "unsent", "lost", "late", "get_object"}
    wanted |= {"refused", "open", "redriven", "stale", "redrive done", "redrive failed", "redrive killed", "slept"}
    if in_order:
        wanted |= {"resharded", "horizon rose", "horizon stayed", "tombstones", "tidy failed", "tidy killed"}
    assert wanted <= set(counts)


def test_a_seed_tells_the_same_history_again() -> None:
    assert [lived(5, in_order=True).counts for _ in range(2)] == [lived(5, in_order=True).counts] * 2


@pytest.mark.parametrize(
    ("mutant", "leaning", "first"),
    [*((one, "", 0) for one in MUTANTS), *MUTANTS_ASIDE],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, mutant: Callable[[Any], None], leaning: str, first: int
) -> None:
    mutant(monkeypatch)
    for seed in range(first, first + MUTANT_HISTORIES):
        try:
            World(seed, leaning=leaning).run()
        except AssertionError:
            return
    pytest.fail(f"not found in {MUTANT_HISTORIES} histories")
