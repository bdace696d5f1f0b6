"""A migration in memory whose every step can be interleaved with verify: writes, visibility, capture, replay.

The source commits changes; SELECT sees them a while after the binlog has them; the replay applies them in any order,
also before SELECT sees them. A barrier forces all that was committed before it, as the real one does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from keymap.change import Change
from keymap.items import whole_item
from keymap.patch import WHOLE, Item, Key, Patch
from keymap.removals import removals
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.values import Row
from keymap.version import floor, mark
from keyshift.cutover.rows import RowJudge
from keyshift.cutover.sides import PrimaryKey
from keyshift.cutover.tally import Report
from keyshift.cutover.verify import Verifier
from tests.apply.fake_dynamodb import updated
from tests.keymap.keymaps import ORDERS, PURCHASE, TEXT, change, keymap

MIGRATION = "shop.0000abcd"
SCHEMAS: dict[str, TableSchema] = {"shop.purchase": PURCHASE, "shop.orders": ORDERS}
TABLES = tuple(SCHEMAS)
CHUNK = 3
QUIET = 100  # rows with ids from here on are never written to: plants stay as they are there

State = dict[tuple[str, PrimaryKey], Row]


def purchase(customer: int, order: int, product: int, quantity: int) -> Row:
    return {"customerid": customer, "orderid": order, "productid": product, "quantity": quantity}


def order(number: int, customer: int, status: str, total: int) -> Row:
    return {"id": number, "customer_id": customer, "status": status, "total": total, "note": None}


def name_of(table: str, row: Row) -> tuple[str, PrimaryKey]:
    return table, tuple(row[column] for column in SCHEMAS[table].primary_key)


def small_keymap() -> Keymap:
    """The shop's keymap without the table that this world does not have."""
    return keymap(TEXT.split("  shop.customer:")[0])


