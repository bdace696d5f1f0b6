"""A keymap's mistakes are reported all at once, each with its file and line and what to do."""

import pytest

from keymap.document import parse_document
from keymap.errors import Problems
from keymap.rules import load_keymap, parse_keymap
from tests.keymap.keymaps import TEXT


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as found:
        parse_keymap(text, "keymap.yaml")
    return [f"{problem.where} {problem.what}" for problem in found.value.problems]


def test_all_mistakes_come_at_once_with_their_lines() -> None:
    text = TEXT.replace("sort_key: {orderid: N}", "sort_key: {orderid: X}")
    text = text.replace("exclude: [note]", "exclud: [note]").replace("types: {vip: BOOL}", "types: {vip: YES}")
    assert [line.split()[0] for line in problems(text)] == ["keymap.yaml:5", "keymap.yaml:18", "keymap.yaml:24"]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("keyshift: 1", "keyshift: 2", 1, "keyshift: 1 is expected"),
        ("target: purchases", "target: purchase", 11, "target purchase is not among targets"),
        ("sk: PROFILE", "sort: PROFILE", 22, "key must give pk, sk, in this order"),
        ("productid{productid}", "product", 13, "must use a column"),
        ('"{customerid}"', '"C{customerid}"', 11, "type N, so its template must be one field alone"),
        ("{type: order}", "{_ks_type: order}", 15, "bookkeeping prefix"),
        ("{type: order}", "{pk: order}", 15, "has the name of a key"),
        ("{total: total_price}", "{total: _ks_x}", 15, "bookkeeping prefix"),
        ("rename: {total: total_price}", "rename: {total: type}", 15, "give the same attribute"),
        ("{not_equals: draft}", "{}", 20, "a condition needs is_null"),
        ("{not_equals: draft}", "{equals: null}", 20, "a condition needs is_null"),
        ("exclude: [note]", "exclude: [note]\n      exclude: [total]", 19, "is given twice"),
        ("shop.customer:", "customer:", 21, "tables.customer: DATABASE.TABLE is expected"),
        ("{id:010d}", "{id:x}", 16, "the format :x is not known"),
        ("types: {vip: BOOL}", "attributes: {pk: x}", 24, "attribute pk has the name of a key"),
        ("types: {vip: BOOL}", "attributes: {_ks_x: x}", 24, "attribute _ks_x has the bookkeeping prefix"),
        ("constants: {type: order}", "constants: {t: x}\n      attributes: {t: y}", 18, "the name of a constant"),
        ("constants: {type: order}", "attributes: {total_price: y}", 17, "the name of column total"),
        ("exclude: [note]", "include: [note]\n      attributes: {note: y}", 19, "the name of column note"),
        ("types: {vip: BOOL}", 'attributes: {a: "{x"}', 24, "tables.shop.customer.0.attributes.a.from: "),
        ("types: {vip: BOOL}", "attributes: {a: 5}", 24, "attributes.a"),
        ("types: {vip: BOOL}", "attributes: {a: {type: S}}", 24, "an attribute has either from or map"),
        ("types: {vip: BOOL}", "attributes: {a: {from: x, map: {}}}", 24, "an attribute has either from or map"),
        ("types: {vip: BOOL}", "attributes: {a: {map: {b: x}, type: S}}", 24, "a map has no type: it is an M"),
        ("types: {vip: BOOL}", "attributes: {a: {map: {'': x}}}", 24, "text of 1 or more characters is expected"),
        (
            "types: {vip: BOOL}",
            "attributes:\n        a:\n          map:\n            b: '{x'",
            27,
            "attributes.a.map.b",
        ),
        ("types: {vip: BOOL}", "attributes: {a: {from: x, type: XS}}", 24, "attributes.a.type"),
        ("types: {vip: BOOL}", "attributes: {a: {from: x, when: {id: {}}}}", 24, "a condition needs is_null"),
        ("group:", "attributes: {a: x}\n      group:", 11, "include, exclude, rename, constants, attributes, nulls do"),
    ],
)
def test_each_mistake_names_its_line(old: str, new: str, where: int, what: str) -> None:
    (found,) = problems(TEXT.replace(old, new, 1))
    assert found.startswith(f"keymap.yaml:{where} ")
    assert what in found


def target(*lines: str) -> str:
    """The keymap with more lines under target app, the first of them line 9."""
    return TEXT.replace(
        "    sort_key: {sk: S}\n", "    sort_key: {sk: S}\n" + "".join(f"    {line}\n" for line in lines)
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("indexes: {ab: {partition_key: {a: S}}}", "a name of 3 to 255 of a-zA-Z0-9_.- is expected"),
        ("indexes: {abc: {partition_key: {a: X}}}", "partition_key.a: S, N or B is expected"),
        ("indexes: {abc: {partition_key: {a: S, b: S}}}", "at most 1 entry may be there"),
        ("indexes: {abc: {sort_key: {a: S}}}", "indexes.abc.partition_key is missing"),
        ("indexes: {abc: {partition_key: {a: S}, projection: some}}", "a projection is all, keys, or a list"),
        ("indexes: {abc: {partition_key: {a: S}, projection: []}}", "names 1 to 20 attributes, not 0"),
        ("indexes: {abc: {partition_key: {a: S}, projection: [b, b]}}", "names an attribute twice"),
        ("indexes: {abc: {partition_key: {a: S}, projection: [b, pk]}}", "names pk, which it holds as a key"),
        ("indexes: {abc: {partition_key: {a: S}, sort_key: {a: S}}}", "partition key and sort key have one name"),
        ("indexes: {abc: {partition_key: {pk: N}}}", "pk is of type N, and elsewhere in the table S"),
        ("indexes: {abc: {partition_key: {_ks_m: S}}}", "attribute _ks_m has the bookkeeping prefix"),
        (
            "indexes: {abc: {partition_key: {a: S}, read_capacity: 1, write_capacity: 1}}",
            "on_demand table takes neither",
        ),
        (
            "local_indexes: {abc: {partition_key: {a: S}, sort_key: {b: S}}}",
            "there is no field targets.app.local_indexes.abc.partition_key",
        ),
        ("local_indexes: {abc: {sort_key: {pk: S}}}", "partition key and sort key have one name"),
    ],
)
def test_an_index_that_cannot_be_is_named_with_its_line(line: str, what: str) -> None:
    (found,) = problems(target(line))
    assert found.startswith("keymap.yaml:9 ")
    assert what in found


