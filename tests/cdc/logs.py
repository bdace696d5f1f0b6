"""Binlogs made up for tests: what happened at the source, as events, and what of it must arrive."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from cdc.assemble import Assembler, Capture
from cdc.committed import Committed
from cdc.events import Begin, Commit, Event, FileHeader, Image, NewFile, Passed, Place, Query, Rows
from keymap.gtid import GtidSet
from keymap.position import Position
from keymap.version import version
from tests.keymap.keymaps import keymap

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
TABLE = "shop.purchase"
LANES = 4


_KEYMAP = keymap()


def capture(memory_bytes_max: int = 1_000_000, lanes: int = LANES) -> Capture:
    return Capture(_KEYMAP, lanes, 1, "server", memory_bytes_max)


def row(key: int, quantity: int) -> dict[str, Any]:
    return {"customerid": key, "orderid": 1, "productid": 1, "quantity": quantity}


def fed(machine: Assembler, event: Event) -> Committed | None:
    """What the event committed, asked for at once."""
    machine.feed(event)
    return machine.take()


@dataclass
class Log:
    """Events with their places, in the flavour of one server; `committed` are the versions that must arrive."""

    flavour: str = "mariadb"
    events: list[Event] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    file: int = 1
    end: int = 4
    number: int = 0

    @property
    def name(self) -> str:
        return f"binlog.{self.file:06d}"

    @property
    def position(self) -> Position:
        """Behind everything so far."""
        gtid_set = f"{UUID}:1-{self.number}" if self.flavour == "mysql" and self.number else ""
        return Position(self.name, self.end, str(GtidSet(gtid_set)))

    def place(self, size: int = 50) -> Place:
        begin, self.end = self.end, self.end + size
        return Place(self.name, begin, self.end, 1_700_000_000)

    def begin(self, *, standalone: bool = False) -> None:
        self.number += 1
        if self.flavour == "mariadb":
            self.events.append(Begin(self.place(), f"0-1-{self.number}", standalone))
            return
        self.events.append(Begin(self.place(), f"{UUID}:{self.number}" if self.flavour == "mysql" else ""))
        if not standalone:
            self.query("BEGIN")

    def query(self, text: str, schema: str = "shop") -> None:
        self.events.append(Query(self.place(), schema, text))

    def rows(self, images: list[Image]) -> list[str]:
        place = self.place()
        self.events.append(Rows(place, TABLE, tuple(images)))
        return [version(1, self.file, place.offset, ordinal) for ordinal in range(len(images))]

    def passed(self) -> None:
        self.events.append(Passed(self.place()))

    def commit(self) -> None:
        self.events.append(Commit(self.place()))

    def rotate(self) -> None:
        self.file, self.end = self.file + 1, 4
        self.events.append(NewFile(Place(self.name, 4, 4, 0)))
        self.events.append(FileHeader(self.place(), f"{self.file}-aa"))
        self.passed()


def images_of(key: int, other: int | None, quantity: int) -> Image:
    """An insert where `other` is None, a delete where it is negative, else an update that moves key to `other`."""
    if other is None:
        return None, row(key, quantity)
    return row(key, quantity), None if other < 0 else row(other, quantity + 1)


IMAGES = st.builds(images_of, st.integers(0, 9), st.none() | st.integers(-2, 9), st.integers(0, 3))
INSIDE = st.one_of(
    st.tuples(st.just("rows"), st.lists(IMAGES, min_size=1, max_size=3)),
    st.tuples(st.just("passed"), st.none()),
    st.tuples(st.just("savepoint"), st.sampled_from("abc")),
    st.tuples(st.just("rollback to"), st.sampled_from("abc")),
    st.tuples(st.just("release"), st.sampled_from("abc")),
    st.tuples(st.just("query"), st.just("CREATE TEMPORARY TABLE elsewhere (a int)")),
)
GROUPS = st.one_of(
    st.tuples(
        st.sampled_from(["xid", "xid", "xid", "COMMIT", "ROLLBACK", "crash"]), st.lists(INSIDE, min_size=1, max_size=6)
    ),
    st.tuples(st.just("ddl"), st.just([])),
    st.tuples(st.just("rotate"), st.just([])),
    st.tuples(st.just("idle"), st.just([])),
)


@st.composite
def logs(draw: st.DrawFn, max_groups: int = 12, flavours: str = "mariadb mysql anonymous") -> Log:
    log = Log(draw(st.sampled_from(flavours.split())))
    for end, inside in draw(st.lists(GROUPS, max_size=max_groups)):
        write_group(log, end, inside)
    return log


def write_group(log: Log, end: str, inside: list[tuple[str, Any]]) -> None:
    if end == "rotate":
        log.rotate()
    elif end == "idle":
        log.passed()
    elif end == "ddl":
        log.begin(standalone=True)
        log.query("CREATE TABLE elsewhere (a int)")
    else:
        log.begin()
        kept = _write_inside(log, inside)
        if end == "crash":  # the server dies while it writes the group, and rolls it back when it is up again
            log.number -= 1
            log.rotate()
            return
        if end == "xid":
            log.commit()
        else:
            log.query(end)
        log.committed += [] if end == "ROLLBACK" else kept


def _write_inside(log: Log, inside: list[tuple[str, Any]]) -> list[str]:
    kept: list[str] = []
    savepoints: list[tuple[str, int]] = []
    for step, value in inside:
        if step == "rows":
            kept += log.rows(value)
        elif step == "passed":
            log.passed()
        elif step == "query":
            log.query(value)
        elif step == "savepoint":
            log.query(f"SAVEPOINT `{value}`")
            savepoints = [one for one in savepoints if one[0] != value] + [(value, len(kept))]
        elif value in dict(savepoints):
            log.query(f"ROLLBACK TO `{value}`" if step == "rollback to" else f"RELEASE SAVEPOINT `{value}`")
            place = [name for name, _ in savepoints].index(value)
            if step == "rollback to":
                del kept[savepoints[place][1] :]
                place += 1
            del savepoints[place:]
    return kept


def assembler(log: Log, start: Position | None = None, memory_bytes_max: int = 1_000_000) -> Assembler:
    start = start or Position("binlog.000001", 4)
    return Assembler(capture(memory_bytes_max), start, gtids=log.flavour == "mysql")