class World:
    """The source, the pipeline and the target; `activity` is how much happens between any two steps of verify."""

    log: list[Change]

    def __init__(self, random: Random, activity: float) -> None:
        self.random, self.activity = random, activity
        # commit, visible, apply, tidy
        self.weights = (1.0, *(random.choice([0, 0.2, 1]) for _ in range(3)))
        self.risen, self.rises = "", 3  # the horizon, and how often it rises: less often than verify looks again
        self.keymap = small_keymap()
        self.states: list[State] = [self._first_rows()]  # after each change
        self.log = []
        self.visible = 0  # SELECT sees states[visible]
        self.applied: set[int] = set()
        self.items: dict[tuple[str, Key], Item] = {}
        for (table, _), row in self.states[0].items():
            for patch in self.keymap.row_patches(table, row, floor(1)):
                self.write(patch)

    def _first_rows(self) -> State:
        rows: State = {}
        for base in (0, QUIET):
            for number in range(4):
                rows |= self._named("shop.orders", order(base + number, base + number % 2, "paid", number))
                rows |= self._named("shop.purchase", purchase(base, base + number % 2, number, 1))
        return rows

    @staticmethod
    def _named(table: str, row: Row) -> State:
        return {name_of(table, row): row}

    def write(self, patch: Patch) -> None:
        """The guarded write of one patch."""
        books, place = self.keymap.bookkeeping, (patch.table, patch.key)
        item = dict(self.items.get(place, {}))
        if item and (not books.belongs_to(item, MIGRATION) or books.slots(item).get(patch.slot, "") >= patch.version):
            return
        if patch.slot == WHOLE:
            self.items[place] = whole_item(self.keymap, MIGRATION, patch)
            return
        item |= self.keymap.targets[patch.table].key_item(patch.key) | {books.migration: {"S": MIGRATION}}
        item[books.mark(patch.slot)] = {"S": mark(patch.version, tombstone=patch.attributes is None)}
        item.pop(patch.slot, None)
        self.items[place] = item | (patch.attributes or {})

    def commit(self) -> None:
        """One random write of the application, in the binlog at once."""
        state = dict(self.states[-1])
        table = self.random.choice(TABLES)
        small = self.random.randrange
        row = order(small(5), small(2), self.random.choice(["paid", "draft"]), small(9))
        if table == "shop.purchase":
            row = purchase(small(2), small(2), small(3), small(9))
        mine = [name for name in state if name[0] == table and name[1][0] < QUIET]
        old = self.random.choice(mine) if mine and self.random.random() < 0.6 else None
        delete = old is not None and self.random.random() < 0.4
        wanted = name_of(table, row)
        if not delete and wanted in state:
            old = wanted
        before = state.pop(old) if old else None
        if not delete:
            state[wanted] = row
        self.log.append(change(table, before, None if delete else row, len(self.log) + 1))
        self.states.append(state)

    def apply(self, index: int) -> None:
        for patch in self.keymap.patches(self.log[index]):
            self.write(patch)
        self.applied.add(index)

    def live(self) -> None:
        """A little of everything may happen here."""
        while self.random.random() < self.activity:
            match self.random.choices(range(4), self.weights)[0]:
                case 0:
                    self.commit()
                case 1:
                    self.visible = self.random.randint(self.visible, len(self.log))
                case 2:
                    pending = [index for index in range(len(self.log)) if index not in self.applied]
                    for index in self.random.sample(pending, min(len(pending), 2)):
                        self.apply(index)
                case 3:
                    self.tidy()

    def tidy(self) -> None:
        """The horizon rises to the first change that is not applied, and tombstones up to there are gone."""
        if not self.rises:
            return
        self.rises -= 1
        first = next((at for at in range(len(self.log)) if at not in self.applied), len(self.log))
        self.risen = max(self.risen, self.log[first - 1].version if first else floor(1))
        for place, item in list(self.items.items()):
            for removal in removals(self.keymap, MIGRATION, self.keymap.targets[place[0]], item, self.risen):
                if removal.update:
                    self.items[place] = updated(removal.request, item)
                else:
                    del self.items[place]

    # What verify asks.

    def horizon(self) -> str:
        return self.risen

    def passed(self) -> str:
        self.live()
        for _ in range(2):  # what is committed while the barrier travels may be covered by it, or not
            captured = len(self.log)
            for index in range(captured):
                if index not in self.applied:
                    self.apply(index)
            self.visible = max(self.visible, captured)
            if self.random.random() < 0.5:
                break
            self.live()
        self.live()
        return self.log[captured - 1].version if captured else floor(1)

    def chunks(self, table: str) -> Iterator[list[Row]]:
        after: PrimaryKey = ()
        while True:
            self.live()
            mine = sorted((key, row) for (name, key), row in self.states[self.visible].items() if name == table)
            rest = [(key, row) for key, row in mine if key > after][:CHUNK]
            yield [dict(row) for _, row in rest]
            if len(rest) < CHUNK:
                return
            after = rest[-1][0]

    def rows(self, table: str, keys: Iterable[PrimaryKey]) -> list[Row]:
        self.live()
        state = self.states[self.visible]
        return [dict(state[table, key]) for key in keys if (table, key) in state]

    def get(self, table: str, keys: Sequence[Key]) -> Mapping[Key, Item]:
        self.live()
        return {key: dict(self.items[table, key]) for key in keys if (table, key) in self.items}

    def scan(self, table: str) -> Iterator[Item]:
        for place in sorted(self.items, key=repr):
            self.live()
            if place[0] == table and place in self.items:
                yield dict(self.items[place])

    def verify(self, *, live: bool = True, rounds: int = 5) -> Report:
        judge = RowJudge(self.keymap, MIGRATION, SCHEMAS, self)
        barrier = self if live else None
        verifier = Verifier(
            self.keymap,
            MIGRATION,
            source=self,
            items=self,
            judge=judge,
            barrier=barrier,
            rounds=rounds,
            examples_max=100,
            clock=lambda: 0.0,
        )
        return verifier.run()
