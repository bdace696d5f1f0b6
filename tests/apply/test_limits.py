"""DynamoDB's limits at their edges: what our own checks let pass the service takes, and what they refuse it refuses.

That it refuses is asked of DynamoDB Local, which has AWS's rules; other endpoints are lenient. docs/limits.md has all.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keymap.attributes import ITEM_BYTES_MAX, attribute, item_size, oversize
from keymap.conversions import converted
from keymap.items import whole_item
from keymap.patch import WHOLE, Item, Patch
from keymap.rules import Keymap, parse_keymap
from keymap.template import PatchError
from keymap.updates import ATTRIBUTES_PER_UPDATE_MAX, SLOTS_PER_UPDATE_MAX, per_update, update_merged, update_request
from keymap.values import Json, json_text
from keymap.version import version
from keyshift.apply.refusals import Poison
from keyshift.aws import items
from keyshift.aws.clients import error_code, make_clients
from keyshift.cli.demo.endpoints import Endpoints
from tests.apply.club import TABLES
from tests.apply.club import TEXT as CLUB
from tests.apply.conftest import Shop
from tests.apply.keymaps import MIGRATION, create_tables
from tests.servers.aws import client, isolate, unique

TEXT = CLUB.replace(
    "tables:\n",
    """\
  {prefix}texts:
    partition_key: {{pk: S}}
    sort_key: {{sk: S}}
  {prefix}bytes:
    partition_key: {{pk: B}}
    sort_key: {{sk: B}}
  {prefix}numbers:
    partition_key: {{pk: N}}
tables:
  edge.text: [{{target: {prefix}texts, key: {{pk: "{{a}}", sk: "{{b}}"}}}}]
  edge.byte: [{{target: {prefix}bytes, key: {{pk: "{{a}}", sk: "{{b}}"}}}}]
  edge.number: [{{target: {prefix}numbers, key: {{pk: "{{a}}"}}}}]
  edge.slot:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{attribute: "{{name}}", value: text}}
  edge.whole: [{{target: {prefix}texts, key: {{pk: "{{a}}", sk: "{{b}}"}}, include: [document]}}]
  edge.attribute:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{attribute: "document_{{name}}", value: document}}
  edge.named:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{attribute: "named_{{name}}"}}
      include: [document]
  edge.entry:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{map: documents, entry: "{{name}}", value: document}}
  edge.filled:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{map: filled, entry: "{{name}}"}}
      include: [document]
  edge.inner:
    - target: {prefix}texts
      key: {{pk: "{{a}}", sk: "{{b}}"}}
      include: []
      attributes: {{outer: {{map: {{inner: {{map: {{document: "{{document}}"}}}}}}}}}}
  edge.passed:
    - target: {prefix}seats
      key: {{pk: "PASSED#{{a}}"}}
      include: [document]
      owner: [b]
  edge.passed_on:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{map: passed, entry: "{{name}}"}}
      include: [document]
      owner: [b]
