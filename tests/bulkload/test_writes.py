"""From rows to writes: however a table is cut into chunks, the items are the same; and all bad rows are named."""

import re
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bulkload.load.rejects import problems
from bulkload.load.writes import ChunkRows, ChunkWrites, plan_writes
from keymap.attributes import ITEM_BYTES_MAX, item_size
from keymap.items import group_item, whole_item
from keymap.patch import Item, Key, Patch
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keymap.values import Row, json_text
from keymap.version import floor
from keyshift.aws.slots import write_slots
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.keymap.keymaps import CUSTOMER, ORDERS, PURCHASE, keymap

MIGRATION = "shop.0000000a"
KEYMAP = keymap()
KEYS = {"purchases": ("customerid", "orderid"), "app": ("pk", "sk")}

purchases = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 60)), unique=True, max_size=80).map(
    sorted
)


def purchase(key: tuple[int, int, int]) -> Row:
    return {**dict(zip(PURCHASE.primary_key, key, strict=True)), "quantity": sum(key)}


def order(number: int, **other: object) -> Row:
    row = {"id": number, "customer_id": 1, "status": "paid", "total": 5, "note": None}
    return {column.name: None for column in ORDERS.columns} | row | other  # type: ignore[return-value]


def planned(schema: TableSchema, rows: Sequence[Row], uncut: int = 0, using: Keymap = KEYMAP) -> ChunkWrites:
    return plan_writes(using, MIGRATION, ChunkRows(schema, rows, uncut, floor(1)))


def written(fake: FakeDynamoDB, writes: ChunkWrites) -> None:
    """Carry the writes out as the load does: puts replace, updates are guarded."""
    for table, item in writes.puts:
        fake.put_item(TableName=table, Item=item)
    for patches in writes.guarded:
        write_slots(fake, KEYMAP, MIGRATION, patches, guess={})  # type: ignore[arg-type]


def stored(fake: FakeDynamoDB) -> dict[Key, Item]:
    """The items without their write counter, which says how often and not what."""
    target = KEYMAP.targets["purchases"]
    return {
        target.key_of(item): {name: value for name, value in item.items() if name != KEYMAP.bookkeeping.revision}
        for item in fake.items("purchases")
    }


def expected(keys: Sequence[tuple[int, int, int]]) -> dict[Key, Item]:
    groups: dict[Key, list[Patch]] = {}
    for key in keys:
        for patch in KEYMAP.row_patches("shop.purchase", purchase(key), floor(1)):
            groups.setdefault(patch.key, []).append(patch)
    items = {key: group_item(KEYMAP, MIGRATION, patches) for key, patches in groups.items()}
    return {
        key: {name: value for name, value in item.items() if name != KEYMAP.bookkeeping.revision}
        for key, item in items.items()
    }


@given(purchases, st.sets(st.integers(0, 80)))
def test_chunks_that_cut_groups_still_give_whole_items(keys: list[tuple[int, int, int]], cuts: set[int]) -> None:
    fake = FakeDynamoDB(KEYS)
    begins = [0, *sorted(cut for cut in cuts if 0 < cut < len(keys)), len(keys)]
    for begin, end in pairwise(begins):
        writes = planned(PURCHASE, list(map(purchase, keys[begin:end])))
        assert not writes.puts
        written(fake, writes)
    assert stored(fake) == expected(keys)


@given(purchases)
def test_groups_that_lie_whole_in_their_chunk_are_put(keys: list[tuple[int, int, int]]) -> None:
    fake = FakeDynamoDB(KEYS)
    for customer in (1, 2, 3):
        writes = planned(PURCHASE, [purchase(key) for key in keys if key[0] == customer], uncut=1)
        assert not writes.guarded
        written(fake, writes)
    assert stored(fake) == expected(keys)


def test_a_chunk_cut_by_more_columns_than_the_group_has_is_not_put() -> None:
    """Recorded as uncut by three columns, a chunk may still cut a group of two."""
    writes = planned(PURCHASE, [purchase((1, 1, 1))], uncut=3)
    assert not writes.puts
    assert len(writes.guarded) == 1


def test_a_group_of_many_slots_becomes_several_updates() -> None:
    """One expression has limits; all slots are still written, each once."""
    rows = [purchase((1, 1, product)) for product in range(100)]
    updates = planned(PURCHASE, rows).guarded
    assert len(updates) == 3
    assert sorted(patch.slot for patches in updates for patch in patches) == sorted(f"productid{n}" for n in range(100))


