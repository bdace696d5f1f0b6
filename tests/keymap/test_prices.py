"""What Kinesis, Lambda and S3 cost, by hand-made sums of AWS's price pages."""

import pytest

from keymap.capacity import ON_DEMAND
from keymap.prices import ASKED, REGION, Stream, lambda_cost, s3_cost

GB = 1024**3


def test_all_prices_are_of_one_place_and_date() -> None:
    assert (ON_DEMAND.region, ON_DEMAND.asked) == (REGION, ASKED)


@pytest.mark.parametrize(
    ("stream", "dollars"),
    [
        (Stream(2, 24, hours=10, records=0, bytes=0), 2 * 10 * 0.015),
        (Stream(2, 168, hours=10, records=0, bytes=0), 2 * 10 * 0.035),
        (Stream(1, 24, hours=0, records=3_000_000, bytes=3_000_000), 3 * 0.014),
        (Stream(1, 24, hours=0, records=1, bytes=25 * 1024 * 1_000_000), 0.014),
        (Stream(0, 24, hours=10, records=1, bytes=10 * GB), 10 * 0.04 + 10 * 0.12),
        # a month at one GB an hour, kept for a week: 144 GB lie there beyond their first day
        (Stream(0, 168, hours=730, records=1, bytes=730 * GB), 730 * 0.04 + 730 * 0.12 + 144 * 0.10 * 144 / 730),
        (Stream(1, 268, hours=1000, records=1, bytes=10 * GB), 35 + 14e-9 * 10 * GB / 25600 + 1 * 0.023 * 100 / 730),
    ],
)
def test_a_stream_costs_by_the_shard_and_hour_or_on_demand_by_the_gb(stream: Stream, dollars: float) -> None:
    assert stream.cost == pytest.approx(dollars)


def test_a_function_costs_by_call_and_by_memory_and_time() -> None:
    assert lambda_cost(1_000_000, 0.5, 2 * GB) == pytest.approx(0.20 + 1_000_000 * 0.0000166667)


def test_objects_cost_by_request_and_by_month() -> None:
    assert s3_cost(1000, 100 * GB, 73) == pytest.approx(0.0054 + 0.23)
