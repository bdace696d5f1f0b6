"""What DynamoDB counts, against numbers worked by hand from its developer guide."""

import pytest

from keymap.capacity import ON_DEMAND, stored_bytes, units_a_second, write_units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (3 * 1024, 3), (400 * 1024, 400)])
def test_a_write_costs_a_unit_for_each_kilobyte_begun(size: int, units: int) -> None:
    assert write_units(size) == units


def test_every_stored_item_has_100_bytes_of_overhead() -> None:
    assert stored_bytes(5_000, 10) == 6_000


def test_a_key_with_all_writes_limits_the_table_to_one_partition() -> None:
    assert units_a_second(1.0) == 1_000
    assert units_a_second(0.1) == 10_000
    assert units_a_second(0) == float("inf")


def test_prices_are_of_a_million_units_and_of_a_gb_month() -> None:
    assert ON_DEMAND.writes(40_000_000) == pytest.approx(25.0)
    assert ON_DEMAND.month(100 * 1024**3) == pytest.approx(25.0)
