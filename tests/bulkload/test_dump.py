"""The dump: nothing before capture has started, every row once, and what was done is never done again."""

import json
from dataclasses import replace
from unittest.mock import ANY

import pytest

from bulkload import estimate
from bulkload.dump.run import DumpReport
from keymap.errors import KeyshiftError, Problems
from keymap.rules import parse_keymap
from keyshift.control.chunks import chunks
from keyshift.control.progress import progress
from keyshift.zstd import zstd
from tests.bulkload.world import World, another


def rows_of(world: World, table: str) -> list[list[object]]:
    """All rows of the dump of a table, in the order of its chunks."""
    rows = []
    for chunk in chunks(world.store, f"{world.schema}.{table}"):
        data = world.clients.s3.get_object(Bucket=world.settings.bucket.name, Key=chunk.object)["Body"].read()
        rows += [json.loads(line) for line in zstd.decompress(data).splitlines()[1:]]
    return rows


def test_nothing_is_dumped_before_capture_has_started(shop: World) -> None:
    with pytest.raises(KeyshiftError, match="has not started"):
        shop.dump()
    assert not shop.objects()


def test_every_row_is_dumped_once_in_chunks_that_follow_each_other(world: World) -> None:
    report = world.dump()
    assert report.complete
    assert report.rows == 22
    found = list(chunks(world.store, f"{world.schema}.orders"))
    assert [chunk.rows for chunk in found] == [3, 3, 1]
    assert [chunk.number for chunk in found] == [1, 2, 3]
    assert [chunk.lower for chunk in found] == [None, (3,), (6,)]
    assert [chunk.upper for chunk in found] == [(3,), (6,), None]
    assert [row[0] for row in rows_of(world, "orders")] == list(range(1, 8))
    assert len(rows_of(world, "tag")) == 7


def test_chunks_do_not_cut_a_group_where_the_keymap_can_use_that(world: World) -> None:
    world.dump()
    found = list(chunks(world.store, f"{world.schema}.purchase"))
    assert [(chunk.upper, chunk.rows, chunk.uncut) for chunk in found] == [((1, 1), 3, 2), ((2, 1), 5, 2)]
    assert [chunk.uncut for chunk in chunks(world.store, f"{world.schema}.tag")] == [0, 0, 0]


def test_a_dump_that_is_complete_does_nothing_when_it_is_run_again(world: World) -> None:
    first = world.dump()
    before = sorted(world.objects())
    assert world.dump() == DumpReport(0, 0, 0, complete=True)
    assert sorted(world.objects()) == before
    assert len(before) == first.chunks + 3  # and a manifest for each table


def test_a_stop_ends_the_dump_after_the_chunks_at_hand_and_the_next_one_goes_on_behind_it(world: World) -> None:
    seen = []

    def stop_after_two(table: str, done: int, total: int, unit: str) -> None:
        seen.append((table, done, total, unit))
        if len(seen) == 2:
            world.stop.set()

    report = world.dump(progress=stop_after_two)
    assert not report.complete
    assert 2 <= report.chunks < 8
    resumed = replace(world, stop=type(world.stop)()).dump()
    assert resumed.complete
    assert report.rows + resumed.rows == 22
    assert [row[0] for row in rows_of(world, "orders")] == list(range(1, 8))
    assert len(rows_of(world, "purchase")) == 8


def test_an_empty_table_is_dumped_as_no_chunks(world: World) -> None:
    world.execute("DELETE FROM orders")
    assert world.dump().complete
    found = progress(world.store, [f"{world.schema}.orders"]).tables[0]
    assert (found.chunks, found.rows_dumped) == (0, 0)


def test_progress_ends_with_all_rows_of_each_table(world: World) -> None:
    told: dict[str, tuple[int, int, str]] = {}
    world.dump(progress=lambda table, done, total, unit: told.update({table: (done, total, unit)}))
    assert told == {
        f"{world.schema}.{table}": (rows, rows, "rows") for table, rows in [("purchase", 8), ("orders", 7), ("tag", 7)]
    }


def test_large_rows_make_smaller_chunks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by bytes, not by rows; every row is dumped nevertheless."""
    monkeypatch.setattr(estimate, "CHUNK_BYTES_MAX", 1000)
    rows = ", ".join(f"({number}, 1, 'paid', 1, '{'x' * (300 if number > 50 else 3)}')" for number in range(10, 100))
    world.execute(f"INSERT INTO orders VALUES {rows}")
    world.dump(chunk_rows=1000)
    sizes = [chunk.rows for chunk in chunks(world.store, f"{world.schema}.orders")]
    assert sum(sizes) == 97
    assert max(sizes[:4]) > 20
    assert max(sizes[-8:]) <= 3


def test_a_table_that_is_gone_is_told_with_its_place_in_the_keymap(world: World) -> None:
    world.execute("DROP TABLE tag")
    with pytest.raises(KeyshiftError, match=r"keymap.yaml:\d+: table .*tag does not exist"):
        world.dump()


def test_another_keymap_is_refused(world: World) -> None:
    other = type(world.keymap)(
        world.keymap.document.model_copy(update={"bookkeeping_prefix": "_other"}), world.keymap.lines
    )
    with pytest.raises(KeyshiftError, match="keymap"):
        replace(world, keymap=other).dump()
    with pytest.raises(KeyshiftError, match="keymap"):
        replace(world, keymap=other).load()


def test_a_table_may_have_any_name(shop: World) -> None:
    """Slashes and hashes separate nothing in S3 and in the control table."""
    name = "a/b#1%2F"
    shop.execute(f"CREATE TABLE `{name}` (id INT PRIMARY KEY)", f"INSERT INTO `{name}` VALUES (1), (2)")
    text = (
        "keyshift: 1\n"
        f"targets: {{{shop.target('app')}: {{partition_key: {{pk: S}}, sort_key: {{sk: S}}}}}}\n"
        f'tables: {{"{shop.schema}.{name}": [{{target: {shop.target("app")}, key: {{pk: "{{id}}", sk: X}}}}]}}\n'
    )
    world = another(shop, parse_keymap(text, "keymap.yaml"), "odd")
    world.start_capture()
    assert world.dump().rows == 2
    assert world.load().rows == 2
    assert {key for _, key in world.stored()} == {("1", "X"), ("2", "X")}
    world.clients.close()


def test_some_tables_are_dumped_first_and_the_rest_by_a_later_run(world: World) -> None:
    orders, tag = (f"{world.schema}.{name}" for name in ("orders", "tag"))
    assert world.dump(tables=[orders]) == DumpReport(3, 7, ANY, complete=True)
    assert [table.table for table in progress(world.store, world.migration.tables).tables if table.dumped] == [orders]
    with pytest.raises(KeyshiftError, match=r"tables \S+\.purchase, \S+\.tag are not dumped"):
        world.load()
    assert world.dump(tables=[tag, orders]).rows == 7
    assert world.dump().rows == 8
    assert world.load().complete
    assert world.stored() == world.expected()


def test_a_table_that_is_not_captured_is_refused_before_a_row_is_read(world: World) -> None:
    with pytest.raises(Problems) as caught:
        world.dump(tables=["shop.a", f"{world.schema}.orders", "shop.b"])
    assert [problem.where for problem in caught.value.problems] == ["table shop.a", "table shop.b"]
    assert not world.objects()
