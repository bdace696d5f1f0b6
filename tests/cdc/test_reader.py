"""The reader goes on where it was whenever a connection is lost, and knows what no repetition mends."""

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.assemble import Assembler
from cdc.committed import Committed
from cdc.connection import ConnectionEnded
from cdc.continuity import SourceChanged
from cdc.events import Event, Idle, NewFile, Place, Waiting
from cdc.inbox import Failure, Inbox, Item, Point
from cdc.reader import DENIALS_MAX, Reader, refusal_of
from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.mysql.connection import Denied, Unreachable
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop
from tests.cdc.logs import Log, assembler, images_of, logs

START = Position("binlog.000001", 4)


class Server:
    """A source that serves a made-up binlog, and loses each connection after so many events."""

    def __init__(self, log: Log, losses: list[int], stop: Stop) -> None:
        self.log, self.losses, self.stop = log, losses, stop

    @contextlib.contextmanager
    def open(self, position: Position) -> Iterator[Iterator[Event]]:
        if self.losses and self.losses[0] == 0:
            self.losses.pop(0)
            raise Unreachable("no route", "Wait")
        yield self._events(position, self.losses.pop(0) if self.losses else None)

    def _events(self, position: Position, count: int | None) -> Iterator[Event]:
        at = position.file, position.offset
        for number, event in enumerate(one for one in self.log.events if (one.place.file, one.place.offset) >= at):
            if number == count:
                raise [ConnectionEnded("over"), pymysql.OperationalError(2013, "lost"), OSError("gone")][number % 3]
            if number % 3 == 0:
                yield Waiting(event.place)
            yield event
        place = Place(self.log.name, self.log.end, self.log.end, 0)
        yield Idle(place)
        self.stop.set()
        yield Idle(place)


def read(log: Log, losses: list[int]) -> list[Item]:
    stop, inbox = Stop(), Inbox(1 << 30, lambda: None)
    server = Server(log, losses, stop)
    backoff = Backoff(base_seconds=0, max_seconds=0)
    Reader(server.open, lambda position: assembler(log, position), START, inbox=inbox, stop=stop, backoff=backoff).run()
    items = []
    while (item := inbox.take()) is not None:
        items.append(item)
    return items


@settings(max_examples=300)
@given(logs(flavours="mariadb mysql"), st.lists(st.integers(0, 30), max_size=8))
def test_connections_may_be_lost_after_any_event(log: Log, losses: list[int]) -> None:
    items = read(log, losses)
    assert not any(isinstance(item, Failure) for item in items)
    versions = []
    for item in items:
        if isinstance(item, Committed):
            versions += [entry.version for entry in item.entries]
            item.entries.close()
    assert versions == log.committed
    assert isinstance(items[-1], Point)
    assert items[-1].idle
    assert items[-1].position == log.position


@pytest.mark.parametrize("denials", [1, DENIALS_MAX, DENIALS_MAX + 1])
def test_a_login_that_is_refused_is_tried_again_for_a_while(denials: int) -> None:
    """A rotated password is another at the server a moment before it is where we read it."""
    stop, inbox, tries = Stop(), Inbox(1 << 30, lambda: None), iter(range(denials))
    server = Server(Log(), [], stop)

    def open_binlog(position: Position) -> contextlib.AbstractContextManager[Iterator[Event]]:
        if next(tries, None) is not None:
            raise Denied("refused", "Check it")
        return server.open(position)

    backoff = Backoff(base_seconds=0, max_seconds=0)
    reader = Reader(open_binlog, lambda at: assembler(server.log, at), START, inbox=inbox, stop=stop, backoff=backoff)
    reader.run()
    item = inbox.take()
    if denials > DENIALS_MAX:
        assert isinstance(item, Failure)
        assert isinstance(item.error, Denied)
    else:
        assert isinstance(item, Point)
        assert reader.reconnects == denials