def indexes(count: int, first: int = 0, projection: str = "all") -> str:
    each = ", ".join(f"i{n:02}: {{partition_key: {{a: S}}, projection: {projection}}}" for n in range(first, count))
    return f"indexes: {{{each}}}"


def test_a_table_has_no_more_indexes_and_projections_than_dynamodb_allows() -> None:
    parse_keymap(target(indexes(20)), "keymap.yaml")
    (found,) = problems(target(indexes(21)))
    assert "it has 21 indexes and 0 local ones: DynamoDB allows 20 and 5" in found
    local = ", ".join(f"l{n:02}: {{sort_key: {{b: S}}}}" for n in range(6))
    (found,) = problems(target(f"local_indexes: {{{local}}}"))
    assert "it has 0 indexes and 6 local ones" in found
    twenty = f"[{', '.join(f'p{n}' for n in range(20))}]"
    parse_keymap(target(indexes(5, projection=twenty)), "keymap.yaml")
    (found,) = problems(target(indexes(6, projection=twenty)))
    assert "name 120 attributes, and DynamoDB allows 100" in found
    (found,) = problems(target(indexes(1, projection=twenty.replace("[", "[p20, "))))
    assert "names 1 to 20 attributes, not 21" in found


def test_indexes_share_their_names_and_attributes_have_one_type() -> None:
    (found,) = problems(target(indexes(1), "local_indexes: {i00: {sort_key: {b: S}}}"))
    assert found == "keymap.yaml:6 index i00 is both global and local"
    (found,) = problems(target(indexes(1), "local_indexes: {i01: {sort_key: {a: N}}}"))
    assert found == "keymap.yaml:10 index i01: a is of type N, and elsewhere in the table S"


def test_a_local_index_needs_a_sort_key_of_the_table() -> None:
    text = TEXT.replace("    sort_key: {orderid: N}\n", "    local_indexes: {i01: {sort_key: {b: S}}}\n")
    found = problems(text.replace('orderid: "{orderid}"', "").replace(", }", "}"))
    assert found == ["keymap.yaml:3 it has local indexes, and no sort key: DynamoDB wants one"]


def test_partition_and_sort_key_are_two_attributes() -> None:
    assert "keymap.yaml:6 partition key and sort key have one name" in problems(TEXT.replace("{sk: S}", "{pk: S}"))


def test_an_index_of_a_provisioned_table_has_capacities() -> None:
    capacity = "read_capacity: 1, write_capacity: 2"
    table = ("billing: provisioned", *capacity.split(", "))
    (found,) = problems(target(*table, indexes(1)))
    assert "index i00: an index of a provisioned table takes read_capacity and write_capacity" in found
    parse_keymap(target(*table, indexes(1).replace("projection", f"{capacity}, projection")), "keymap.yaml")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "keyshift: 1", "\x00"])
def test_a_file_that_is_no_keymap_is_one_clear_error(text: str) -> None:
    assert problems(text)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    from keymap.errors import KeyshiftError

    with pytest.raises(KeyshiftError, match=r"nowhere.yaml cannot be read"):
        load_keymap(tmp_path / "nowhere.yaml")


def test_dates_in_a_keymap_stay_text() -> None:
    keymap = parse_keymap(TEXT.replace("{not_equals: draft}", "{equals: 2024-02-29}"), "keymap.yaml")
    row = {"id": 1, "customer_id": 2, "status": "2024-02-29", "total": None, "note": None}
    assert keymap.row_patches("shop.orders", row, "v")


def maps(count: int) -> str:
    return TEXT.replace("types: {vip: BOOL}", f"attributes: {{a: {'{map: {m: ' * count}x{'}}' * count}}}")


def test_maps_are_within_each_other_as_far_as_dynamodb_allows() -> None:
    parse_keymap(maps(31), "keymap.yaml")
    (found,) = problems(maps(32))
    assert found == "keymap.yaml:24 attribute a has more than 31 maps within each other: DynamoDB takes no more"


def test_words_that_yaml_1_1_takes_for_booleans_are_words() -> None:
    """A column may be called `on`, and a country NO."""
    document, _ = parse_document(
        "keyshift: 1\ntargets: {app: {partition_key: {pk: S}}}\ntables:\n  shop.no:\n"
        '    - {target: app, key: {pk: "{on}"}, where: {country: {equals: NO}}, constants: {yes: off, old: true}}\n',
        "keymap.yaml",
    )
    (rule,) = document.tables["shop.no"]
    assert rule.where["country"].equals == "NO"
    assert rule.constants == {"yes": "off", "old": True}


def test_a_name_that_is_a_list_is_a_mistake_with_its_line() -> None:
    with pytest.raises(Problems, match=r"keymap.yaml:2: it is not valid YAML: a name is a list or a mapping"):
        parse_document("keyshift: 1\n? [a, b]\n: c\n", "keymap.yaml")
