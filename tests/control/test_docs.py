"""docs/control-table.md names every item and attribute that is written, with its type, and no other."""

import re
from pathlib import Path
from typing import Any

import keyshift
from keymap.position import Position
from keymap.schema import Shape, TableSchema
from keymap.version import version
from keyshift.apply.redrive import SENDS
from keyshift.control import barrier, shards
from keyshift.control import migration as migrations
from keyshift.control.answers import Answer, next_repair, record_answers
from keyshift.control.checkpoint import Checkpoint, mark_started, record_start, save_checkpoint
from keyshift.control.chunks import record_dumped, record_loaded, record_table_dumped
from keyshift.control.gaps import record_gap
from keyshift.control.halts import Halt, accept, forget_lost, record_stop
from keyshift.control.horizon import raise_horizon
from keyshift.control.imports import Import, ImportState, record_step, record_written
from keyshift.control.keymaps import record_keymap
from keyshift.control.lanes import raise_applied
from keyshift.control.lease import CAPTURE, DUMP, LOAD, REDRIVE, TIDY, Lease
from keyshift.control.migration import Resource, adopt, record_created, show_digest
from keyshift.control.pace import Pace, record_pace
from keyshift.control.phase import Phase, open_replay
from keyshift.control.ranges import record_bounds
from keyshift.control.reloads import Reload, begin_reload, finish_reload
from keyshift.control.setasides import State, record_open, resolve
from keyshift.control.shapes import Since, begin_history
from keyshift.control.shards import ShardCheckpoint, ShardState
from keyshift.control.store import Store
from keyshift.control.takeover import DRIFT
from keyshift.control.throttle import LIMITS, change_throttle
from keyshift.control.wanted import Wanted, mark_begun, pending_wish, want
from keyshift.control.workers import Worker
from keyshift.cutover.conduct import CUTOVER, _agreed
from tests.apply.keymaps import shop
from tests.control.conftest import TABLES, Clock
from tests.control.test_chunks import chunk
from tests.control.test_setasides import set_aside

PAGE = Path(keyshift.__file__).parents[1] / "docs" / "control-table.md"
Row = tuple[str, str, str]


def documented() -> set[Row]:
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \| (\w+) \| \S.* \|$", PAGE.read_text(), re.MULTILINE)
    return {
        (item, attribute, kind)
        for items, attribute, kind in rows
        for item in (re.findall(r"`([^`]+)`", items) or [items])
    }


def taken_over(store: Store, item: str, clock: Clock) -> Lease:
    first, second = (Lease(store, item, owner, 10.0, clock) for owner in ("a:1", "b:2"))
    assert first.try_acquire()
    assert not second.try_acquire()
    clock.now += 10 * DRIFT + 0.1
    assert second.try_acquire()
    return second


