"""Large tables are cut into ranges that are read at once: every row once, whoever dies, sleeps, or writes meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from bulkload.dump.run import THREADS_PER_READER
from keymap.errors import KeyshiftError
from keyshift.aws.clients import make_clients
from keyshift.control.chunks import Chunk, chunks
from keyshift.control.lease import DUMP, Lease
from keyshift.control.ranges import read_bounds, record_bounds
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop
from keyshift.zstd import zstd
from tests.bulkload.world import World
from tests.cli.running import until
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call

NAMES = ("ab", "AB1", "Ba", "bC", "k", "K2", "m-1", "M-2", "Öl", "ol2", "x", "Y")  # whose order is the collation's


def fill(world: World) -> None:
    """Sixty rows more in each table, between which there is room; groups of purchases have four rows."""
    products = ((c, o, p) for c in (10, 20, 30) for o in range(5) for p in range(4))
    orders = ", ".join(f"({number}, {number % 7}, 'paid', 1, NULL)" for number in range(10, 130, 2))
    tags = ", ".join(f"('{name}', {item}, 1)" for name in NAMES for item in range(10, 60, 10))
    world.execute(
        "INSERT INTO purchase VALUES " + ", ".join(f"({c}, {o}, {p}, 1)" for c, o, p in products),
        f"INSERT INTO orders VALUES {orders}",
        f"INSERT INTO tag VALUES {tags}",
        "ANALYZE TABLE purchase, orders, tag",
    )


@pytest.fixture
def large(world: World) -> World:
    fill(world)
    return world


def rows_of(world: World, chunk: Chunk) -> list[tuple[object, ...]]:
    data = world.clients.s3.get_object(Bucket=world.settings.bucket.name, Key=chunk.object)["Body"].read()
    return [tuple(json.loads(line)) for line in zstd.decompress(data).splitlines()[1:]]


def dumped(world: World, table: str) -> Counter[tuple[object, ...]]:
    """The dumped rows' keys, after a look at how the chunks hang together."""
    found = list(chunks(world.store, f"{world.schema}.{table}"))
    assert [chunk.number for chunk in found] == list(range(1, len(found) + 1))
    by_lower = {chunk.lower: chunk for chunk in found}
    assert len(by_lower) == len(found)
    at, steps = None, 0
    while at in by_lower and (at is not None or not steps):
        at, steps = by_lower[at].upper, steps + 1
    assert steps == len(found)
    width = len(next(schema for name, schema in world.schemas().items() if name.endswith(f".{table}")).primary_key)
    rows = [rows_of(world, chunk) for chunk in found]
    assert [len(of_chunk) for of_chunk in rows] == [chunk.rows for chunk in found]
    return Counter(row[:width] for of_chunk in rows for row in of_chunk)


def keys(world: World, table: str, columns: str) -> set[tuple[object, ...]]:
    with world.database.connect(world.schema) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {table}")
        return set(cursor.fetchall())


TABLES = {"purchase": "customerid, orderid, productid", "orders": "id", "tag": "name, item"}


def test_rows_come_once_while_the_table_grows_and_readers_change(large: World) -> None:
    """Text keys without case, composite keys, groups that are not cut; stopped, and gone on with by more readers."""
    before = {table: keys(large, table, columns) for table, columns in TABLES.items()}
    told = 0

    def grow_and_stop(*_: object) -> None:
        nonlocal told
        told += 1
        if told == 2:
            large.execute(
                "INSERT INTO orders VALUES (71, 1, 'paid', 1, NULL), (999, 1, 'paid', 1, NULL)",
                "INSERT INTO tag VALUES ('kA', 1, 1), ('zz', 1, 1), ('0', 1, 1)",
                "INSERT INTO purchase VALUES (20, 2, 9, 1), (99, 1, 1, 1), (0, 0, 0, 1)",
            )
        if told == 12:
            large.stop.set()

    assert not large.dump(chunk_rows=4, dump_concurrency=1, progress=grow_and_stop).complete
    bounds = {table: read_bounds(large.store, f"{large.schema}.{table}") for table in TABLES}
    again = replace(large, stop=Stop())
    assert again.dump(chunk_rows=3, dump_concurrency=4).complete
    for table, columns in TABLES.items():
        name, found = f"{large.schema}.{table}", dumped(again, table)
        assert set(found.values()) == {1}
        assert before[table] <= found.keys() <= keys(again, table, columns)
        assert len(read_bounds(large.store, name)) >= 2
        assert bounds[table] in {(), read_bounds(large.store, name)}
    assert all(len(bound) == 2 for bound in read_bounds(large.store, f"{large.schema}.purchase"))
    world = again
    assert world.load().complete
    stored, expected = world.stored(), world.expected()
    assert stored.keys() <= expected.keys()  # what was inserted meanwhile is capture's business
    assert all(expected[place] == item for place, item in stored.items() if place[0].endswith("-app"))