""",
)
EXPRESSION_BYTES_MAX, OPERATORS_MAX = 4096, 300  # of one expression
# How many lists and maps may be within each other in a document: what they hold is the 32nd level. Around it may be a
# group's map, that of a row's attributes, maps of the rule's own, and the three that keep what other owners have.
DEPTHS = {
    "whole": 31,
    "attribute": 31,
    "named": 30,
    "entry": 30,
    "filled": 29,
    "inner": 29,
    "passed": 28,
    "passed_on": 27,
}


@pytest.fixture(scope="module")
def edge(endpoints: Endpoints) -> Iterator[Shop]:
    prefix = unique("edge") + "-"
    keymap = parse_keymap(TEXT.format(prefix=prefix), "keymap.yaml")
    with ThreadPoolExecutor(2) as executor:
        found = Shop(keymap, client("dynamodb", endpoints, attempts=3), prefix, executor)
        create_tables(found.dynamodb, keymap)
        yield found
    for name in keymap.targets:
        found.dynamodb.delete_table(TableName=name)


@pytest.fixture
def strict(endpoints: Endpoints) -> bool:
    """Whether the endpoint is DynamoDB Local."""
    return endpoints.urls["dynamodb"] != endpoints.url


def takes(edge: Shop, table: str, item: Item) -> bool:
    """Whether the service takes an item."""
    try:
        edge.dynamodb.put_item(TableName=edge.prefix + table, Item=item)
    except ClientError as error:
        if error_code(error) != "ValidationException":
            raise
        return False
    return True


def text_patch(edge: Shop, attributes: Item, at: int = 1) -> Patch:
    return Patch(edge.prefix + "texts", ("p", "ü"), WHOLE, attributes, version(1, 1, at, 0))


def is_poison(edge: Shop, *patches: Patch) -> bool:
    """What becomes of patches: all written, or set apart by a reason that stands for ever."""
    failures = edge.writer().apply(patches).failures
    assert all(isinstance(one.error, Poison) for one in failures), failures
    return bool(failures)


SHAPES: dict[str, Item] = {
    "text": {},
    "text of many bytes": {"naïve": {"S": "日本" * 30_000}},
    "bytes": {"blob": {"B": b"\x00\xff" * 100_000}},
    "numbers": {
        f"n{place}": {"N": text}
        for place, text in enumerate(
            ["0", "7", "-7", "12", "100", "-123", "0.5", "-100.001", "1E+100", "-1E-130", "9" * 38, "0.001"]
        )
    },
    "documents": {"doc": attribute(Json('{"a": [1, "x", null, true, {"b": []}], "é": -1.5}')) or {}},
    "sets": {"set": {"SS": ["a", "bc", "ü"]}, "numbers": {"NS": ["1", "-2.5"]}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_item_of_400_kb_with_names_and_bookkeeping_is_taken_and_one_byte_more_is_not(
    edge: Shop, strict: bool, shape: str
) -> None:
    def patch(fill: int) -> Patch:
        return text_patch(edge, {**SHAPES[shape], "fill": {"S": "x" * fill}})

    fill = ITEM_BYTES_MAX - item_size(whole_item(edge.keymap, MIGRATION, patch(0)))
    most, over = (whole_item(edge.keymap, MIGRATION, patch(fill + more)) for more in (0, 1))
    assert (item_size(most), oversize(most), oversize(over)) == (ITEM_BYTES_MAX, 0, ITEM_BYTES_MAX + 1)
    assert takes(edge, "texts", most)
    assert not (strict and takes(edge, "texts", over))
    edge.dynamodb.delete_item(TableName=edge.prefix + "texts", Key={name: most[name] for name in ("pk", "sk")})
    assert not is_poison(edge, patch(fill))
    assert is_poison(edge, replace(patch(fill + 1), version=version(1, 1, 2, 0)))


def test_an_item_that_grows_to_400_kb_is_taken_and_by_one_byte_more_is_not(edge: Shop, strict: bool) -> None:
    def slot(name: str, size: int, at: int) -> Patch:
        row = {"number": 400, "name": name, "text": "x" * size}
        (patch,) = edge.keymap.row_patches("edge.slot", row, version(1, 1, at, 0))
        return patch

    assert not is_poison(edge, slot("a", 200_000, 1))
    assert not is_poison(edge, slot("b", 0, 1))
    (item,) = (one for one in edge.items("bookings") if one["number"] == {"N": "400"})
    left = ITEM_BYTES_MAX - item_size(item)
    assert not is_poison(edge, slot("b", left, 2))
    assert is_poison(edge, slot("b", left + 1, 3)) or not strict


KEYS: dict[str, tuple[Any, Any]] = {"text": ("x", "x"), "text of many bytes": ("é", "é"), "byte": (b"\xff", b"\x00")}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_2048_and_1024_bytes_are_taken_and_longer_and_empty_ones_are_not(
    edge: Shop, strict: bool, kind: str
) -> None:
    partition, sort = KEYS[kind]
    table = "byte" if kind == "byte" else "text"
    width = len(partition.encode()) if isinstance(partition, str) else 1
    one_more = b"x" if table == "byte" else "x"
    longest = {"a": partition * (2048 // width), "b": sort * (1024 // width)}
    (patch,) = edge.keymap.row_patches(f"edge.{table}", longest, version(1, 1, 1, 0))
    assert not is_poison(edge, patch)
    for name, value in longest.items():
        for wrong in (value + one_more, value[:0]):
            with pytest.raises(PatchError, match="bytes, and DynamoDB takes 1 to"):
                edge.keymap.row_patches(f"edge.{table}", {**longest, name: wrong}, version(1, 1, 1, 0))
            key = {"pk": longest["a"], "sk": longest["b"], "pk" if name == "a" else "sk": wrong}
            item = {part: {"B" if table == "byte" else "S": value} for part, value in key.items()}
            assert not (strict and takes(edge, f"{table}s", item))


IN_RANGE = ["9" * 38, "-" + "9" * 38, "1E-130", "-1E-130", "9." + "9" * 37 + "E+125", "0." + "1" * 38, "0", "1E+125"]
OUT_OF_RANGE = ["1" + "0" * 37 + "1", "1" * 39, "0." + "1" * 39, "1E+126", "9E-131", "1" + "0" * 126]


@pytest.mark.parametrize("text", IN_RANGE + OUT_OF_RANGE)
def test_numbers_up_to_38_digits_and_their_range_are_numbers_and_others_text(
    edge: Shop, strict: bool, text: str
) -> None:
    """None is rounded: what the service gives back is the number that it was given."""
    held = attribute(Decimal(text))
    assert held
    assert list(held) == ["N" if text in IN_RANGE else "S"]
    key = {"pk": {"S": "number"}, "sk": {"S": text}}
    assert takes(edge, "texts", {**key, "n": held})
    back = edge.dynamodb.get_item(TableName=edge.prefix + "texts", Key=key)["Item"]["n"]
    assert Decimal(*back.values()) == Decimal(text)
    assert not (strict and text in OUT_OF_RANGE and takes(edge, "texts", {**key, "n": {"N": text}}))


@pytest.mark.parametrize("text", ["9" * 38, "1E-130", "9E+125", "1" * 39, "1E+126", "9E-131"])
def test_a_number_that_is_a_key_is_in_range_or_refused(edge: Shop, strict: bool, text: str) -> None:
    row = {"a": Decimal(text)}
    if text in {"9" * 38, "1E-130", "9E+125"}:
        assert not is_poison(edge, *edge.keymap.row_patches("edge.number", row, version(1, 1, 1, 0)))
        return
    with pytest.raises(PatchError):
        edge.keymap.row_patches("edge.number", row, version(1, 1, 1, 0))
    assert not (strict and takes(edge, "numbers", {"pk": {"N": text}}))


def test_empty_text_and_bytes_are_values_and_an_empty_set_is_none(edge: Shop) -> None:
    assert attribute(()) is None
    values = {name: attribute(value) or {} for name, value in (("text", ""), ("bytes", b""), ("list", Json("[]")))}
    assert not is_poison(edge, text_patch(edge, values, 9))
    assert values.items() <= next(one for one in edge.items("texts") if one["sk"] == {"S": "ü"}).items()


def nested(levels: int) -> Json:
    """A document of so many lists and objects within each other."""
    document = "1"
    for level in range(levels):
        document = f"[{document}]" if level % 2 else f'{{"a":{document}}}'
    return Json(document)


def one_and_the_next(edge: Shop, kind: str, levels: int) -> list[Patch]:
    """Two rows with such a document, one after the other in one slot: where it has owners, it keeps both."""
    rows = [{"a": "nested", "b": owner, "number": 31, "name": "n", "document": nested(levels)} for owner in "12"]
    found = [edge.keymap.row_patches(f"edge.{kind}", row, version(1, 1, at, 0)) for at, row in enumerate(rows, 1)]
    return [patch for (patch,) in found]


@pytest.mark.parametrize("kind", DEPTHS)
def test_documents_nested_deeper_than_32_levels_are_refused_before_dynamodb_would(
    edge: Shop, strict: bool, kind: str
) -> None:
    """And none that is not: whatever is around them."""
    most = one_and_the_next(edge, kind, DEPTHS[kind])
    assert [is_poison(edge, patch) for patch in most] == [False, False]
    with pytest.raises(PatchError, match=f"document.* more than {DEPTHS[kind]} objects and arrays are within each"):
        one_and_the_next(edge, kind, DEPTHS[kind] + 1)
    deeper = [
        replace(
            patch,
            attributes={name: {"L": [value]} for name, value in (patch.attributes or {}).items()},
            version=version(1, 2, at, 0),
        )
        for at, patch in enumerate(most)
    ]
    refused = [is_poison(edge, patch) for patch in deeper]
    assert any(refused) or not strict


EMPTY: dict[str, dict[str, Any]] = {  # documents, and their attributes
    '{"": 1}': {"M": {"": {"N": "1"}}},
    '[{"a": {"" : "x"}}]': {"L": [{"M": {"a": {"M": {"": {"S": "x"}}}}}]},
    '{"a": {"": {}}, "b": 1.50}': {"M": {"a": {"M": {"": {"M": {}}}}, "b": {"N": "1.5"}}},
}


@pytest.mark.parametrize("text", EMPTY)
def test_keys_of_objects_are_never_empty(edge: Shop, strict: bool, text: str) -> None:
    """As MySQL's JSON and as text, which MariaDB's is."""
    row: dict[str, Any] = {"a": "empty", "b": "key", "document": json_text(text)}
    told = "column document holds a JSON document that DynamoDB does not take: a key of an object is empty"
    with pytest.raises(PatchError, match=told):
        edge.keymap.row_patches("edge.whole", row, version(1, 1, 1, 0))
    with pytest.raises(PatchError, match=told):
        converted(text, "JSON", "document")
    key = {"pk": {"S": "p"}, "sk": {"S": "k"}}
    assert not (strict and takes(edge, "texts", {**key, "x": EMPTY[text]}))
    fine = attribute(json_text(r'{"a": "", "b\"": 1, " ": [""]}'))
    assert fine
    assert takes(edge, "texts", {**key, "x": fine})


@pytest.mark.parametrize("name", ["x" * 65_535, "é" * 32_767])
def test_keys_of_objects_have_65535_bytes_at_most(name: str) -> None:
    """Nobody here enforces it: DynamoDB Local fails from 32 KB on."""
    assert attribute(json_text(json.dumps({"a": [{name: 1}]})))
    for document_text in (json.dumps({name + "x" * 2: 1}), json.dumps([{name + "é": "x"}])):
        with pytest.raises(PatchError, match="a key of an object has more than 65535 bytes"):
            converted(document_text, "JSON", "document")


def test_names_that_data_makes_may_be_long_and_nothing_is_called_nothing(edge: Shop) -> None:
    """The mark's name is longer still. DynamoDB Local fails from 32 KB on, and AWS takes 64 KB."""
    row = {"number": 64, "name": "é" + "x" * 30_000, "text": "t"}
    assert not is_poison(edge, *edge.keymap.row_patches("edge.slot", row, version(1, 1, 1, 0)))
    with pytest.raises(PatchError):
        edge.keymap.row_patches("edge.slot", {**row, "name": ""}, version(1, 1, 1, 0))


