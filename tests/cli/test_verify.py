"""verify at rest, on real servers: it finds each kind of planted difference, and only those."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keymap.version import floor, version
from keyshift.control.phase import close
from tests.cli.conftest import Project
from tests.cli.steps import answer_of, load, store_of

pytestmark = pytest.mark.any_pair

Found = tuple[str, str, tuple[object, ...], str]  # kind, table without its prefix, key, slot


class Both:
    """Both sides of a loaded migration, to plant differences in, and to put back as they were."""

    def __init__(self, project: Project) -> None:
        self.project, self.dynamodb = project, project.aws("dynamodb")
        self.app, self.groups = f"{project.name}-app", f"{project.name}-groups"
        self.items = {table: self.dynamodb.scan(TableName=table)["Items"] for table in (self.app, self.groups)}
        self.migration = store_of(project).id
        self.touched: list[tuple[str, dict[str, Any]]] = []

    def order_key(self, number: int) -> dict[str, Any]:
        return {"pk": {"S": f"CUSTOMER#{number % 3}"}, "sk": {"S": f"ORDER#{number:06d}"}}

    def group_key(self, order: int) -> dict[str, Any]:
        return {"customerid": {"N": str(order % 2)}, "orderid": {"N": str(order)}}

    def put(self, table: str, item: dict[str, Any]) -> None:
        keys = ("pk", "sk") if table == self.app else ("customerid", "orderid")
        self.touched.append((table, {name: item[name] for name in keys}))
        self.dynamodb.put_item(TableName=table, Item=item)

    def change(self, table: str, key: dict[str, Any], removed: list[str], **changes: dict[str, Any]) -> None:
        item = self.dynamodb.get_item(TableName=table, Key=key)["Item"]
        self.put(table, {name: value for name, value in (item | changes).items() if name not in removed})

    def delete(self, table: str, key: dict[str, Any]) -> None:
        self.touched.append((table, key))
        self.dynamodb.delete_item(TableName=table, Key=key)

    def restore(self) -> None:
        for table, key in self.touched:
            self.dynamodb.delete_item(TableName=table, Key=key)
        for table, items in self.items.items():
            for item in items:
                if any(item.items() >= key.items() for held, key in self.touched if held == table):
                    self.dynamodb.put_item(TableName=table, Item=item)
        self.touched.clear()
        self.project.execute("REPLACE INTO orders VALUES (10, 1, 10.50, 'note 10'), (11, 2, 11.50, 'note 11')")
        self.project.execute("DELETE FROM orders WHERE id >= 100")

    def found(self) -> Counter[Found]:
        report = answer_of(self.project, "verify")
        prefix = f"{self.project.name}-"
        found = Counter(
            (one["kind"], one["table"].removeprefix(prefix), tuple(one["key"]), one["slot"])
            for one in report["examples"]
        )
        assert report["differences"] == found.total()
        assert report["clean"] == (not found)
        return found


def item_deleted(both: Both) -> list[Found]:
    both.delete(both.app, both.order_key(0))
    return [("missing", "app", ("CUSTOMER#0", "ORDER#000000"), "")]


def value_changed(both: Both) -> list[Found]:
    both.change(both.app, both.order_key(1), [], total={"N": "99"})
    return [("different", "app", ("CUSTOMER#1", "ORDER#000001"), "")]


def attribute_removed(both: Both) -> list[Found]:
    both.change(both.app, both.order_key(2), ["note"])
    return [("different", "app", ("CUSTOMER#2", "ORDER#000002"), "")]


def number_written_otherwise(both: Both) -> list[Found]:
    both.change(both.app, both.order_key(3), [], total={"N": "3.500000"})
    return []


def item_made_foreign(both: Both) -> list[Found]:
    both.change(both.app, both.order_key(4), ["_ks_m", "_ks_v"])
    key = ("CUSTOMER#1", "ORDER#000004")
    return [("foreign", "app", key, ""), ("missing", "app", key, "")]


def foreign_item_added(both: Both) -> list[Found]:
    both.put(both.app, {"pk": {"S": "CONFIG"}, "sk": {"S": "x"}, "v": {"S": "1"}})
    return [("foreign", "app", ("CONFIG", "x"), "")]


def item_of_another_migration_added(both: Both) -> list[Found]:
    item = {"pk": {"S": "P"}, "sk": {"S": "P"}, "_ks_m": {"S": "other.01234567"}, "_ks_v": {"S": floor(1)}}
    both.put(both.app, item)
    return [("foreign", "app", ("P", "P"), "")]


def extra_item_added(both: Both) -> list[Found]:
    item = {"pk": {"S": "X"}, "sk": {"S": "X"}, "_ks_m": {"S": both.migration}, "_ks_v": {"S": floor(1)}}
    both.put(both.app, item)
    return [("extra", "app", ("X", "X"), "")]


def tombstone_added(both: Both) -> list[Found]:
    item = {"pk": {"S": "T"}, "sk": {"S": "T"}, "_ks_m": {"S": both.migration}, "_ks_v": {"S": floor(1) + "x"}}
    both.put(both.app, item)
    return []


def mark_made_newer(both: Both) -> list[Found]:
    both.change(both.app, both.order_key(5), [], _ks_v={"S": version(1, 7, 7, 0)})
    return []


def slot_removed(both: Both) -> list[Found]:
    both.change(both.groups, both.group_key(0), ["p0", "_ks_v.p0"])
    return [("missing", "groups", (0, 0), "p0")]


def slot_changed(both: Both) -> list[Found]:
    both.change(both.groups, both.group_key(1), [], p1={"N": "77"})
    return [("different", "groups", (1, 1), "p1")]


def slot_added(both: Both) -> list[Found]:
    both.change(both.groups, both.group_key(2), [], p9={"N": "1"}, **{"_ks_v.p9": {"S": floor(1)}})
    return [("extra", "groups", (0, 2), "p9")]


def slot_tombstone_added(both: Both) -> list[Found]:
    both.change(both.groups, both.group_key(3), [], **{"_ks_v.p9": {"S": floor(1) + "x"}})
    return []


def row_deleted(both: Both) -> list[Found]:
    both.project.execute("DELETE FROM orders WHERE id = 10")
    return [("extra", "app", ("CUSTOMER#1", "ORDER#000010"), "")]


def row_moved(both: Both) -> list[Found]:
    both.project.execute("UPDATE orders SET customer_id = 0 WHERE id = 11")
    return [
        ("extra", "app", ("CUSTOMER#2", "ORDER#000011"), ""),
        ("missing", "app", ("CUSTOMER#0", "ORDER#000011"), ""),
    ]


def row_inserted(both: Both) -> list[Found]:
    both.project.execute("INSERT INTO orders VALUES (100, 0, NULL, NULL)")
    return [("missing", "app", ("CUSTOMER#0", "ORDER#000100"), "")]


PLANTS: list[Callable[[Both], list[Found]]] = [
    item_deleted,
    value_changed,
    attribute_removed,
    number_written_otherwise,
    item_made_foreign,
    foreign_item_added,
    item_of_another_migration_added,
    extra_item_added,
    tombstone_added,
    mark_made_newer,
    slot_removed,
    slot_changed,
    slot_added,
    slot_tombstone_added,
    row_deleted,
    row_moved,
    row_inserted,
]


@pytest.fixture
def both(project: Project) -> Both:
    """Nothing is on its way: replay is closed."""
    load(project)
    close(store_of(project))
    return Both(project)


def test_each_planted_difference_is_found_and_only_those(both: Both) -> None:
    @settings(max_examples=40, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.sampled_from(PLANTS), unique=True))
    def look(planted: list[Callable[[Both], list[Found]]]) -> None:
        try:
            expected = Counter(one for plant in planted for one in plant(both))
            assert both.found() == expected
        finally:
            both.restore()

    look()


def test_exit_code_and_text_show_both_values(both: Both) -> None:
    assert both.project.keyshift("verify").code == 0
    value_changed(both)
    item_deleted(both)
    answer = both.project.keyshift("verify")
    assert answer.code == 1
    assert '    source    {"total": {"N": "1.5"}}' in answer.out
    assert '    DynamoDB  {"total": {"N": "99"}}' in answer.out
    assert "    DynamoDB  nothing" in answer.out
    assert "1 missing, 1 different, 0 collision, 0 extra, 0 foreign" in answer.out


def test_the_shown_differences_are_limited_and_the_counts_are_not(both: Both) -> None:
    for number in range(20):
        both.delete(both.app, both.order_key(number))
    answer = both.project.keyshift("verify", "--limit", "2")
    assert answer.out.count("ORDER#") == 2
    assert "and 18 more missing" in answer.out
    assert "20 missing" in answer.out
