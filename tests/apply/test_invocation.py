"""What the function's log tells of a batch, as CloudWatch reads it."""

import json
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

from keymap.errors import KeyshiftError
from keyshift.apply.invocation import METRICS, Batch, lines
from keyshift.apply.result import BatchResult
from keyshift.apply.stream import StreamApplier
from tests.apply.conftest import fake_shop
from tests.apply.history import migration_for, records
from tests.apply.keymaps import change, order, purchase
from tests.apply.test_claimed import plain
from tests.apply.test_convergence import Gate

NOW_MS = 1_700_000_100_000


def totals(told: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """The sums that CloudWatch makes: by metric and the values of its dimensions."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in map(json.loads, map(json.dumps, told)):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Keyshift"
        for metric in directive["Metrics"]:
            for dimensions in directive["Dimensions"]:
                found[metric["Name"], *(line[name] for name in dimensions)] += line[metric["Name"]]
    return found


def test_changes_are_counted_by_operation_and_by_table_and_all_else_once() -> None:
    shop = fake_shop()
    changes = [
        change("orders", None, order(1, 1), 1),
        change("orders", order(1, 1), order(1, 1, 2), 2),
        change("purchase", None, purchase(1, 1, 1), 3),
        change("orders", order(1, 1, 2), None, 4),
    ]
    batch = records([plain(shop, one) for one in changes])
    result = StreamApplier(shop.writer(), shop.keymap, migration_for(shop.keymap), Gate()).handle(batch)
    found = totals(list(lines(result, Batch(4, 1234, 0.25), "shop", NOW_MS)))
    name = "keyshift_apply_applied_total"
    assert {key[1:]: count for key, count in found.items() if key[0] == name} == {
        ("shop",): 4,
        ("shop", "c"): 2,
        ("shop", "u"): 1,
        ("shop", "d"): 1,
        ("shop", "shop.orders"): 3,
        ("shop", "shop.purchase"): 1,
    }
    assert {key[0]: count for key, count in found.items() if key[0] != name} == {
        "keyshift_apply_batches_total": 1,
        "keyshift_apply_records_total": 4,
        "keyshift_apply_bytes_total": 1234,
        "keyshift_apply_set_total": 1,
        "keyshift_apply_removed_total": 1,
        "keyshift_apply_stale_total": 0,
        "keyshift_apply_collided_total": 0,
        "keyshift_apply_set_aside_total": 0,
        "keyshift_apply_markers_total": 0,
        "keyshift_apply_failed_total": 0,
        "keyshift_apply_duration_seconds": 0.25,
        "keyshift_apply_oldest_change_age_seconds": 99.999,
    }
    assert {key[0] for key in found} == {one.name for one in METRICS}


def test_a_batch_that_failed_says_so_and_has_no_age_where_nothing_was_applied() -> None:
    (line,) = lines(BatchResult(error=KeyshiftError("no", "wait")), Batch(7, 70, 1.0), "shop", NOW_MS)
    assert (line["records"], line["done"], line["error"]) == (7, 0, "no. wait")
    assert (line["keyshift_apply_failed_total"], line["keyshift_apply_records_total"]) == (1, 0)
    assert "keyshift_apply_oldest_change_age_seconds" not in line


def test_an_error_of_aws_is_explained_without_the_values_that_it_quotes() -> None:
    text = "The parameter cannot be converted to a numeric value: Alice"
    refused = ClientError({"Error": {"Code": "ValidationException", "Message": text}}, "BatchGetItem")
    (line,) = lines(BatchResult(error=refused), Batch(7, 70, 1.0), "shop", NOW_MS)
    assert "(BatchGetItem) failed: ValidationException: The parameter cannot be" in line["error"]
    assert "Alice" not in line["error"]


def test_the_parts_of_a_batch_are_told_together() -> None:
    first = BatchResult(1, {("a", "c"): 1}, oldest_ms=5, newest_ms=5)
    rest = BatchResult(2, {("a", "c"): 1, ("b", "d"): 1}, oldest_ms=3, newest_ms=9)
    both = first.followed_by(rest)
    assert (both.tables, both.oldest_ms, both.newest_ms) == ({("a", "c"): 2, ("b", "d"): 1}, 3, 9)
    assert first.followed_by(BatchResult()).oldest_ms == 5
