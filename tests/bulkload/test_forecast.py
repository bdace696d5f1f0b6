"""How long, how dear, and whether changes are kept for so long: arithmetic, without servers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.forecast import (
    CONVERT_ROWS_PER_SECOND,
    DUMP_BYTES_PER_SECOND,
    DUMP_ROWS_PER_SECOND,
    LOAD_ROWS_PER_SECOND,
    MARGIN,
    Payer,
    Work,
    costs,
    hours,
    refusals,
)
from bulkload.plan import TablePlan

HOUR = 3600
ROWS = LOAD_ROWS_PER_SECOND * HOUR  # an hour's load
WORK = Work(
    tables=(TablePlan("shop.orders", ROWS, ROWS * 100, ROWS // 10_000, ()),),
    payers=(Payer("app", "", 0),),
    month_cost=1.0,
    shards=2,
    rows_per_second_max=0,
    bytes_per_second_max=0,
    changes_per_second=0.0,
)


def test_the_dump_takes_as_long_as_its_slowest_limit_says() -> None:
    assert hours(WORK).dump == pytest.approx(LOAD_ROWS_PER_SECOND / DUMP_ROWS_PER_SECOND)
    large = replace(WORK, tables=(TablePlan("shop.photos", HOUR, HOUR * 2 * DUMP_BYTES_PER_SECOND, 1, ()),))
    assert hours(large).dump == pytest.approx(2)
    assert hours(replace(WORK, rows_per_second_max=LOAD_ROWS_PER_SECOND)).dump == pytest.approx(1)
    assert hours(replace(WORK, bytes_per_second_max=LOAD_ROWS_PER_SECOND * 10)).dump == pytest.approx(10)


def test_the_load_takes_as_long_as_the_tables_take_its_write_units() -> None:
    assert hours(WORK).load == pytest.approx(1)
    app, tags = Payer("app", "", 4000 * 2 * HOUR), Payer("tags", "", 4000 * HOUR)
    assert hours(replace(WORK, payers=(app, tags))).load == pytest.approx(3)
    warmed = replace(app, units_per_second=16_000)
    assert hours(replace(WORK, payers=(warmed, tags))).load == pytest.approx(1.5)
    index = Payer("app", "by_name", 500 * 4 * HOUR, 500, "provisioned")
    slowed = replace(WORK, payers=(warmed, tags, index))
    assert hours(slowed).load == pytest.approx(5), "a table waits for its slowest index, and for no other's"
    assert slowed.wanted_units_per_second(index, 2) == 1000
    assert slowed.wanted_units_per_second(index) == 2000, "the rest of the load takes an hour"


def test_catching_up_takes_longer_the_more_changes_come_and_for_ever_where_too_many_do() -> None:
    busy = replace(WORK, changes_per_second=2000.0)
    taken = hours(busy)
    assert busy.apply_changes_per_second == 4000
    assert taken.catch_up == pytest.approx(taken.dump + taken.load)
    assert taken.needed == pytest.approx(MARGIN * 2 * (taken.dump + taken.load))
    flooded = replace(WORK, changes_per_second=4000.0)
    assert hours(flooded).needed is None
    (problem,) = refusals(flooded, 168, None)
    assert "faster than they can be applied" in problem.what


def test_a_load_is_refused_where_stream_or_binlog_forget_before_it_ends() -> None:
    slow = replace(WORK, rows_per_second_max=LOAD_ROWS_PER_SECOND // 20)  # 20 hours and one, doubled
    assert refusals(slow, 168, None) == []
    assert refusals(slow, 43, 43.0) == []
    assert [problem.where for problem in refusals(slow, 24, 30.0)] == ["the stream", "the binlog"]
    assert [problem.where for problem in refusals(slow, 43, 0.0)] == ["the binlog"]
    assert "42.0" in refusals(slow, 24, None)[0].what


def test_raising_the_dumps_limits_is_a_remedy_only_where_they_hold_it_back() -> None:
    slow = replace(WORK, rows_per_second_max=LOAD_ROWS_PER_SECOND // 20)
    loose = replace(WORK, rows_per_second_max=100 * DUMP_ROWS_PER_SECOND)
    remedies = [refusals(work, 1, None)[0].remedy for work in (slow, loose, WORK)]
    assert ["raise the dump's limits" in remedy for remedy in remedies] == [True, False, False]


def test_a_stream_on_demand_that_is_there_is_read_by_its_shards() -> None:
    payers = (Payer("app", "", 0, 10**9),)
    new, there = (replace(WORK, shards=0, open_shards=shards, payers=payers) for shards in (0, 16))
    assert (new.apply_changes_per_second, there.apply_changes_per_second) == (100_000, 400_000)


def test_costs_are_those_of_the_load_and_of_the_changes_meanwhile() -> None:
    idle = costs(replace(WORK, payers=(Payer("app", "", 900_000), Payer("app", "i", 100_000))), hours(WORK), 24)
    assert idle.dynamodb == pytest.approx(0.625)
    assert idle.lambda_ == 0
    assert idle.kinesis == pytest.approx(2 * 0.015 * (hours(WORK).dump + 1))
    assert idle.together == pytest.approx(idle.dynamodb + idle.kinesis + idle.s3)
    busy = replace(WORK, payers=(Payer("app", "", ROWS),), changes_per_second=100.0)
    assert costs(busy, hours(busy), 24).dynamodb > costs(replace(busy, changes_per_second=0), hours(busy), 24).dynamodb


@given(st.integers(0, 10**12), st.integers(1, 10**5), st.floats(0, 10**5), st.integers(0, 9), st.integers(24, 8760))
def test_no_plan_divides_by_nothing(rows: int, size: int, changes: float, shards: int, retention: int) -> None:
    tables = (TablePlan("shop.orders", rows, rows * size, rows // 10_000, ()),)
    payer = Payer("app", "", rows)
    work = replace(WORK, tables=tables, changes_per_second=changes, shards=shards, payers=(payer,))
    assert work.wanted_units_per_second(payer) >= 0
    assert costs(work, hours(work), retention).together >= 0
    refusals(work, retention, None)


def test_an_import_costs_by_the_byte_and_not_by_write_units_and_one_table_can_be_too_large() -> None:
    units = replace(WORK, payers=(Payer("app", "", 1_000_000), Payer("tags", "", 1_000_000)), item_bytes={"app": 10**9})
    imported = replace(units, imported=True)
    local_cost, import_cost = (costs(work, hours(work), 24) for work in (units, imported))
    assert local_cost.load_import == import_cost.load_import == pytest.approx(0.15 * 1.8 * 10**9 / 1024**3)
    assert local_cost.dynamodb == import_cost.load_local == pytest.approx(1.25)
    assert import_cost.dynamodb == import_cost.load_import
    assert hours(imported).load == pytest.approx(LOAD_ROWS_PER_SECOND / CONVERT_ROWS_PER_SECOND)
    assert refusals(imported, 168, None) == []
    (problem,) = refusals(replace(imported, item_bytes={"app": 2 * 10**12, "tags": 10**12}), 168, None)
    assert problem.where == "table app"