def test_what_must_not_be_passed_over_ends_it_after_everything_before() -> None:
    log = Log()
    for text in ("CREATE TABLE other (a int)", "TRUNCATE purchase"):
        log.begin(standalone=True)
        log.query(text)
    items = read(log, [])
    assert isinstance(items[-1], Failure)
    assert isinstance(items[-1].error, KeyshiftError)
    assert "shop.purchase was changed" in str(items[-1].error)


def transactions(count: int) -> Log:
    log = Log()
    for number in range(count):
        log.begin()
        log.committed += log.rows([images_of(number, None, 1)])
        log.commit()
    return log


def followed(log: Log, machine: Assembler) -> tuple[Inbox, Reader]:
    inbox, stop = Inbox(1 << 30, lambda: None), Stop()
    opened = contextlib.nullcontext(log.events)
    reader = Reader(
        lambda _: opened,
        lambda _: machine,
        START,
        inbox=inbox,
        stop=stop,
        backoff=Backoff(base_seconds=0, max_seconds=0),
    )
    return inbox, reader


def test_what_has_come_is_handed_over_together_before_each_wait() -> None:
    log = transactions(5)
    waiting = Waiting(Place(log.name, log.end, log.end, 0))
    log.events.insert(9, waiting)  # behind the third commit
    log.events.insert(11, waiting)  # within the fourth transaction
    log.events.append(waiting)
    inbox, reader = followed(log, assembler(log))
    reader._read()
    first, second = inbox.take(), inbox.take()
    assert inbox.take() is None
    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
    assert (first.count, second.count) == (3, 2)
    assert (first.gtid, second.gtid) == ("0-1-3", "0-1-5")
    assert [entry.version for item in (first, second) for entry in item.entries] == log.committed
    assert first.end.offset == log.events[8].place.end
    assert reader._position == second.end


def test_much_is_handed_over_without_a_wait_and_a_large_transaction_by_itself() -> None:
    log = transactions(3)
    log.begin()
    for number in range(400):
        log.rows([images_of(number, None, 1)] * 3)
    log.commit()
    end = log.end
    log.begin()
    log.rows([images_of(1, None, 1)])
    inbox, reader = followed(log, assembler(log))
    reader._read()
    small, large = inbox.take(), inbox.take()
    assert inbox.take() is None, "what is not committed stays"
    assert isinstance(small, Committed)
    assert isinstance(large, Committed)
    assert (small.count, small.entries.count) == (3, 3)
    assert (large.count, large.entries.count) == (1, 1200)
    assert (small.end.offset, large.end.offset) == (log.events[8].place.end, end)


@pytest.mark.parametrize("error", [OSError("gone"), KeyshiftError("what must not be passed over", "")])
def test_before_an_error_everything_that_was_committed_is_handed_over(error: Exception) -> None:
    log = transactions(2)

    class Failing(list[Event]):
        def __iter__(self) -> Iterator[Event]:
            yield from log.events
            raise error

    inbox, reader = followed(Log(events=Failing()), assembler(log))
    with pytest.raises(type(error)):
        reader._read()
    item = inbox.take()
    assert isinstance(item, Committed)
    assert item.count == 2


def test_after_an_error_that_nobody_foresaw_nothing_is_handed_over() -> None:
    """It may have come between the position and the changes: all since the last hand-over is read again."""
    log = transactions(2)
    machine = assembler(log)
    inbox, reader = followed(log, machine)
    with patch.object(machine._committed, "add", side_effect=MemoryError), pytest.raises(MemoryError):
        reader._read()
    assert inbox.take() is None
    assert reader._position == START


REFUSALS = [
    (1236, "Could not find first log file name in binary log index file", "has purged the binlog behind our position"),
    (1236, "Cannot replicate because the source purged required binary logs.", "has purged the binlog behind our"),
    (1236, "... the requested GTID is not in the master's binlog", "has purged the binlog"),
    (1236, "A replica with the same server_uuid/server_id as this replica has connected", "under our server id"),
    (4052, "A slave with the same server_uuid/server_id", "under our server id"),
    (1236, "Client requested source to start replication from impossible position", "binlog.000001:4 (error 1236"),
    (1227, "Access denied; you need REPLICATION SLAVE", "refuses to send its binlog"),
]


