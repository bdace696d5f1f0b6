"""A patch lands if it is newer than what its slot holds, and never on what is not ours: on a fake and for real."""

from decimal import Decimal

import pytest

from keymap.patch import WHOLE, Item, Patch
from keymap.version import floor, version
from keyshift.apply.outcome import Outcome
from keyshift.apply.refusals import Foreign, GateClosed, Poison
from keyshift.apply.writer import GuardedWriter
from keyshift.process.deadline import Deadline
from keyshift.process.stop import Stopped
from tests.apply.conftest import Shop, fake_shop
from tests.apply.keymaps import MIGRATION, counts, in_order, shop
from tests.servers.aws import client
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import duplicate, forgetful, reset_after, reset_before, throttle


def at(place: int) -> str:
    return version(1, 1, place, 0)


def whole(shop: Shop, attributes: Item | None, place: int, sk: str = "s") -> Patch:
    return Patch(shop.prefix + "app", ("p", sk), WHOLE, attributes, at(place))


def slot(shop: Shop, name: str, value: int | None, place: int) -> Patch:
    attributes: Item | None = None if value is None else {name: {"N": str(value)}}
    return Patch(shop.prefix + "purchases", (1, 2), name, attributes, at(place))


def only(shop: Shop, table: str) -> Item:
    (item,) = shop.items(table)
    return item


def test_a_set_replaces_its_slot_and_an_older_one_is_stale(any_shop: Shop) -> None:
    writer = any_shop.writer()
    assert counts(writer.apply([whole(any_shop, {"a": {"S": "1"}, "b": {"S": "1"}}, 5)])) == (1, 0, 0)
    assert counts(writer.apply([whole(any_shop, {"a": {"S": "2"}}, 6)])) == (1, 0, 0)
    assert counts(writer.apply([whole(any_shop, {"a": {"S": "0"}}, 4)])) == (0, 0, 1)
    assert only(any_shop, "app") == {
        "pk": {"S": "p"},
        "sk": {"S": "s"},
        "a": {"S": "2"},
        "_ks_m": {"S": MIGRATION},
        "_ks_v": {"S": at(6)},
    }


def test_the_same_patch_again_is_stale(any_shop: Shop) -> None:
    patches = [whole(any_shop, {}, 5), slot(any_shop, "x", 1, 5)]
    assert counts(any_shop.writer().apply(patches)) == (2, 0, 0)
    assert counts(any_shop.writer().apply(patches)) == (0, 0, 2)


def test_what_was_not_begun_when_the_time_was_over_is_not_written_and_told() -> None:
    shop, deadline = fake_shop(), Deadline()
    writer = GuardedWriter(shop.dynamodb, shop.keymap, MIGRATION, shop.executor, deadline)
    deadline.begin(0)
    outcome = writer.apply([whole(shop, {}, 5), slot(shop, "x", 1, 5)])
    assert [type(one.error) for one in outcome.failures] == [Stopped, Stopped]
    assert shop.items("app") == shop.items("purchases") == []
    deadline.begin(60)
    assert counts(writer.apply([whole(shop, {}, 5), slot(shop, "x", 1, 5)])) == (2, 0, 0)


def test_a_removal_leaves_a_tombstone_that_a_late_older_set_cannot_pass(any_shop: Shop) -> None:
    writer = any_shop.writer()
    writer.apply([whole(any_shop, {"a": {"S": "1"}}, 5), slot(any_shop, "x", 1, 5)])
    assert counts(writer.apply([whole(any_shop, None, 9), slot(any_shop, "x", None, 9)])) == (0, 2, 0)
    assert counts(writer.apply([whole(any_shop, {"a": {"S": "2"}}, 7), slot(any_shop, "x", 2, 7)])) == (0, 0, 2)
    assert any_shop.visible("app") == any_shop.visible("purchases") == []
    assert only(any_shop, "app")["_ks_v"] == {"S": at(9) + "x"}
    assert only(any_shop, "purchases")["_ks_v.x"] == {"S": at(9) + "x"}


def test_a_removal_leaves_a_tombstone_also_where_nothing_was(any_shop: Shop) -> None:
    writer = any_shop.writer()
    assert counts(writer.apply([whole(any_shop, None, 9), slot(any_shop, "x", None, 9)])) == (0, 2, 0)
    assert counts(writer.apply([whole(any_shop, {}, 8), slot(any_shop, "x", 8, 8)])) == (0, 0, 2)
    assert counts(writer.apply([whole(any_shop, {}, 10), slot(any_shop, "x", 1, 10)])) == (2, 0, 0)


def test_of_several_slots_of_an_item_those_that_are_newer_land(any_shop: Shop) -> None:
    writer = any_shop.writer()
    writer.apply([slot(any_shop, "x", 1, 5), slot(any_shop, "y", 1, 7), slot(any_shop, "z", 1, 5)])
    outcome = writer.apply([slot(any_shop, "x", 2, 6), slot(any_shop, "y", 2, 6), slot(any_shop, "z", None, 6)])
    assert counts(outcome) == (1, 1, 1)
    assert any_shop.visible("purchases") == [
        {"customerid": {"N": "1"}, "orderid": {"N": "2"}, "x": {"N": "2"}, "y": {"N": "1"}}
    ]


