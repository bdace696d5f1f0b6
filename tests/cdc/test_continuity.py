"""Where capture goes on, it has what the source has: no more and no less. Where that cannot be known, it stops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.continuity import (
    CHECKPOINT,
    CHUNKS,
    STREAM,
    Change,
    Found,
    GoOn,
    Left,
    Raise,
    Refuse,
    SourceChanged,
    changed,
    decide,
)
from keymap.gtid import GtidSet
from keymap.position import Position

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
TABLES = ("shop.orders", "shop.purchase")
LEFT = Left(A, Position("binlog.000003", 500, f"{A}:1-9", "7-aa"))
SAME = Found(
    A, gtids=True, base="binlog", fingerprint="7-aa", executed=f"{A}:1-12", purged=f"{A}:1-4", retention="days=3"
)
MARIADB = replace(SAME, gtids=False, executed="", purged="", flavour="mariadb")
BY_FILE = Left(A, Position("binlog.000003", 500, "", "7-aa"))


def test_the_same_file_of_the_same_server_is_gone_on_from() -> None:
    for left, found in product((LEFT, BY_FILE), (SAME, MARIADB)):
        assert decide(left, found, {}, TABLES) == GoOn()
    unknown = Left(A, replace(LEFT.position, fingerprint=""))
    assert decide(unknown, SAME, {}, TABLES) == GoOn(), "a checkpoint of a version that kept no fingerprint"


CHANGES: list[tuple[dict[str, Any], Change]] = [
    ({"server": B}, Change.SERVER),
    ({"server": B, "fingerprint": None}, Change.SERVER),
    ({"fingerprint": "8-bb"}, Change.FILE),
    ({"fingerprint": "7"}, Change.FILE),
    ({"fingerprint": None}, Change.GONE),
    ({"fingerprint": None, "base": ""}, Change.GONE),
    ({"fingerprint": None, "base": "other"}, Change.NAME),
    ({"fingerprint": "7-aa", "base": "other"}, None),  # type: ignore[list-item]  # listed still: read it to its end
    ({"executed": f"{A}:1-8"}, Change.LOST),
]


@pytest.mark.parametrize(("found", "change"), CHANGES)
def test_what_has_changed_is_told(found: dict[str, Any], change: Change | None) -> None:
    assert changed(LEFT, replace(SAME, **found)) is change


def refusal(left: Left, found: Found, held: dict[str, str] | None = None) -> Refuse:
    verdict = decide(left, found, held or {}, TABLES)
    assert isinstance(verdict, Refuse)
    assert verdict.remedy
    return verdict


WITHOUT: list[tuple[dict[str, Any], str]] = [
    ({"server": B}, f"the source is server {B} now, and capture began on {A}"),
    ({"fingerprint": "8-bb"}, "the source has begun its binlog anew (it was reset or restored)"),
    ({"fingerprint": None}, "the source has purged the binlog behind our position binlog.000003:500"),
    ({"fingerprint": None, "base": "other"}, "the source's binlog goes on as other.*, and capture is at binlog.000003"),
]


@pytest.mark.parametrize(("found", "message"), WITHOUT)
@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_without_gtids_every_change_stops_and_says_which_tables_to_load(
    found: dict[str, Any], message: str, flavour: str
) -> None:
    refused = refusal(BY_FILE, replace(MARIADB, flavour=flavour, **found))
    assert message in refused.message
    assert "oad every captured table again (shop.orders, shop.purchase)" in refused.remedy
    assert not refused.lacking
    later = refusal(BY_FILE, replace(SAME, **found))
    assert later.message, "GTIDs that were switched on later say nothing of before"


def test_a_numbering_that_ends_in_mid_connection_needs_gtids() -> None:
    assert decide(LEFT, SAME, {}, TABLES, renumbered=True) == Raise(Change.NUMBERING)
    refused = decide(BY_FILE, MARIADB, {}, TABLES, renumbered=True)
    assert isinstance(refused, Refuse)
    assert "goes on as binlog.*" in refused.message


def test_it_is_believed_only_where_everything_before_it_was_sent() -> None:
    """Else the rest of the old numbering would be read in the new epoch."""
    met = SourceChanged(Change.NUMBERING, Position("binlog.000003", 900, f"{A}:1-12"))
    assert not met.holds_at(LEFT.position)
    assert met.holds_at(Position("binlog.000003", 900, f"{A}:1-12"))
    assert not SourceChanged(Change.FILE).holds_at(LEFT.position)


def test_another_server_that_has_everything_takes_over() -> None:
    other = replace(SAME, server=B, fingerprint=None, executed=f"{A}:1-12,{B}:1-3")
    held = {STREAM: f"{A}:10-11", CHUNKS: f"{A}:1-12"}
    assert decide(LEFT, other, held, TABLES) == Raise(Change.SERVER)


@pytest.mark.parametrize("where", [CHECKPOINT, STREAM, CHUNKS])
def test_another_server_that_lacks_something_is_refused_by_name(where: str) -> None:
    left = Left(A, replace(LEFT.position, gtid_set=f"{A}:1-14")) if where == CHECKPOINT else LEFT
    held = {where: f"{A}:9-14"} if where != CHECKPOINT else {}
    refused = refusal(left, replace(SAME, server=B, executed=f"{A}:1-12"), held)
    assert refused.message.startswith(
        f"the source, server {B}, which took over, does not have transactions that {where}"
    )
    assert refused.message.endswith(f"{A}:13-14")
    assert refused.lacking == f"{A}:13-14"


def test_a_server_whose_binlog_begins_too_late_is_refused_with_what_is_missing() -> None:
    refused = refusal(LEFT, replace(SAME, server=B, executed=f"{A}:1-20", purged=f"{A}:1-11"))
    assert refused.message.endswith(f"so changes are lost to capture: {A}:10-11")
    assert "it has days=3" in refused.remedy
    assert "binlog retention hours" in refused.remedy


def test_the_same_server_is_believed_only_where_no_name_is_given_twice() -> None:
    reset = replace(SAME, fingerprint="8-bb", executed=f"{A}:1-50", purged="")
    assert "new ones may bear the names" in refusal(LEFT, reset).message
    kept = replace(reset, purged=f"{A}:1-9")
    assert decide(LEFT, kept, {}, TABLES) == Raise(Change.FILE)
    assert refusal(LEFT, kept, {STREAM: f"{A}:10"})
    assert decide(LEFT, kept, {CHUNKS: f"{A}:1-20"}, TABLES) == Raise(Change.FILE)


@dataclass
class Server:
    """A MySQL server in words: its binlog files (name, fingerprint, transactions), and what it has executed.

    A transaction has a name (its GTID) and a truth (a number that is never given twice).
    """

    uuid: str
    base: str = "binlog"
    number: int = 1
    files: list[tuple[str, str, list[str]]] = field(default_factory=list)
    executed: dict[str, int] = field(default_factory=dict)
    is_reset: bool = False

    @property
    def logged(self) -> list[str]:
        return [name for _, _, names in self.files for name in names]

    def rotate(self, draw: "count[int]") -> None:
        self.files.append((f"{self.base}.{self.number:06d}", f"{next(draw)}-aa", []))
        self.number += 1

    def commit(self, draw: "count[int]") -> None:
        mine = [int(name.rpartition(":")[2]) for name in self.executed if name.startswith(self.uuid)]
        name = f"{self.uuid}:{max(mine, default=0) + 1}"
        self.executed[name] = next(draw)
        self.files[-1][2].append(name)

    def begin_anew(self, draw: "count[int]", *, keep: bool, base: str = "") -> None:
        self.files, self.number, self.base = [], 1, base or self.base
        if not keep:
            self.executed, self.is_reset = {}, True
        self.rotate(draw)

    def follow(self, other: "Server", share: int) -> None:
        """What the other has logged, as far as it has come; a name that is known is passed over."""
        for name in other.logged[: len(other.logged) * share // 4]:
            if name not in self.executed:
                self.executed[name] = other.executed[name]
                self.files[-1][2].append(name)

    def found(self, file: str) -> Found:
        fingerprint = next((mark for name, mark, _ in self.files if name == file), None)
        purged = ",".join(self.executed.keys() - set(self.logged))
        return Found(
            self.uuid, True, self.base, fingerprint, str(GtidSet(",".join(self.executed))), str(GtidSet(purged))
        )


@dataclass
class Capture:
    """Reads a server's binlog as capture does: in a file's order, what its GTID set does not name."""

    left: Left
    truths: dict[str, int] = field(default_factory=dict)

    def read(self, server: Server, limit: int) -> None:
        names = {*self.truths}
        for file, mark, logged in server.files:
            for name in logged:
                if name in names:
                    continue
                if limit == 0:
                    return
                limit -= 1
                self.truths[name] = server.executed[name]
                gtids = str(GtidSet(",".join(self.truths)))
                self.left = Left(server.uuid, Position(file, 4, gtids, mark))


class Story:
    """What happens to two servers, of which capture reads the first."""

    def __init__(self) -> None:
        self.draw = count(1)
        self.first, self.second = Server(A), Server(B)
        for server in (self.first, self.second):
            server.rotate(self.draw)
        self.first.commit(self.draw)
        self.capture = Capture(Left(A, Position("binlog.000001", 4)))
        self.capture.read(self.first, 1)

    def goes_on(self) -> bool:
        found = self.first.found(self.capture.left.position.file)
        return not isinstance(decide(self.capture.left, found, {}, TABLES), Refuse)

    def is_coincidence(self) -> bool:
        """A reset, then as many transactions as before it, to one, and all their files gone: names tell nothing then.

        The one history that the rules do not see (docs/decisions/0017).
        """
        position = self.capture.left.position
        purged = GtidSet(self.first.found(position.file).purged)
        return self.first.is_reset and purged == GtidSet(position.gtid_set)

    def commit(self, _: int) -> None:
        self.first.commit(self.draw)

    def read(self, size: int) -> None:
        if self.goes_on() and not self.is_coincidence():
            self.capture.read(self.first, size)

    def rotate(self, _: int) -> None:
        self.first.rotate(self.draw)

    def purge(self, size: int) -> None:
        del self.first.files[: min(size, len(self.first.files) - 1)]

    def follow(self, size: int) -> None:
        if not self.first.is_reset:  # else the pair has one name for two transactions, and nobody can know
            self.second.follow(self.first, size)

    def switch(self, _: int) -> None:
        if not self.first.is_reset:
            self.first, self.second = self.second, self.first

    def reset(self, _: int) -> None:
        self.first.begin_anew(self.draw, keep=False)

    def keep(self, _: int) -> None:
        self.first.begin_anew(self.draw, keep=True)

    def name(self, size: int) -> None:
        self.first.begin_anew(self.draw, keep=True, base=f"other{size}")


OFTEN = [Story.commit, Story.commit, Story.read]
OPERATIONS = [*OFTEN, Story.rotate, Story.purge, Story.follow, Story.switch, Story.reset, Story.keep, Story.name]


@settings(max_examples=2000)
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 4)), max_size=25))
def test_whatever_happens_to_the_servers_what_is_gone_on_with_is_complete(
    steps: Sequence[tuple[Callable[[Story, int], None], int]],
) -> None:
    story = Story()
    for step, size in steps:
        step(story, size)
    if story.goes_on() and not story.is_coincidence():
        story.capture.read(story.first, -1)
        assert story.capture.truths == story.first.executed
