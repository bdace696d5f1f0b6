"""A proposed keymap fits the tables that it was made for, whatever they are, and is what an engineer would draw."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.check import check
from keymap.errors import KeyshiftError
from keymap.rules import parse_keymap
from keymap.schema import Column, TableSchema
from keymap.suggest import Index, Reference, TableFacts, suggest
from keymap.suggest.names import singular, target_name
from tests.keymap.keymaps import column, text_column


def table(name: str, columns: Iterable[Column], key: tuple[str, ...], **more: Any) -> TableFacts:
    return TableFacts(TableSchema("shop", name, tuple(columns), key), **more)


def to(parent: str, *columns: str, key: tuple[str, ...] = ("id",), owns: bool = False) -> Reference:
    return Reference(columns, f"shop.{parent}", key, owns)


def proposed(*tables: TableFacts) -> dict[str, Any]:
    """The proposal, read back, after the promise of all proposals: it fits."""
    text = suggest(tables)
    schemas = {facts.name: facts.schema for facts in tables}
    keymap = parse_keymap(text, "keymap.yaml")
    assert check(keymap, {name: schemas[name] for name in keymap.tables}) == []
    assert text.partition("# Left out")[2].count("\n# - ") == len(tables) - len(keymap.tables)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def keys(document: dict[str, Any], name: str) -> list[tuple[str, str]]:
    return [(rule["key"]["pk"], rule["key"]["sk"]) for rule in document["tables"][f"shop.{name}"]]


CUSTOMERS = table("customers", [column("id"), text_column("name")], ("id",))
ORDERS = table(
    "orders",
    [column("id", "bigint unsigned"), column("customer_id"), column("referrer_id", nullable=True)],
    ("id",),
    references=(to("customers", "customer_id"), to("customers", "referrer_id")),
)
LINES = table(
    "order_lines",
    [column("order_id", "bigint unsigned"), column("line", "smallint"), column("product_id")],
    ("order_id", "line"),
    references=(to("products", "product_id"), to("orders", "order_id")),
)
PRODUCTS = table("products", [column("id"), text_column("name")], ("id",))


def test_children_lie_in_their_parents_partition_sorted_by_padded_numbers() -> None:
    found = proposed(CUSTOMERS, ORDERS)
    assert found["targets"] == {"shop": {"partition_key": {"pk": "S"}, "sort_key": {"sk": "S"}}}
    assert keys(found, "customers") == [("CUSTOMER#{id}", "#CUSTOMER")]
    assert keys(found, "orders") == [("CUSTOMER#{customer_id}", "ORDER#{id:020d}")]
    assert found["tables"]["shop.orders"][0]["constants"] == {"type": "order"}


def test_a_child_that_is_a_parent_gets_a_second_item_at_the_head_of_its_own_partition() -> None:
    found = proposed(CUSTOMERS, ORDERS, LINES, PRODUCTS)
    assert keys(found, "order_lines") == [("ORDER#{order_id}", "ORDER_LINE#{line:05d}")]
    assert keys(found, "orders") == [("CUSTOMER#{customer_id}", "ORDER#{id:020d}"), ("ORDER#{id}", "#ORDER")]


def test_a_key_that_repeats_its_parents_key_nests_in_the_first_partition() -> None:
    orders = table("orders", [column("c"), column("o")], ("c", "o"), references=(to("customers", "c"),))
    lines = table(
        "lines",
        [column("c"), column("o"), column("n")],
        ("c", "o", "n"),
        references=(to("orders", "c", "o", key=("c", "o")),),
    )
    found = proposed(CUSTOMERS, orders, lines)
    assert keys(found, "orders") == [("CUSTOMER#{c}", "ORDER#{o:010d}")]
    assert keys(found, "lines") == [("CUSTOMER#{c}", "LINE#{o:010d}#{n:010d}")]


def test_pairs_of_two_parents_are_an_adjacency_list_in_both_partitions() -> None:
    tags = table("tags", [column("id")], ("id",))
    pairs = table(
        "product_tags", [column("p"), column("t")], ("p", "t"), references=(to("products", "p"), to("tags", "t"))
    )
    assert keys(proposed(PRODUCTS, tags, pairs), "product_tags") == [
        ("PRODUCT#{p}", "PRODUCT_TAG#{t:010d}"),
        ("TAG#{t}", "PRODUCT_TAG#{p:010d}"),
    ]


def test_pairs_of_one_parent_with_itself_keep_the_two_directions_apart() -> None:
    follows = table(
        "follows", [column("a"), column("b")], ("a", "b"), references=(to("customers", "a"), to("customers", "b"))
    )
    assert keys(proposed(CUSTOMERS, follows), "follows") == [
        ("CUSTOMER#{a}", "FOLLOW#{b:010d}"),
        ("CUSTOMER#{b}", "FOLLOW_INVERSE#{a:010d}"),
    ]


@pytest.mark.parametrize(
    ("reference", "changed"),
    [
        (to("customers", "parent"), {"nullable": True}),  # a row may have no parent
        (to("customers", "parent", key=("other",)), {}),  # not the parent's primary key
        (to("absent", "parent"), {}),
        (to("kinds", "parent"), {"data_type": "tinyint", "column_type": "tinyint"}),  # few, hot partitions
    ],
)
def test_a_foreign_key_that_cannot_carry_a_collection_leaves_the_table_its_own(
    reference: Reference, changed: dict[str, Any]
) -> None:
    kinds = table("kinds", [column("id", "tinyint")], ("id",))
    child = table("items", [column("id"), replace(column("parent"), **changed)], ("id",), references=(reference,))
    assert keys(proposed(CUSTOMERS, kinds, child), "items") == [("ITEM#{id}", "#ITEM")]


def test_a_parent_that_owns_its_rows_goes_before_one_that_is_pointed_to() -> None:
    columns = [column("id"), column("customer_id"), column("product_id")]
    references = (to("customers", "customer_id"), to("products", "product_id", owns=True))
    found = proposed(CUSTOMERS, PRODUCTS, table("reviews", columns, ("id",), references=references))
    assert keys(found, "reviews")[0][0] == "PRODUCT#{product_id}"


def test_foreign_keys_in_a_circle_and_to_the_table_itself_are_broken_somewhere() -> None:
    columns = [column("id"), column("other")]
    one = table("ones", columns, ("id",), references=(to("twos", "other"), to("ones", "other")))
    two = table("twos", columns, ("id",), references=(to("ones", "other"),))
    found = proposed(one, two)
    assert keys(found, "twos") == [("TWO#{id}", "#TWO")]
    assert keys(found, "ones") == [("TWO#{other}", "ONE#{id:010d}")]


def test_chains_of_foreign_keys_may_be_long() -> None:
    columns = [column("id"), column("parent")]
    chain = [table("t0", columns, ("id",))]
    chain += [table(f"t{n}", columns, ("id",), references=(to(f"t{n - 1}", "parent"),)) for n in range(1, 600)]
    found = yaml.safe_load(suggest(chain[::-1]))
    assert keys(found, "t599") == [("T598#{parent}", "T599#{id:010d}")]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["int", "datetime"], ("T#{a}", "T#{b}")),
        (["int", "varchar(9)", "varchar(9)"], ("T#{a}#{b}", "T#{c}")),
        (["varchar(9)", "varchar(9)", "smallint unsigned"], ("T#{a}", "T#{b}#{c:05d}")),
        (["binary(16)"], ("T#{a|hex}", "#T")),
    ],
)
def test_keys_of_several_columns_are_divided_where_each_can_be_read_back(
    types: list[str], expected: tuple[str, str]
) -> None:
    columns = [column(name, kind) for name, kind in zip("abc", types, strict=False)]
    assert keys(proposed(table("t", columns, tuple("abc"[: len(types)]))), "t") == [expected]


def test_secondary_indexes_share_global_ones_under_computed_attributes() -> None:
    people = table(
        "people",
        [
            column("id"),
            text_column("email", nullable=True),
            column("born", "date"),
            column("seen", "date", nullable=True),
        ],
        ("id",),
        indexes=(Index("mail", ("email",), unique=True), Index("b", ("born", "seen", "email")), Index("pk", ("id",))),
    )
    orders = replace(ORDERS, indexes=(Index("c", ("customer_id",)), Index("r", ("referrer_id", "id"))))
    found = proposed(people, CUSTOMERS, orders)
    indexes = found["targets"]["shop"]["indexes"]
    assert indexes == {
        name: {"partition_key": {f"{name}pk": "S"}, "sort_key": {f"{name}sk": "S"}, "projection": "all"}
        for name in ("gsi1", "gsi2")
    }
    assert found["tables"]["shop.people"][0]["attributes"] == {
        "gsi1pk": "PEOPLE#EMAIL#{email}",
        "gsi1sk": "PEOPLE#{id:010d}",
        "gsi2pk": "PEOPLE#BORN#{born}",
        "gsi2sk": "PEOPLE#{id:010d}",
    }
    assert found["tables"]["shop.orders"][0]["attributes"] == {
        "gsi1pk": "CUSTOMER#{referrer_id}",
        "gsi1sk": "ORDER#{id:020d}",
    }


def test_indexes_that_dynamodb_cannot_have_are_told_with_the_reason() -> None:
    wide = column("wide", "varchar(700)", charset="utf8mb4")
    obstacle = Index("words", ("name",), obstacle="DynamoDB has no FULLTEXT index")
    text = suggest(
        [
            replace(
                PRODUCTS,
                schema=replace(PRODUCTS.schema, columns=(*PRODUCTS.schema.columns, wide)),
                indexes=(obstacle, Index("w", ("wide",))),
            )
        ]
    )
    assert "Nothing for index words (name): DynamoDB has no FULLTEXT index" in text
    assert "Nothing for index w (wide): wide may be longer than the 2048 bytes" in text


def test_no_more_indexes_are_proposed_than_a_table_may_have() -> None:
    columns = [column("id"), *(column(f"c{n}") for n in range(25))]
    indexes = tuple(Index(f"i{n}", (f"c{n}",)) for n in range(25))
    found = proposed(table("t", columns, ("id",), indexes=indexes))
    assert len(found["targets"]["shop"]["indexes"]) == 20


def test_booleans_and_documents_get_their_types() -> None:
    columns = [column("id"), column("vip", "tinyint(1)"), column("n", "tinyint(4)"), text_column("extra")]
    found = proposed(table("t", columns, ("id",), documents=frozenset({"extra"})))
    assert found["tables"]["shop.t"][0]["types"] == {"vip": "BOOL", "extra": "JSON"}


def test_columns_with_names_of_keys_or_of_the_bookkeeping_are_renamed() -> None:
    names = ["pk", "sk", "_ks_v", "type", "t_pk"]
    found = proposed(table("t", [*map(column, names)], ("pk",), indexes=(Index("i", ("type",)),)))
    (rule,) = found["tables"]["shop.t"]
    assert rule["rename"] == {"pk": "t_pk_2", "sk": "t_sk", "_ks_v": "t__ks_v"}
    assert rule["constants"] == {"entity": "t"}


def test_what_cannot_be_migrated_is_listed_with_its_reason() -> None:
    text = suggest(
        [
            CUSTOMERS,
            table("log", [column("a")], ()),
            table("texts", map(text_column, "abc"), ("a", "b", "c")),
            table("odd", [column("id"), column("x", "xmltype")], ("id",)),
            replace(table("spaced name", [column("id")], ("id",))),
            table("brace", [column("a{b")], ("a{b",)),
        ]
    )
    left_out = text[text.index("# Left out") :]
    for expected in (
        "shop.log: it has no primary key",
        "shop.texts: two rows",
        "shop.odd: column x has type xmltype",
        "shop.spaced name:",
        "shop.brace:",
    ):
        assert f"# - {expected}" in left_out
    assert list(yaml.safe_load(text)["tables"]) == ["shop.customers"]


def test_where_nothing_can_be_migrated_there_is_no_keymap() -> None:
    with pytest.raises(KeyshiftError, match=r"shop\.log: it has no primary key"):
        suggest([table("log", [column("a")], ())])


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        ("expires_at", "datetime", "{expires_at|epoch(zone='UTC')}"),
        ("ttl", "timestamp", 'ttl_2: "{ttl|epoch}"'),
        ("body", "longtext", "at most 400 KB"),
        ("n", "decimal(50,2)", "longer values of n become text"),
        ("flag", "tinyint(1)", "BOOL takes 0 and 1 only"),
    ],
)
def test_hints_tell_what_to_think_about(name: str, kind: str, hint: str) -> None:
    text = suggest([table("t", [column("id"), column(name, kind)], ("id",))])
    assert hint in " ".join(text.replace("#", " ").split())


def test_text_keys_under_a_collation_and_obstacles_at_the_source_are_told() -> None:
    facts = table("t", [text_column("id")], ("id",), obstacles=("its engine is MyISAM. Change it",))
    text = suggest([facts])
    assert "MySQL takes 'A' and 'a' for one value of id" in text
    assert "# Before `keyshift init`: its engine is MyISAM. Change it" in text


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("orders", "order"),
        ("categories", "category"),
        ("addresses", "address"),
        ("boxes", "box"),
        ("status", "status"),
        ("address", "address"),
        ("purchase", "purchase"),
        ("s", "s"),
        ("OrderLines", "OrderLine"),
    ],
)
def test_a_row_is_called_by_its_tables_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


def test_entities_have_different_names_and_databases_share_a_table() -> None:
    tables = [table(name, [column("id")], ("id",)) for name in ("order", "orders", "Orders", "a b".replace(" ", "#"))]
    other = replace(tables[0], schema=replace(tables[0].schema, database="other"))
    found = proposed(*tables, other)
    assert list(found["targets"]) == ["app"]
    heads = [rules[0]["key"]["pk"] for rules in found["tables"].values()]
    assert heads == ["ORDER#{id}", "ORDER_2#{id}", "ORDER_3#{id}", "A_B#{id}", "ORDER_4#{id}"]


def test_a_databases_name_becomes_one_that_dynamodb_allows() -> None:
    assert [target_name({name}) for name in ("shop", "my shop", "x", "é" * 300)] == [
        "shop",
        "my-shop",
        "x-app",
        "-" * 255,
    ]


def uncommented(text: str) -> str:
    """The proposal with the rules that it offers in comments."""
    lines = []
    offered = False
    for line in text.splitlines():
        offered = line.startswith("    # - target: ") or (offered and line.startswith("    #   "))
        lines.append(line.replace("# ", "", 1) if offered else line)
    return "\n".join(lines)


def test_the_rules_in_comments_can_be_used_as_they_are() -> None:
    text = suggest([CUSTOMERS, ORDERS])
    keymap = parse_keymap(uncommented(text), "keymap.yaml")
    assert check(keymap, {"shop.customers": CUSTOMERS.schema, "shop.orders": ORDERS.schema}) == []
    assert [rule.document.key["pk"] for rule in keymap.rules["shop.orders"]] == ["CUSTOMER#{customer_id}", "ORDER#{id}"]


NAMES = st.one_of(
    st.sampled_from(["id", "pk", "sk", "type", "a", "b", "c", "ttl", "gsi1pk", "_ks_v", "order", "yes", "null", "1"]),
    st.text(st.characters(min_codepoint=1, max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=6),
)
USUAL = st.sampled_from(["int", "bigint unsigned", "varchar(20)", "tinyint(1)", "datetime"])
UNUSUAL = st.sampled_from(
    """tinyint smallint_unsigned bit(1) bit(64) year decimal(10,2) decimal(65,30) float double date timestamp time
    char(2) varchar(255) varchar(1000) text longtext binary(16) varbinary(500) blob json enum('a') set('a') xmltype
    point""".split()
).map(lambda kind: kind.replace("_", " "))
TYPES = st.one_of(USUAL, USUAL, UNUSUAL)
OWN_COLUMNS = st.lists(NAMES, max_size=4, unique=True)


@st.composite
def tables_with(draw: st.DrawFn, name: str, parents: list[TableFacts]) -> TableFacts:
    """A table with foreign keys to some of these, whose primary key is often made of them."""
    columns = {
        each: column(each, draw(TYPES), nullable=draw(st.booleans())) for each in draw(st.sets(NAMES, max_size=4))
    }
    references = []
    for at, parent in enumerate(draw(st.lists(st.sampled_from(parents), max_size=3)) if parents else ()):
        key = parent.schema.primary_key
        pointing = tuple(f"{at}to{number}" for number in range(len(key)))
        nullable = draw(st.integers(0, 3)) == 0
        for each, pointed in zip(pointing, key, strict=True):
            columns[each] = replace(parent.schema.column(pointed), name=each, nullable=nullable)
        references += [Reference(pointing, parent.name, key, draw(st.booleans()))] if key else []
    names = sorted(columns) or ["id"]
    columns = columns or {"id": column("id")}
    pointing = [each for reference in references[: draw(st.integers(0, 2))] for each in reference.columns]
    others = draw(st.lists(st.sampled_from(names), max_size=2))
    key = tuple(dict.fromkeys(pointing + others))
    indexes = draw(st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True), max_size=4))
    return TableFacts(
        TableSchema(
            "shop", name, tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns.values()), key
        ),
        tuple(references),
        tuple(Index(f"i{at}", tuple(chosen)) for at, chosen in enumerate(indexes)),
    )


@st.composite
def databases(draw: st.DrawFn) -> list[TableFacts]:
    """Tables whose keys, foreign keys and indexes are any, as long as a server could have them."""
    tables: list[TableFacts] = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=6, unique=True)):
        tables.append(draw(tables_with(name, tables)))
    return draw(st.permutations(tables))


@settings(max_examples=300)
@given(databases())
def test_every_proposal_fits_its_tables(tables: list[TableFacts]) -> None:
    try:
        document = proposed(*tables)
    except KeyshiftError:
        return  # none of the tables can be migrated
    assert len(document["targets"]) == 1
    text = suggest(tables)
    assert text == suggest(tables)
    assert max(map(len, text.splitlines())) < 400
    assert check(parse_keymap(uncommented(text), "keymap.yaml"), {facts.name: facts.schema for facts in tables}) == []
    assert not re.search(r"[^\x20-\uffff\n]", text)