def test_two_rows_never_share_a_condition_by_accident(any_shop: Shop) -> None:
    """Slots that only differ behind a dot, or are called like an operator, are still slots of their own."""
    names = ["x", "x.y", "v", "_ks", "AND", "a b", "é" * 100, "#x", ":v0"]
    assert counts(any_shop.writer().apply([slot(any_shop, name, 1, 5) for name in names])) == (len(names), 0, 0)
    (item,) = any_shop.visible("purchases")
    assert item.keys() == {"customerid", "orderid", *names}


def test_more_slots_than_one_expression_holds_are_all_written(any_shop: Shop) -> None:
    patches = [slot(any_shop, f"productid{number:012d}", number, 5) for number in range(150)]
    assert counts(any_shop.writer().apply(patches)) == (150, 0, 0)
    half = [slot(any_shop, f"productid{number:012d}", -1, 4 + 2 * (number % 2)) for number in range(150)]
    assert counts(any_shop.writer().apply(half)) == (75, 0, 75)


def test_the_bulk_loads_rows_are_older_than_any_change(any_shop: Shop) -> None:
    table = any_shop.prefix + "app"
    loaded = Patch(table, ("p", "s"), WHOLE, {"a": {"S": "loaded"}}, floor(1))
    writer = any_shop.writer()
    assert counts(writer.apply([loaded])) == (1, 0, 0)
    assert counts(writer.apply([whole(any_shop, {"a": {"S": "changed"}}, 0)])) == (1, 0, 0)
    assert counts(writer.apply([loaded])) == (0, 0, 1)


def test_a_foreign_item_is_never_overwritten_and_is_named(any_shop: Shop) -> None:
    table = any_shop.prefix + "app"
    mine = {"pk": {"S": "p"}, "sk": {"S": "s"}, "a": {"S": "theirs"}}
    any_shop.dynamodb.put_item(TableName=table, Item=mine)
    outcome = any_shop.writer().apply([whole(any_shop, {"a": {"S": "ours"}}, 5), whole(any_shop, {}, 5, sk="t")])
    (failure,) = outcome.failures
    assert isinstance(failure.error, Foreign)
    assert (failure.table, failure.key) == (table, ("p", "s"))
    assert str(failure.error).startswith(f"table {table} holds an item ('p', 's') that is not Keyshift's")
    assert counts(outcome) == (1, 0, 0)
    assert mine in any_shop.items("app")


@pytest.mark.parametrize("value", [7, None])
def test_an_item_of_another_migration_is_foreign_for_sets_and_removals(any_shop: Shop, value: int | None) -> None:
    any_shop.writer("shop.0000000b").apply([slot(any_shop, "x", 1, 1)])
    before = any_shop.items("purchases")
    (failure,) = any_shop.writer().apply([slot(any_shop, "y", value, 9)]).failures
    assert "belongs to migration shop.0000000b" in str(failure.error)
    assert any_shop.items("purchases") == before


def test_an_item_too_large_is_poison_that_names_table_digest_and_position(any_shop: Shop) -> None:
    secret = "secret" * 80_000
    (failure,) = any_shop.writer().apply([whole(any_shop, {"a": {"S": secret}}, 5)]).failures
    assert isinstance(failure.error, Poison)
    assert "item " in str(failure.error)
    assert "binlog file number 1, offset 5, row 0" in str(failure.error)
    assert "DynamoDB takes 409600" in str(failure.error)
    assert "secret" not in str(failure.error)
    assert any_shop.items("app") == []


def test_a_group_that_grows_too_large_is_poison(any_shop: Shop) -> None:
    table = any_shop.prefix + "purchases"
    for name, failures in (("x", 0), ("y", 1)):
        patch = Patch(table, (1, 2), name, {name: {"S": "x" * 250_000}}, at(5))
        outcome = any_shop.writer().apply([patch])
        assert len(outcome.failures) == failures
        assert all(isinstance(failure.error, Poison) for failure in outcome.failures)
    assert any_shop.visible("purchases")[0].keys() == {"customerid", "orderid", "x"}


def test_what_dynamodb_quotes_of_a_row_is_not_repeated(real_shop: Shop) -> None:
    patch = whole(real_shop, {"a": {"SS": ["secret", "secret"]}}, 5)
    (failure,) = real_shop.writer().apply([patch]).failures
    assert isinstance(failure.error, Poison)
    assert "secret" not in str(failure.error)


