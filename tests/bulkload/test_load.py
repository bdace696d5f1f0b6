"""The load: what the rows mean is in DynamoDB, once and whole; or it says what is in the way."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from bulkload.load.run import LoadReport
from keymap.errors import KeyshiftError, Problems
from keymap.targets import KeyAttribute
from keyshift.aws.clients import make_clients
from keyshift.aws.hold import Busy
from keyshift.aws.resources import ensure_table
from keyshift.control import phase
from keyshift.control.chunks import chunks
from keyshift.control.lease import LOAD, Lease
from keyshift.control.phase import Phase
from keyshift.control.progress import progress
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop
from keyshift.zstd import zstd
from tests.bulkload.world import World


@pytest.fixture
def dumped(world: World) -> World:
    world.dump()
    return world


def test_every_row_becomes_its_items_and_replay_opens(dumped: World) -> None:
    report = dumped.load()
    assert report.complete
    assert (report.chunks, report.rows) == (8, 22)
    assert dumped.stored() == dumped.expected()
    assert dumped.phase() is Phase.REPLAY


def test_items_look_as_the_design_says(dumped: World) -> None:
    dumped.load()
    books = dumped.keymap.bookkeeping
    orders, tags = dumped.target("app"), dumped.target("tags")
    item = dumped.stored()[orders, ("CUSTOMER#1", "ORDER#0000000001")]
    assert item["total"] == {"N": "1.5"}
    assert item[books.migration] == {"S": dumped.migration.id}
    assert item[books.mark("")] == {"S": "0001.0000000000.0000000000000.000000000"}
    item = dumped.stored()[tags, ("b",)]
    assert {name for name in item if name.startswith("i")} == {"i1", "i2", "i3"}
    assert books.mark("i4") in item


def test_a_load_that_is_complete_does_nothing_when_it_is_run_again(dumped: World) -> None:
    dumped.load()
    before = dumped.stored()
    assert dumped.load() == LoadReport(0, 0, 0, complete=True)
    assert dumped.stored() == before


def test_nothing_is_loaded_before_the_dump_is_complete(world: World) -> None:
    with pytest.raises(KeyshiftError, match=r"tables (\S+, ){2}\S+\.tag are not dumped\. Run `keyshift bulkload dump`"):
        world.load()
    assert world.phase() is Phase.LOAD


def test_nothing_is_loaded_after_the_cutover(dumped: World) -> None:
    dumped.load()
    phase.close(dumped.store)
    with pytest.raises(KeyshiftError, match="has been cut over"):
        dumped.load()


def test_a_stop_ends_the_load_after_a_chunk_and_the_next_one_goes_on(dumped: World) -> None:
    told: list[tuple[str, int, int, str]] = []

    def stop_after_two(table: str, done: int, total: int, unit: str) -> None:
        told.append((table, done, total, unit))
        if len(told) == 2:
            dumped.stop.set()

    report = dumped.load(progress=stop_after_two)
    assert (report.chunks, report.complete) == (2, False)
    totals = dict(zip(dumped.migration.tables, (8, 7, 7), strict=True))
    assert all((total, unit) == (totals[table], "rows") and 0 < done <= total for table, done, total, unit in told)
    assert dumped.phase() is Phase.LOAD
    again = replace(dumped, stop=Stop())
    # Products of three orders; of seven orders one is a draft; tags in three chunks: a, A2, b | b, b, b | c.
    rest = again.load()
    assert rest == LoadReport(6, 22 - report.rows, 3 + 6 + 5 - report.writes, complete=True)
    assert again.stored() == again.expected()


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Another process that does its job and renews its lease."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(0.2):
            lease.renew()

    assert lease.try_acquire()
    thread = threading.Thread(target=renew)
    thread.start()
    yield
    done.set()
    thread.join()


def test_of_two_loaders_at_once_the_second_says_who_works(dumped: World) -> None:
    other = Lease(dumped.store, LOAD, "another-host:1", 1, boottime)
    with held(other), pytest.raises(Busy, match=r"another process \(another-host:1\) is doing the load"):
        dumped.load(lease_seconds=1)
    assert not dumped.stored()


def put(world: World, table: str, **item: dict[str, str]) -> None:
    world.clients.dynamodb.put_item(TableName=world.target(table), Item=item)


def test_foreign_items_are_named_and_nothing_is_written(dumped: World) -> None:
    """Ten of them by key, and how many there are; of all tables at once."""
    for number in range(12):
        put(dumped, "app", pk={"S": f"mine{number}"}, sk={"S": "x"}, secret={"S": "secret"})
    put(dumped, "tags", name={"S": "b"})
    before = dumped.stored()
    with pytest.raises(Problems) as caught:
        dumped.load()
    where = [problem.where for problem in caught.value.problems]
    assert len(where) == 12
    assert sum("(pk=mine" in one for one in where) == 10
    assert f"table {dumped.target('tags')} item (name=b)" in where
    assert "12 of its items are not of this bulk load" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert dumped.stored() == before


@pytest.mark.parametrize("table", ["app", "tags"])
def test_items_of_another_migration_or_of_a_replay_are_refused(dumped: World, table: str) -> None:
    books = dumped.keymap.bookkeeping
    keys = {"app": {"pk": {"S": "a"}, "sk": {"S": "b"}}, "tags": {"name": {"S": "z"}}}[table]
    slot = {"app": "", "tags": "i1"}[table]
    floor, later = "0001.0000000000.0000000000000.000000000", "0001.0000000001.0000000000004.000000000"
    put(dumped, table, **keys, **{books.migration: {"S": "shop.ffffffff"}, books.mark(slot): {"S": floor}})
    with pytest.raises(Problems, match=r"belongs to migration shop\.ffffffff"):
        dumped.load()
    put(dumped, table, **keys, **{books.migration: {"S": dumped.migration.id}, books.mark(slot): {"S": later}})
    with pytest.raises(Problems, match="was written by replay"):
        dumped.load()
    put(dumped, table, **keys, **{books.migration: {"S": dumped.migration.id}, books.mark(slot): {"S": floor + "x"}})
    with pytest.raises(Problems, match="was written by replay"):
        dumped.load()
    put(dumped, table, **keys, **{books.migration: {"S": dumped.migration.id}, books.mark(slot): {"S": floor}})
    assert dumped.load().complete


def rejects(world: World) -> list[Any]:
    """The lines of all rejects files."""
    bucket, s3 = world.settings.bucket.name, world.clients.s3
    names = [name for name in world.objects() if "/rejects-" in name]
    data = b"".join(s3.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names)
    return [json.loads(line) for line in data.splitlines()]


def test_rows_that_cannot_become_items_are_set_aside_with_reasons_and_counted(world: World) -> None:
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id IN (4, 6)")
    world.dump()
    report = world.load()
    assert (report.complete, report.rejected, report.rows) == (True, 2, 22)
    lines = rejects(world)
    assert [(line["table"], line["key"]) for line in lines] == [
        (f"{world.schema}.orders", {"id": number}) for number in (4, 6)
    ]
    assert all("would have 500" in line["reason"] and line["remedy"] for line in lines)
    assert "nnn" not in str(lines)
    whole = {place: item for place, item in world.expected().items() if item.get("id", {}).get("N") not in {"4", "6"}}
    assert world.stored() == whole
    assert progress(world.store, world.migration.tables).rejected == 2


def test_too_many_rows_that_cannot_become_items_stop_their_chunk_before_anything_of_it_is_written(world: World) -> None:
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id IN (4, 6)")
    world.dump()
    with pytest.raises(Problems) as caught:
        world.load(rejects_max=1)
    assert [problem.where for problem in caught.value.problems] == [
        f"row {world.schema}.orders (id={number})" for number in (4, 6)
    ]
    stored = {item["id"]["N"] for (table, _), item in world.stored().items() if table == world.target("app")}
    assert not stored & {"4", "5", "6"}
    assert world.phase() is Phase.LOAD
    assert next(islice(chunks(world.store, f"{world.schema}.orders"), 1, None)).state == "dumped"


def test_starting_again_does_not_raise_the_limit_of_rows_that_cannot_become_items(world: World) -> None:
    """They lie in two chunks, of which the first run records one."""
    world.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id IN (4, 7)")
    world.dump()
    for _ in range(2):
        with pytest.raises(Problems, match="2 of its rows cannot become items"):
            world.load(rejects_max=1)
    assert world.phase() is Phase.LOAD
    assert world.load(rejects_max=2).complete


def tampered(world: World, data: bytes) -> str:
    """Put other bytes in the place of the first chunk of orders; says where."""
    name = next(chunks(world.store, f"{world.schema}.orders")).object
    world.clients.s3.put_object(Bucket=world.settings.bucket.name, Key=name, Body=data)
    return f"s3://{world.settings.bucket.name}/{name}"


def test_a_chunk_that_changed_in_s3_is_refused_by_its_name(dumped: World) -> None:
    name = tampered(dumped, zstd.compress(b"{}\n"))
    with pytest.raises(KeyshiftError, match="is damaged: its SHA-256 is") as caught:
        dumped.load()
    assert name in str(caught.value)
    stored = {item["id"]["N"] for (table, _), item in dumped.stored().items() if table == dumped.target("app")}
    assert not stored & {"1", "2", "3"}


def test_a_chunk_or_manifest_that_is_gone_is_told_by_its_name(dumped: World) -> None:
    bucket, s3 = dumped.settings.bucket.name, dumped.clients.s3
    (manifest,) = [name for name in dumped.objects() if name.endswith("tag/manifest.json")]
    data = s3.get_object(Bucket=bucket, Key=manifest)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=manifest)
    with pytest.raises(KeyshiftError, match=r"tag/manifest\.json is not there"):
        dumped.load()
    s3.put_object(Bucket=bucket, Key=manifest, Body=data)
    (chunk,) = [name for name in dumped.objects() if "orders/00000002-" in name]
    s3.delete_object(Bucket=bucket, Key=chunk)
    with pytest.raises(KeyshiftError, match=r"orders/00000002-[0-9a-f]{16}\.zst is not there"):
        dumped.load()


def test_a_target_that_is_not_there_is_told_before_anything_is_written(dumped: World) -> None:
    dumped.clients.dynamodb.delete_table(TableName=dumped.target("tags"))
    with pytest.raises(KeyshiftError, match="keyshift init"):
        dumped.load()
    assert dumped.phase() is Phase.LOAD


def test_what_dynamodb_refuses_is_set_aside_by_its_row(dumped: World) -> None:
    """Only the service knows all of its rules; of a batch it does not say which item breaks them."""
    dynamodb, table = dumped.clients.dynamodb, dumped.target("app")
    dynamodb.delete_table(TableName=table)
    orders = dumped.keymap.targets[table]
    ensure_table(dynamodb, replace(orders, sort_key=KeyAttribute("sk", "N")), dumped.migration.id)
    assert dumped.load().rejected == 6
    found = rejects(dumped)
    assert {line["key"]["id"] for line in found} == {1, 3, 4, 5, 6, 7}
    assert all(line["reason"].startswith(f"DynamoDB refuses its item of {table}: ") for line in found)
    assert {name for name, _ in dumped.stored()} == {dumped.target("purchases"), dumped.target("tags")}


def test_the_rows_of_the_dump_count_and_not_what_became_of_them(dumped: World) -> None:
    """Replay brings the changes since; the load needs no source."""
    before = dumped.expected()
    dumped.execute("DELETE FROM orders", "UPDATE purchase SET quantity = 0", "DROP TABLE tag")
    dumped.load()
    assert dumped.stored() == before


def test_decimals_and_binary_survive_the_way_through_the_dump(world: World) -> None:
    world.execute("ALTER TABLE orders ADD raw VARBINARY(9) NULL", "UPDATE orders SET raw = x'00FF00', total = 0.10")
    world.dump()
    world.load()
    assert world.stored() == world.expected()
    item = world.stored()[world.target("app"), ("CUSTOMER#1", "ORDER#0000000001")]
    assert item["raw"] == {"B": b"\x00\xff\x00"}
    assert Decimal(item["total"]["N"]) == Decimal("0.1")


def test_the_writing_clients_are_its_own_and_closed(dumped: World) -> None:
    writing = make_clients(dumped.settings.aws.region, dumped.settings.aws.endpoints.urls)
    assert dumped.load(writing=writing).complete
    assert not writing._made