def a_whole_migration(store: Store, clock: Clock) -> None:
    """Everything that is ever written."""
    gtid_set = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"
    position = Position("binlog.000001", 4, gtid_set, "1795840541-5f2a9c0d11aa02be")
    leases = (CAPTURE, DUMP, LOAD, "worker#0001", REDRIVE, TIDY)
    capture, dump, load, _worker, redrive, tidy = (taken_over(store, item, clock) for item in leases)
    tidy.renew(swept=version(1, 1, 4, 0), risen_at_ms=1, tidied_at_ms=1)
    assert raise_horizon(store, version(1, 1, 4, 0), Phase.LOAD)
    load.renew(workers="a")
    record_created(store, Resource("stream", "s"))
    record_start(capture, position, "server")
    mark_started(capture)
    begin_history(store, TABLES[0], Since(version(1, 1, 4, 0), Shape(TableSchema("shop", "orders", (), ()))))
    record_stop(store, Halt(1, "binlog.000001", 4, (TABLES[0],), "TRUNCATE"))
    accept(store, "it was empty", reload=True)
    record_answers(store, [Answer("fk_cascade", TABLES[0], "no parent is ever deleted")])
    assert next_repair(store) == 1
    record_stop(store, Halt(1, "binlog.000001", 8, (TABLES[0],), "purged", lost=True))
    lost = accept(store, "a restore", reload=True).halt
    forget_lost(store)
    want(store, Wanted(lost.tables, lost.what, "a restore", anew=True, keymaps=("d" * 16,), stop=lost.name))
    adopt(store, migrations.load(store), "e" * 16, TABLES, TABLES[:1])
    show_digest(store, "e" * 16)
    record_keymap(store, shop())
    want(store, Wanted(TABLES[:1], "another keymap", "a key", keymap="e" * 16))
    wanted = pending_wish(store)
    assert wanted
    mark_begun(capture, wanted, 2)
    save_checkpoint(capture, Checkpoint(position, {0: version(1, 1, 4, 0)}, version(1, 1, 4, 0), 1, "server", 1, 5))
    for table in TABLES:
        record_bounds(dump, table, [(5,)])
        record_dumped(dump, chunk(1, table, gtid_set=gtid_set))
        record_table_dumped(dump, table, 1, 10, gtid_set=gtid_set)
        record_loaded(load, chunk(1, table), rejected=1)
    reload = Reload(TABLES[0], version(1, 1, 90, 1), "TRUNCATE", "a mistake", ("d" * 16,))
    begin_reload(store, reload)
    finish_reload(store, reload)
    load.renew()
    made = record_written(load, Import("app", "keyshift/import/000001/app/", 1, 10, 100, 1000))
    record_step(load, made, ImportState.RUNNING, "arn:aws:dynamodb:us-east-1:111122223333:table/app/import/1")
    open_replay(load, 0.0)
    number = barrier.request(store, position)
    barrier.mark_sent(capture, number, "", 1)
    barrier.seen(store, number, 0)
    what_consumers_tell(store)
    record_open(store, one := set_aside(7, target="app", key="0a1b2c3d4e5f"))
    redrive.renew(**{SENDS: True})
    resolve(store, one, State.DISCARDED, note="a test row", lease=redrive)
    change_throttle(store, dict.fromkeys(LIMITS, 1), paused=True)
    record_pace(store, DUMP, TABLES[0], Pace(1, 2, 3, "it was paused"))
    store.swap(CUTOVER, None, _agreed(barrier.state(store, number, 1)))


def what_consumers_tell(store: Store) -> None:
    raise_applied(store, {0: version(1, 1, 4, 0)}, {})
    record_gap(store, 1, version(1, 1, 4, 0))
    assert shards.take(store, ShardState(ShardCheckpoint("s", "shardId-000000000000")), Worker(1, 1), "a:1")


def written(store: Store, dynamodb: Any) -> set[Row]:
    found = dynamodb.scan(TableName=store.table, ConsistentRead=True)["Items"]
    items = [item for item in found if item["migration"]["S"] in {store.name, store.id}]
    return {
        (kind_of(item["item"]["S"]), re.sub(r"^lane\d+$", "laneN", name), next(iter(value)))
        for item in items
        for name, value in item.items()
    }


def kind_of(item: str) -> str:
    """An item's name without what varies."""
    word, *rest = item.split("#")
    names = {
        "barrier": ["NUMBER"],
        "chunk": ["TABLE", "NUMBER"],
        "table": ["TABLE"],
        "shard": ["STREAM", "SHARD"],
        "worker": ["PLACE"],
        "schema": ["TABLE"],
        "accepted": ["PLACE"],
        "answer": ["KIND", "TABLE"],
        "reload": ["TABLE"],
        "keymap": ["DIGEST"],
        "pace": ["JOB", "TABLE"],
        "import": ["TARGET"],
        "ranges": ["TABLE"],
        "phase": ["lanes", "GROUP"],
        "setaside": ["VERSION", "LANE"],
        "gap": ["LANE"],
    }
    return "#".join([word, *(names[word] if rest else [])])


def test_the_table_of_attributes_is_complete_and_true(store: Store, dynamodb: Any, clock: Clock):
    common = {row for row in documented() if row[0] in {"every item", "most items"}}
    assert {name for _, name, _ in common} == {"migration", "item", "nonce", "at_ms"}
    a_whole_migration(store, clock)
    own = {row for row in written(store, dynamodb) if row[1:] not in {row[1:] for row in common}}
    assert own == documented() - common