def rows_of_one_item(kind: str, count: int) -> Iterator[tuple[str, Any]]:
    """Rows whose slots are parts of one item."""
    for at in range(count):
        columns: dict[str, Any] = {"id": at, "number": 1, "line": 10_000 + at, "name": f"name {at:05d}", "text": "t"}
        if kind == "booking":
            wide = {f"column_{number:03d}": "v" for number in range(ATTRIBUTES_PER_UPDATE_MAX - 4)}
            yield "club.booking", {"id": at, "number": 1, "state": "held", "text": "t", **wide}
        elif kind == "slot":
            yield "edge.slot", {name: columns[name] for name in ("number", "name", "text")}
        else:
            yield f"club.{kind}", {name: columns[name] for part in TABLES[kind] for name in part}


def patches_of(keymap: Keymap, kind: str, count: int, at: int) -> list[Patch]:
    return [
        patch
        for table, row in rows_of_one_item(kind, count)
        for patch in keymap.row_patches(table, row, version(9999, 2**31 - 1, 2**42 + at, 999_999_999))
    ]


def operators_of(expression: str) -> int:
    return len(re.findall(r"\b(AND|OR|attribute_not_exists|attribute_exists)\b|[=<]", expression))


def require_small(request: dict[str, Any]) -> None:
    for expression in (request["UpdateExpression"], request["ConditionExpression"]):
        assert len(expression.encode()) <= EXPRESSION_BYTES_MAX
        assert operators_of(expression) <= OPERATORS_MAX