def test_a_missing_table_is_told_with_the_remedy(real_shop: Shop) -> None:
    gone = Shop(shop("gone-"), real_shop.dynamodb, "gone-", real_shop.executor)
    (failure,) = gone.writer().apply([whole(gone, {}, 5)]).failures
    assert "writing to table gone-app failed: ResourceNotFoundException" in str(failure.error)
    assert "keyshift init" in str(failure.error)


def test_a_check_writes_nothing_and_tells_what_would_have_to_be_written(any_shop: Shop) -> None:
    writer = any_shop.writer()
    patches = [whole(any_shop, {}, 5), slot(any_shop, "x", 1, 5), slot(any_shop, "y", None, 5)]
    hundred = Patch(any_shop.prefix + "purchases", (Decimal("1E+2"), 100), "x", None, at(5))
    writer.apply([*patches, hundred])
    before = {table: any_shop.items(table) for table in ("app", "purchases")}
    assert writer.check([*patches, hundred]) == Outcome(stale=4)
    outcome = writer.check([whole(any_shop, {}, 6), slot(any_shop, "x", 1, 4), slot(any_shop, "z", 1, 4)])
    assert outcome.stale == 1
    assert {(failure.table, failure.key) for failure in outcome.failures} == {
        (any_shop.prefix + "app", ("p", "s")),
        (any_shop.prefix + "purchases", (1, 2)),
    }
    assert all(isinstance(failure.error, GateClosed) for failure in outcome.failures)
    assert {table: any_shop.items(table) for table in before} == before


def test_a_check_takes_neither_absent_nor_foreign_items_for_applied(any_shop: Shop) -> None:
    any_shop.writer("shop.0000000b").apply([whole(any_shop, {}, 9)])
    outcome = any_shop.writer().check([whole(any_shop, {}, 5), whole(any_shop, {}, 5, sk="absent")])
    assert [failure.key for failure in outcome.failures] == [("p", "s"), ("p", "absent")]


def test_equal_numbers_are_one_key(any_shop: Shop) -> None:
    table = any_shop.prefix + "purchases"
    for key, place in (((1, Decimal(2)), 5), ((1, 2), 6)):
        any_shop.writer().apply([Patch(table, key, "x", {"x": {"N": str(place)}}, at(place))])
    assert any_shop.visible("purchases")[0]["x"] == {"N": "6"}


def test_an_endpoint_that_refuses_and_does_not_tell_the_item_makes_no_difference(real_shop: Shop) -> None:
    """As ScyllaDB's Alternator before it knew ReturnValuesOnConditionCheckFailure: what is in the way is read then."""
    with FaultProxy(real_shop.dynamodb.meta.endpoint_url, Rule(forgetful)) as proxy:
        writer = real_shop.writer(dynamodb=client("dynamodb", proxy.url))
        for places in ([5, 3, 5, 7], [9, 6, 8, 8]):
            for place in places:
                patches = [whole(real_shop, {"at": {"N": str(place)}}, place)]
                patches += [slot(real_shop, name, place, place + shift) for shift, name in enumerate("xyz")]
                outcome = writer.apply(patches)
                assert not outcome.failures
            newest = max(places)
            assert real_shop.visible("app") == [{"pk": {"S": "p"}, "sk": {"S": "s"}, "at": {"N": str(newest)}}]
            (grouped,) = real_shop.visible("purchases")
            assert [grouped[name]["N"] for name in "xyz"] == [str(newest)] * 3
        assert proxy.calls["BatchGetItem"] > 0
        real_shop.writer("shop.0000000b").apply([whole(real_shop, {}, 9, sk="foreign")])
        (failure,) = writer.apply([whole(real_shop, {}, 10, sk="foreign")]).failures
        assert isinstance(failure.error, Foreign)


def test_lost_answers_and_throttles_end_in_the_same_items(real_shop: Shop) -> None:
    """A write whose answer was lost meets its own version at the second try: stale, and in the table."""
    url = real_shop.dynamodb.meta.endpoint_url
    faults = [
        Rule(fault, ("PutItem", "UpdateItem"), 0.08) for fault in (reset_after, reset_before, throttle, duplicate)
    ]
    with FaultProxy(url, *faults, seed=1) as proxy:
        writer = real_shop.writer(dynamodb=client("dynamodb", proxy.url))
        for place in range(1, 6):
            patches = [whole(real_shop, {"at": {"N": str(place)}}, place, f"{n}") for n in range(8)]
            patches += [slot(real_shop, f"p{number}", place, place) for number in range(8)]
            outcome = writer.apply(patches)
            assert not outcome.failures
            assert outcome.set + outcome.stale == 16
        assert min(proxy.faults[name] for name in ("reset_after", "reset_before", "throttle", "duplicate")) > 0
    expected = [{"pk": {"S": "p"}, "sk": {"S": f"{n}"}, "at": {"N": "5"}} for n in range(8)]
    assert real_shop.visible("app") == in_order(expected)
    (grouped,) = real_shop.visible("purchases")
    assert {grouped[f"p{number}"]["N"] for number in range(8)} == {"5"}