def test_one_row_items_are_put_and_filtered_rows_are_not_written() -> None:
    writes = planned(ORDERS, [order(1), order(2, status="draft"), order(3)])
    (first, _) = (KEYMAP.row_patches("shop.orders", order(number), floor(1))[0] for number in (1, 3))
    assert [table for table, _ in writes.puts] == ["app", "app"]
    assert writes.puts[0][1] == whole_item(KEYMAP, MIGRATION, first)
    assert not writes.guarded
    assert writes.items == 2


@given(st.lists(st.integers(1, 5), max_size=8))
def test_no_two_puts_of_a_chunk_have_one_key(numbers: list[int]) -> None:
    """DynamoDB refuses such a batch; and which of the two rows is right, nobody can know."""
    rows = list(map(order, numbers))
    writes = planned(ORDERS, rows)
    keys = [KEYMAP.targets[table].key_of(item) for table, item in writes.puts]
    assert len(keys) == len(set(keys)) == len(set(numbers))
    assert len(writes.rejects) == len(numbers) - len(set(numbers))
    for reject in writes.rejects:
        assert reject.reason.startswith("it falls on the same slot of one item of app as row shop.orders (id=")


BAD_KEYS = keymap(
    """\
keyshift: 1
targets: {app: {partition_key: {pk: S}, sort_key: {sk: S}}}
tables:
  shop.customer:
    - {target: app, key: {pk: "{name}", sk: "ID{id}"}}
"""
)


def customer(number: int, name: str, **other: object) -> Row:
    columns = {column.name: None for column in CUSTOMER.columns}
    return columns | {"id": number, "name": name} | other  # type: ignore[return-value]


def test_all_rows_that_cannot_be_written_are_named_by_their_primary_key_only() -> None:
    rows = [customer(1, ""), customer(2, "fine"), customer(3, "secret" * 400), customer(4, "n" * ITEM_BYTES_MAX)]
    writes = planned(CUSTOMER, rows, using=BAD_KEYS)
    assert [reject.key for reject in writes.rejects] == [(1,), (3,), (4,)]
    told = problems(writes.rejects, CUSTOMER)
    assert [problem.where for problem in told] == [f"row shop.customer (id={number})" for number in (1, 3, 4)]
    assert "pk has 0 bytes" in told[0].what
    assert "pk has 2400 bytes" in told[1].what
    assert "secret" not in str(told)
    assert [item["id"] for _, item in writes.puts] == [{"N": "2"}]


def test_an_item_over_400_kb_is_refused_with_its_size() -> None:
    writes = planned(ORDERS, [order(6), order(7, status="x" * ITEM_BYTES_MAX)])
    (reject,) = writes.rejects
    assert reject.key == (7,)
    assert re.match(r"the item of app would have \d{6} bytes", reject.reason)
    assert len(writes.puts) == 1


def test_a_document_that_dynamodb_does_not_take_is_a_reject_with_its_column_and_the_way_on() -> None:
    """Where rows are put whole, and where they share items; nothing of it is sent."""
    for grouped in (False, True):
        rule = "group: {attribute: 'x{id}', value: details}" if grouped else "types: {}"
        using = keymap(f"""\
keyshift: 1
targets: {{app: {{partition_key: {{pk: S}}}}}}
tables:
  shop.customer:
    - {{target: app, key: {{pk: "{"all" if grouped else "{id}"}"}}, {rule}}}
""")
        empty = json_text('{"a": [{"": "secret"}]}')
        writes = planned(
            CUSTOMER, [customer(1, "", details=json_text("{}")), customer(2, "", details=empty)], using=using
        )
        (reject,) = writes.rejects
        assert reject.key == (2,)
        assert "column details holds a JSON document that DynamoDB does not take: a key of an obj" in reject.reason
        assert reject.remedy.startswith("Store the column as text, with types: {details: S}, or exclude it, or correct")
        assert writes.items == 1


def test_an_item_of_exactly_400_kb_is_put() -> None:
    (_, item) = planned(ORDERS, [order(7, status="")]).puts[0]
    status = "x" * (ITEM_BYTES_MAX - item_size(item))
    assert item_size(planned(ORDERS, [order(7, status=status)]).puts[0][1]) == ITEM_BYTES_MAX
    assert planned(ORDERS, [order(7, status=status + "x")]).rejects


def test_an_error_does_not_drown_in_its_rows() -> None:
    rows = [customer(number, "") for number in range(1000)]
    told = problems(planned(CUSTOMER, rows, using=BAD_KEYS).rejects, CUSTOMER)
    assert len(told) == 21
    assert "980 more rows" in told[-1].what