def test_chunks_that_follow_each_other_lie_far_apart(large: World) -> None:
    large.dump(tables=[f"{large.schema}.orders"], chunk_rows=2, dump_concurrency=1)
    lowest = [rows_of(large, chunk)[0][0] for chunk in chunks(large.store, f"{large.schema}.orders") if chunk.rows]
    neighbours = sum(abs(int(str(one)) - int(str(other))) <= 6 for one, other in pairwise(lowest))
    assert neighbours <= len(lowest) // 4


def held(world: World) -> Lease:
    lease = Lease(world.store, DUMP, "test", 10, boottime)
    assert lease.try_acquire()
    return lease


def test_ranges_without_rows_are_dumped_and_loaded(world: World) -> None:
    lease, orders = held(world), f"{world.schema}.orders"
    assert record_bounds(lease, orders, [(3,), (100,), (200,)], epoch=1) == ((3,), (100,), (200,))
    assert record_bounds(lease, orders, [(5,)], epoch=1) == ((3,), (100,), (200,))
    lease.release()
    world.dump()
    assert sorted(chunk.rows for chunk in chunks(world.store, orders)) == [0, 1, 3, 3]
    assert dumped(world, "orders") == Counter(keys(world, "orders", "id"))
    assert world.load().complete
    assert world.stored() == world.expected()


@pytest.fixture
def slow(s3: FaultProxy) -> Iterator[threading.Event]:
    """Puts are held until the event is set."""
    goes_on = threading.Event()

    def hold(call: Call) -> Answer | None:
        goes_on.wait(30)
        return call.forward(call.body)

    s3.rules = (Rule(hold, ("PUT",)),)
    yield goes_on
    goes_on.set()


def test_no_more_chunks_are_in_memory_than_there_are_threads(
    large: World, s3: FaultProxy, slow: threading.Event
) -> None:
    urls = large.settings.aws.endpoints.urls | {"s3": s3.url}
    clients = make_clients(large.settings.aws.region, urls)
    dump = threading.Thread(target=lambda: large.dump(clients, chunk_rows=2, dump_concurrency=2))
    dump.start()
    try:
        until(lambda: s3.calls["PUT"] == 2 * THREADS_PER_READER)
        threading.Event().wait(0.5)
        assert s3.calls["PUT"] == 2 * THREADS_PER_READER
    finally:
        slow.set()
        dump.join()
        clients.close()
    assert [sum(dumped(large, table).values()) for table in TABLES] == [68, 67, 67]


def test_a_failure_of_one_reader_ends_all_and_is_told(large: World) -> None:
    told = 0

    def fail(*_: object) -> None:
        nonlocal told
        told += 1
        if told == 8:
            raise KeyshiftError("it went wrong", "Look at it")

    with pytest.raises(KeyshiftError, match="it went wrong"):
        large.dump(chunk_rows=2, dump_concurrency=3, progress=fail)
    assert large.dump(chunk_rows=2).complete
    assert [sum(dumped(large, table).values()) for table in TABLES] == [68, 67, 67]
