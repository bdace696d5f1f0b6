"""Made-up histories of the shop's rows, as the stream would carry them and as the bulk load would have read them."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from keymap.change import Change
from keymap.items import group_item, whole_item
from keymap.patch import WHOLE, Item, Patch
from keymap.rules import Keymap
from keymap.values import Row
from keymap.version import floor
from keymap.wire import Header, encode_change, encode_pack
from keyshift.aws.stream import StreamRecord
from keyshift.control.migration import Migration
from tests.apply.keymaps import MIGRATION, change, in_order, order, purchase

LANES = 4
Rows = dict[tuple[str, tuple[int, ...]], Row]
# Few keys, so that rows meet each other's traces: purchases of one item, orders that come back under an old key.
PURCHASES = tuple(itertools.product((1, 2), (1, 2), (1, 2)))
ORDERS = ((1,), (2,), (3,))

purchases = st.tuples(
    st.just("purchase"), st.sampled_from(PURCHASES), st.sampled_from(PURCHASES), st.sampled_from([None, 1, 2, 3])
)
orders = st.tuples(
    st.just("orders"),
    st.sampled_from(ORDERS),
    st.sampled_from(ORDERS),
    st.tuples(st.integers(1, 2), st.sampled_from([None, 1, 2]), st.sampled_from(["paid", "draft"])),
)
verbs = st.sampled_from(["put", "put", "delete", "move"])
operations = st.lists(st.tuples(verbs, st.one_of(purchases, orders)), min_size=1, max_size=25)


def row_of(table: str, key: tuple[int, ...], value: Any) -> Row:
    if table == "purchase":
        return purchase(key[0], key[1], key[2], value)
    return order(key[0], value[0], value[1], value[2])


@dataclass(frozen=True, slots=True)
class History:
    """What happened at the source: the rows after each change; the change that led to it has the same index."""

    states: list[Rows] = field(default_factory=lambda: [{}])
    changes: list[Change | None] = field(default_factory=lambda: [None])

    def add(self, table: str, before: tuple[int, ...] | None, after: tuple[int, ...] | None, row: Row | None) -> None:
        rows = dict(self.states[-1])
        old = rows.pop((table, before), None) if before else None
        if after and row:
            rows[table, after] = row
        self.changes.append(change(table, old, row, len(self.states)))
        self.states.append(rows)


def history_of(steps: Iterable[tuple[str, tuple[str, Any, Any, Any]]]) -> History:
    """Let each step happen if it can: an insert or update, a delete, or an update of the primary key."""
    history = History()
    for verb, (table, key, other, value) in steps:
        rows = history.states[-1]
        held, taken = (table, key) in rows, (table, other) in rows
        if verb == "put":
            history.add(table, key if held else None, key, row_of(table, key, value))
        elif verb == "delete" and held:
            history.add(table, key, None, None)
        elif verb == "move" and held and not taken:
            history.add(table, key, other, row_of(table, other, value))
    return history


def truth(rows: Rows) -> dict[str, list[Item]]:
    """The items that the rows stand for, worked out without patches: purchases of one order are one item."""
    grouped: dict[Any, Item] = {}
    single: list[Item] = []
    for (table, _), held in rows.items():
        row: dict[str, Any] = dict(held)
        if table == "purchase":
            key = (row["customerid"], row["orderid"])
            item = grouped.setdefault(key, {"customerid": {"N": str(key[0])}, "orderid": {"N": str(key[1])}})
            if row["quantity"] is not None:
                item[f"productid{row['productid']}"] = {"N": str(row["quantity"])}
        elif row["status"] != "draft":
            values = {name: value for name, value in row.items() if value is not None}
            single.append(
                {
                    "pk": {"S": f"CUSTOMER#{row['customer_id']}"},
                    "sk": {"S": f"ORDER#{row['id']:04d}"},
                    **{name: {"S" if name == "status" else "N": str(value)} for name, value in values.items()},
                }
            )
    return {"purchases": in_order(grouped.values()), "app": in_order(single)}


def loaded(keymap: Keymap, history: History, start: int, chance: random.Random) -> Iterator[tuple[str, Item]]:
    """Items as the bulk load puts them: each row read at its own moment since the start, all at the floor version."""
    groups: dict[tuple[str, Any], list[Patch]] = {}
    for table, keys in (("purchase", PURCHASES), ("orders", ORDERS)):
        for key in keys:
            row = chance.choice(history.states[start:]).get((table, key))
            for patch in keymap.row_patches(f"shop.{table}", row, floor(1)) if row else ():
                groups.setdefault((patch.table, patch.key), []).append(patch)
    for patches in groups.values():
        if patches[0].slot == WHOLE:
            yield patches[0].table, whole_item(keymap, MIGRATION, patches[-1])
        else:
            yield patches[0].table, group_item(keymap, MIGRATION, patches)


def migration_for(keymap: Keymap, **other: Any) -> Migration:
    fields: dict[str, Any] = {
        "name": "shop",
        "id": MIGRATION,
        "tables": keymap.tables,
        "lanes": LANES,
        "digest": keymap.digest,
        "epoch": 1,
        "created": (),
        "stream": "",
        "bucket": "",
        "prefix": "",
        "created_at_ms": 0,
    }
    return Migration(**(fields | other))


def header_for(keymap: Keymap, lane: int, **other: Any) -> Header:
    fields: dict[str, Any] = {
        "migration": MIGRATION,
        "digest": keymap.digest,
        "epoch": 1,
        "lane": lane,
        "kind": "changes",
        "follows": "",
        "last": "",
        "barrier": 0,
        "count": 0,
    }
    return Header(**(fields | other))


def pack(keymap: Keymap, lane: int, changes: Sequence[Change], follows: str = "", **header: Any) -> bytes:
    about = header_for(keymap, lane, follows=follows, last=changes[-1].version, count=len(changes), **header)
    return encode_pack(about, [encode_change(one) for one in changes])


def marker(keymap: Keymap, lane: int, number: int, last: str = "") -> bytes:
    return encode_pack(header_for(keymap, lane, kind="barrier", barrier=number, follows=last, last=last), [])


def lanes_by_change(keymap: Keymap, changes: Iterable[Change]) -> list[list[Change]]:
    """The changes of each lane: one whose halves have different lanes is in both."""
    lanes: list[list[Change]] = [[] for _ in range(LANES)]
    for one in changes:
        for lane in keymap.lanes(one.table, one.before, one.after, LANES):
            lanes[lane].append(one)
    return lanes


def packed(keymap: Keymap, changes: Sequence[Change], chance: random.Random) -> list[bytes]:
    """The changes as packs of one shard: each lane in order, lanes anyhow between each other."""
    queues = []
    for lane, waiting in enumerate(lanes_by_change(keymap, changes)):
        packs, follows, rest = [], "", iter(waiting)
        while some := list(itertools.islice(rest, chance.randrange(1, 4))):
            packs.append(pack(keymap, lane, some, follows))
            follows = some[-1].version
        queues.append([*packs, marker(keymap, lane, 1, follows)])
    merged = []
    while remaining := [queue for queue in queues if queue]:
        merged.append(chance.choice(remaining).pop(0))
    return merged


def records(packs: Iterable[bytes]) -> list[StreamRecord]:
    """Numbered as a shard would."""
    return [StreamRecord(f"{49_000 + index}", data, "0") for index, data in enumerate(packs)]


def random_steps(chance: random.Random, count: int) -> list[Any]:
    """Steps without Hypothesis, for the tests on servers."""
    steps: list[Any] = []
    for _ in range(count):
        verb = chance.choice(["put", "put", "delete", "move"])
        if chance.random() < 0.5:
            keys = [tuple(chance.choice((1, 2)) for _ in range(3)) for _ in range(2)]
            steps.append((verb, ("purchase", *keys, chance.choice([None, 1, 2]))))
        else:
            keys = [(chance.choice((1, 2, 3)),) for _ in range(2)]
            value = (chance.choice((1, 2)), chance.choice((None, 1)), chance.choice(("paid", "draft")))
            steps.append((verb, ("orders", *keys, value)))
    return steps


def random_history(seed: int, steps: int = 80) -> History:
    """The same history for the same seed."""
    return history_of(random_steps(random.Random(seed), steps))
