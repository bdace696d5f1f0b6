"""What happened at the source: the shop's and the club's rows together, in transactions, and what must come of them.

So every kind of slot is there: whole items and attributes of one row each, and those that rows pass to each other;
entries of maps; filters; updates of primary keys and of key columns; swaps in one statement.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cdc.entries import Entry
from keymap.bookkeeping import Bookkeeping
from keymap.change import Change
from keymap.lanes import lane_of
from keymap.patch import Item, Patch
from keymap.position import Position
from keymap.rules import Keymap, parse_keymap
from keymap.slots import empty_maps
from keymap.values import Row
from keymap.version import floor, version
from keymap.wire import encode_change
from tests.apply import club, club_history, history, keymaps
from tests.apply.conftest import Inline
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.history import LANES

KEYS = keymaps.KEYS | club.KEYS
_HEAD = "keyshift: 1\ntargets:\n"


def _both() -> str:
    texts = [text.removeprefix(_HEAD).split("tables:\n") for text in (keymaps.TEXT, club.TEXT)]
    targets, tables = ("".join(parts) for parts in zip(*texts, strict=True))
    return f"{_HEAD}{targets}tables:\n{tables}"


TEXT = _both()  # of a keymap, as those it is made of: with a prefix of its tables' names to be given
KEYMAP = parse_keymap(TEXT.format(prefix=""), "keymap.yaml")  # immutable, and worth making once


@dataclass(frozen=True, slots=True)
class Transaction:
    """Changes that were committed together, and the position behind them."""

    changes: Sequence[Change]
    end: Position


@dataclass(frozen=True, slots=True)
class Load:
    """Rows that the bulk load read at moments since the capture's start, and how they are written."""

    puts: Sequence[tuple[str, Item]]  # without conditions, before replay opens
    guarded: Sequence[Sequence[Patch]]  # patches of a chunk's rows, at any time


class Timeline:
    """A source's life; capture begins behind the first `before` transactions, and `captured` are the others."""

    def __init__(self, chance: random.Random, keymap: Keymap = KEYMAP, steps: range = range(1, 40)) -> None:
        self.keymap = keymap
        shop = history.history_of(history.random_steps(chance, chance.choice(steps)))
        others = club_history.History(chance, chance.choice(steps))
        self._shop, self._club = shop, others
        changes = _merged([one for one in shop.changes if one], others.changes, chance)
        self.transactions = list(_transactions(changes, chance))
        self.before = chance.randrange(len(self.transactions) // 2 + 1)
        self.start = self.transactions[self.before - 1].end if self.before else Position("binlog.000001", 4)
        self.captured = self.transactions[self.before :]
        done = [one.table.partition(".")[0] for tx in self.transactions[: self.before] for one in tx.changes]
        self.load = Load(
            list(history.loaded(keymap, shop, done.count("shop"), chance)),
            list(self._guarded(done.count("club"), chance)),
        )

    def _guarded(self, start: int, chance: random.Random) -> Iterator[list[Patch]]:
        states = self._club.states[start:]
        names = list(dict.fromkeys(name for state in states for name in state))
        chance.shuffle(names)
        while names:
            chunk, names = names[:4], names[4:]
            moments = [(name, chance.choice(states).get(name)) for name in chunk]
            yield [patch for name, row in moments if row for patch in self._patches(name[0], row)]

    def _patches(self, table: str, row: Row) -> list[Patch]:
        return self.keymap.row_patches(f"club.{table}", row, floor(1))

    def entries(self, transaction: Transaction) -> Iterator[Entry]:
        """A transaction's changes as the daemon encodes them."""
        for one in transaction.changes:
            lanes = self.keymap.lanes(one.table, one.before, one.after, LANES)
            if lanes:
                yield Entry(lanes, one.version, encode_change(one))

    def by_lane(self, transaction: Transaction) -> Iterator[tuple[int, Patch]]:
        """What a transaction asks of items, each with its lane."""
        for one in transaction.changes:
            for patch in self.keymap.patches(one):
                yield lane_of(patch.table, patch.key, LANES), patch

    def expected(self) -> dict[str, list[Item]]:
        """The items that the rows stand for in the end, worked out without patches."""
        return history.truth(self._shop.states[-1]) | self._club.expected()

    def replayed(self, prefix: str = "") -> FakeDynamoDB:
        """The tables after the load, and then every change on its own, in the source's order, on a good day."""
        dynamodb = FakeDynamoDB({prefix + table: names for table, names in KEYS.items()})
        everyone = club_history.Club(self.keymap, dynamodb, prefix, Inline())
        for table, item in self.load.puts:
            dynamodb.put_item(TableName=table, Item=item)
        for chunk in self.load.guarded:
            everyone.write_guarded(chunk)
        for transaction in self.captured:
            for change in transaction.changes:
                everyone.apply([change])
        return dynamodb


def _merged(one: Sequence[Change], other: Sequence[Change], chance: random.Random) -> Iterator[Change]:
    """Both, each in its order."""
    turns = [iter(one)] * len(one) + [iter(other)] * len(other)
    chance.shuffle(turns)
    return (next(turn) for turn in turns)


def _transactions(changes: Iterator[Change], chance: random.Random) -> Iterator[Transaction]:
    """The changes in transactions of some events, of some rows each; now and then the binlog begins another file."""
    number, offset = 1, 4
    rest = list(changes)
    while rest:
        if chance.random() < 0.1:
            number, offset = number + 1, 4
        file, rows = f"binlog.{number:06d}", []
        for _ in range(chance.choice((1, 1, 2))):
            offset += chance.randrange(40, 200)
            some, rest = rest[: (count := chance.choice((1, 1, 1, 2, 3)))], rest[count:]
            for row, one in enumerate(some):
                place = replace(one.source, file=file, pos=offset, row=row)
                rows.append(replace(one, version=version(1, number, offset, row), source=place))
        offset += 31
        yield Transaction(rows, Position(file, offset))


def settled(books: Bookkeeping, items: Iterable[Item]) -> list[Item]:
    """Items with all their bookkeeping but what tells how they were written: their revision, and maps left empty."""
    return keymaps.in_order(
        {name: held for name, held in item.items() if name not in {books.revision, *empty_maps(books, item)}}
        for item in items
    )


def visible(books: Bookkeeping, items: Callable[[str], Iterable[Item]]) -> dict[str, list[Item]]:
    """What the application will see, by table."""
    return {table: club.visible(books, items(table)) for table in KEYS}