@pytest.mark.parametrize("kind", ["slot", "remark", "guest", "extra", "booking"])
def test_as_many_slots_as_share_an_update_fit_its_expressions(edge: Shop, kind: str) -> None:
    """New, changed, passed on to other owners, and removed; the service takes each."""
    keymap, writer = edge.keymap, edge.writer()
    count = (
        SLOTS_PER_UPDATE_MAX if kind in {"slot", "remark"} else 1 if kind == "booking" else SLOTS_PER_UPDATE_MAX // 3
    )
    first = patches_of(keymap, kind, count, 1)
    assert len(list(per_update(first))) == 1
    assert len(list(per_update(patches_of(keymap, kind, 2 if kind == "booking" else count + 1, 1)))) == 2
    passed = [
        replace(one, owner="f" * 16 if one.owner else "", version=version(9999, 2**31 - 1, 2**42 + 3, 0))
        for one in first
    ]
    removed = [replace(one, attributes=None, version=version(9999, 2**31 - 1, 2**42 + 4, 0)) for one in passed]
    for patches in (first, patches_of(keymap, kind, count, 2), passed, removed):
        held = next((one for one in edge.items("bookings") if one["number"] == {"N": "1"}), {})
        for old in (None, {}, held):
            require_small(update_request(keymap, MIGRATION, patches, old))
        require_small(update_merged(keymap, MIGRATION, patches, held)[0])
        outcome = writer.apply(patches)
        assert not outcome.failures
        assert outcome.set + outcome.removed == len(patches)
    edge.dynamodb.delete_item(TableName=edge.prefix + "bookings", Key={"number": {"N": "1"}})


@pytest.mark.parametrize(
    ("filled", "count"),
    [({"B": b"\xff" * 400_000}, 25), ({"S": "\x01" * 400_000}, 9)],
    ids=["bytes", "text that JSON escapes"],
)
def test_a_batch_of_the_largest_items_is_put(
    endpoints: Endpoints, edge: Shop, filled: Any, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25 items of bytes are 13.4 MB, and 9 of text of which each character takes six bytes are 21: more than 16."""
    isolate(monkeypatch)
    table = edge.prefix + "texts"
    clients = make_clients("us-east-1", endpoints.urls)
    every = [{"pk": {"S": "large"}, "sk": {"S": str(at)}, "fill": filled} for at in range(count)]
    items.batch_put(clients.dynamodb, {table: every})
    found = list(
        items.batch_get(clients.dynamodb, table, [{name: one[name] for name in ("pk", "sk")} for one in every])
    )
    clients.close()
    assert len(found) == count