@pytest.mark.parametrize(("number", "text", "message"), REFUSALS)
def test_refusals_of_the_source_end_it_with_what_to_do(number: int, text: str, message: str) -> None:
    refusal = refusal_of(pymysql.OperationalError(number, text), START)
    assert refusal is not None
    assert message in refusal.message
    assert refusal.remedy


@pytest.mark.parametrize(
    "error",
    [
        pymysql.OperationalError(2013, "Lost connection to MySQL server during query"),
        pymysql.OperationalError(1053, "Server shutdown in progress"),
        pymysql.InternalError("Packet sequence number wrong - got 3 expected 1"),
        ConnectionEnded("over"),
        OSError("Connection reset"),
        Unreachable("no route", "Wait"),
    ],
)
def test_losses_are_waited_out(error: BaseException) -> None:
    assert refusal_of(error, START) is None


@pytest.mark.parametrize("times", [1, 2])
def test_a_refusal_is_believed_when_the_next_connection_meets_it_at_the_same_place(times: int) -> None:
    """A binlog that is reset under our eyes ends in words of many kinds; what it is now, the next connection finds."""
    stop, inbox = Stop(), Inbox(1 << 30, lambda: None)
    opened = []

    @contextlib.contextmanager
    def open_binlog(position: Position) -> Iterator[Iterator[Event]]:
        opened.append(position)
        if len(opened) <= times:
            raise pymysql.OperationalError(1236, "I/O error reading log event")
        stop.set()
        yield iter([Idle(Place("binlog.000001", 4, 4, 0))])

    backoff = Backoff(base_seconds=0, max_seconds=0)
    log = Log()
    Reader(open_binlog, lambda position: assembler(log, position), START, inbox=inbox, stop=stop, backoff=backoff).run()
    assert len(opened) == 2
    assert isinstance(inbox.take(), Failure) == (times == 2)


def test_a_torn_file_is_left_where_the_next_one_goes_on_and_asked_about_again_where_nobody_answers() -> None:
    stop, inbox, opened = Stop(), Inbox(1 << 30, lambda: None), []
    following = Position("binlog.000002", 4)

    @contextlib.contextmanager
    def open_binlog(position: Position) -> Iterator[Iterator[Event]]:
        opened.append(position)
        if position == START:
            raise pymysql.OperationalError(1236, "binlog truncated in the middle of event; consider out of disk space")
        stop.set()
        yield iter([Idle(Place(following.file, 4, 4, 0))])

    answers: list[Position | Exception] = [OSError("gone"), ConnectionEnded("over"), following]

    def behind_torn(position: Position) -> Position:
        assert position == START
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    backoff, log = Backoff(base_seconds=0, max_seconds=0), Log()
    reader = Reader(
        open_binlog,
        lambda position: assembler(log, position),
        START,
        inbox=inbox,
        stop=stop,
        backoff=backoff,
        behind_torn=behind_torn,
    )
    reader.run()
    assert opened == [START, START, START, following]
    assert reader.reconnects == 2
    assert not isinstance(inbox.take(), Failure)


def test_a_source_that_has_become_another_ends_it_after_everything_before() -> None:
    log = Log()
    log.begin(standalone=True)
    log.query("CREATE TABLE other (a int)")
    log.events.append(NewFile(Place("other.000001", 4, 4, 0)))
    items = read(log, [])
    assert isinstance(items[-1], Failure)
    assert isinstance(items[-1].error, SourceChanged)
    assert isinstance(items[-2], Point)


def test_a_full_inbox_makes_the_reader_wait_and_a_closed_one_lets_it_go() -> None:
    inbox = Inbox(100, lambda: None)
    point = Point(START, 0, idle=True)
    assert inbox.put(point, 500), "a large item enters when nothing else is there"
    inbox.close()
    assert not inbox.put(point, 1)
    assert inbox.take() is None
