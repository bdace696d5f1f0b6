"""The tools of a keymap's author, on real tables: a proposal that fits, and a preview of real rows as items."""

import json
from decimal import Decimal

import pytest
import yaml

from keymap.attributes import Attribute
from keymap.rules import parse_keymap
from keymap.schema import TableSchema
from keymap.values import Canonical, json_text
from keyshift.cli.preview import sample_of
from keyshift.cli.preview_text import item_value, row_value
from keyshift.mysql.connection import connect
from keyshift.mysql.describe import json_checked
from keyshift.mysql.sample import read_sample
from keyshift.mysql.schema import read_schemas
from keyshift.process.settings import load_settings
from tests.cli.conftest import Project
from tests.cli.steps import answer_of, fill, pretend_capture_started
from tests.keymap.keymaps import column, text_column

pytestmark = pytest.mark.any_pair

TABLES = [
    statement.strip()
    for statement in """
        CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(120) NOT NULL, city VARCHAR(60),
            vip BOOLEAN NOT NULL, details JSON, notes TEXT, UNIQUE (email), FULLTEXT (notes), INDEX start (city(3)));
        CREATE TABLE bills (id BIGINT UNSIGNED PRIMARY KEY, customer_id INT NOT NULL, referrer INT, expires_at DATETIME,
            FOREIGN KEY (customer_id) REFERENCES customers (id), FOREIGN KEY (referrer) REFERENCES customers (id));
        CREATE TABLE bill_lines (bill BIGINT UNSIGNED, line SMALLINT, amount DECIMAL(50,2), PRIMARY KEY (bill, line),
            FOREIGN KEY (bill) REFERENCES bills (id) ON DELETE CASCADE);
        CREATE TABLE files (id BINARY(16) PRIMARY KEY, pk INT);
        CREATE TABLE journal (a INT)
    """.split(";")
]


def test_a_proposal_of_a_whole_database_fits_it(project: Project) -> None:
    project.execute("DROP TABLE orders", "DROP TABLE purchase", *TABLES)
    answer = project.keyshift("keymap", "suggest", project.schema, "-o", str(project.folder / "proposed.yaml"))
    assert answer.code == 0, answer.err
    text = (project.folder / "proposed.yaml").read_text()
    found = yaml.safe_load(text)["tables"]
    assert {name: [tuple(rule["key"].values()) for rule in rules] for name, rules in found.items()} == {
        f"{project.schema}.bills": [("CUSTOMER#{customer_id}", "BILL#{id:020d}"), ("BILL#{id}", "#BILL")],
        f"{project.schema}.customers": [("CUSTOMER#{id}", "#CUSTOMER")],
        f"{project.schema}.files": [("FILE#{id|hex}", "#FILE")],
        f"{project.schema}.bill_lines": [("BILL#{bill}", "BILL_LINE#{line:05d}")],
    }
    assert found[f"{project.schema}.customers"][0]["types"] == {"vip": "BOOL", "details": "JSON"}
    plain = " ".join(text.replace("#", " ").split())
    for expected in (
        f"{project.schema}.journal: it has no primary key",
        "index notes (notes): DynamoDB has no FULLTEXT index",
        "index start (city): it is of the beginnings of values",
        "In gsi1: " + f"{project.schema}.bills (referrer), {project.schema}.customers (email)",
        "{expires_at|epoch(zone='UTC')}",
    ):
        assert expected in plain
    checked = project.keyshift("keymap", "check", str(project.folder / "proposed.yaml"))
    assert (checked.code, checked.err) == (0, "")
    assert "it fits the source's tables" in checked.out


def test_a_proposal_serves_a_migration_as_it_is(project: Project) -> None:
    statements = [statement.replace("ON DELETE CASCADE", "") for statement in TABLES]
    project.execute("DROP TABLE orders", "DROP TABLE purchase", *statements, "DROP TABLE journal")
    project.execute(
        "INSERT INTO customers (id, email, vip, details) VALUES (1, 'a@b', 1, '{\"a\": [1]}'), (2, 'c@d', 0, NULL)",
        "INSERT INTO bills VALUES (10, 1, NULL, '2024-01-01'), (11, 1, 2, NULL)",
        "INSERT INTO bill_lines VALUES (10, 1, 3.5), (10, 2, 4), (11, 1, 5)",
        "INSERT INTO files VALUES (x'00112233445566778899AABBCCDDEEFF', 7)",
    )
    (project.folder / "keymap.yaml").unlink()
    names = (project.schema, "--target", f"{project.name}-app", "-o", str(project.folder / "keymap.yaml"))
    for arguments in (("keymap", "suggest", *names), ("init",)):
        answer = project.keyshift(*arguments)
        assert answer.code == 0, answer.err
    pretend_capture_started(project)
    assert project.keyshift("bulkload", "run").code == 0
    assert answer_of(project, "verify")["differences"] == 0
    found = project.aws("dynamodb").query(
        TableName=f"{project.name}-app",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "BILL#10"}},
    )
    assert [item["sk"]["S"] for item in found["Items"]] == ["#BILL", "BILL_LINE#00001", "BILL_LINE#00002"]
    found = project.aws("dynamodb").query(
        TableName=f"{project.name}-app",
        IndexName="gsi1",
        KeyConditionExpression="gsi1pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "CUSTOMER#2"}},
    )
    assert [item["id"]["N"] for item in found["Items"]] == ["11"]


def test_a_proposal_of_some_tables_goes_to_standard_output(project: Project) -> None:
    answer = project.keyshift("keymap", "suggest", f"{project.schema}.purchase", "--target", "other")
    assert answer.code == 0, answer.err
    found = yaml.safe_load(answer.out)
    assert list(found["targets"]) == ["other"]
    assert list(found["tables"]) == [f"{project.schema}.purchase"]


def test_names_that_are_not_there_are_told_at_once_and_files_are_not_overwritten(project: Project) -> None:
    answer = project.keyshift("keymap", "suggest", "no_such_database", f"{project.schema}.absent")
    assert answer.code == 2
    assert "error: 2 problems" in answer.err
    assert "database no_such_database" in answer.err
    assert f"table {project.schema}.absent" in answer.err
    answer = project.keyshift("keymap", "suggest", project.schema, "-o", str(project.folder / "keymap.yaml"))
    assert answer.code == 2
    assert "exists already" in answer.err


def test_json_checks_are_those_of_mariadbs_type_json() -> None:
    statement = """CREATE TABLE `t` (
  `a` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`a`)),
  `b``c` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'x' CHECK (json_valid(`b``c`))
  `d` longtext CHECK (json_valid(`a`)),
  `e` longtext DEFAULT NULL,
)"""
    assert json_checked(statement) == {"a", "b`c"}


def test_keys_of_an_index_are_marked_where_the_item_is_in_it() -> None:
    text = """
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
    indexes:
      by_mail: {partition_key: {mail: S}, sort_key: {pk: S}}
      by_city: {partition_key: {city: S}, sort_key: {mail: S}}
tables:
  shop.people: [{target: app, key: {pk: "P#{id}"}, attributes: {mail: "{email|lower}"}}]
"""
    columns = (column("id"), text_column("email", nullable=True), text_column("city", nullable=True))
    schema = TableSchema("shop", "people", columns, ("id",))

    def marked(email: str | None, city: str | None) -> dict[str, str]:
        (made,) = sample_of(parse_keymap(text, "k"), schema, {"id": 1, "email": email, "city": city}).items
        return made.keys

    assert marked(None, "B") == {"pk": "partition key"}
    assert marked("A@B", None) == {"pk": "partition key, by_mail sort key", "mail": "by_mail partition key"}
    assert marked("A@B", "C")["mail"] == "by_mail partition key, by_city sort key"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (Decimal("1E+3"), "1000"),
        (b"\x00\xff", "0x00ff"),
        (b"x" * 1000, f"0x{'78' * 36}… (1,000 bytes)"),
        (("a", "b"), "a, b"),
        (json_text('{"b": 1.0}'), '{"b":1}'),
        ("a\nb\u202e", "a\\nb\\u202e"),
    ],
)
def test_values_of_rows_are_shown_in_few_characters(value: Canonical, shown: str) -> None:
    assert row_value(value) == shown


@pytest.mark.parametrize(
    ("attribute", "shown"),
    [
        ({"S": "x"}, "x"),
        ({"N": "1.5"}, "1.5"),
        ({"B": b"\x01"}, "0x01"),
        ({"BOOL": True}, "true"),
        ({"NULL": True}, "true"),
        ({"SS": ["b", "ä"]}, '["b", "ä"]'),
        ({"M": {"a": {"N": "1"}}}, '{"a": {"N": "1"}}'),
    ],
)
def test_values_of_items_are_shown_in_few_characters(attribute: Attribute, shown: str) -> None:
    assert item_value(attribute) == shown


def test_a_preview_shows_rows_and_their_items_side_by_side(project: Project) -> None:
    fill(project, orders=3, purchases=1)
    answer = project.keyshift("keymap", "preview")
    assert answer.code == 0, answer.err
    assert "what follows is what rows hold" in answer.err
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert "id 2 pk S CUSTOMER#2 ← partition key" in " ".join(lines)
    assert any("ORDER#000002 ← sort key" in line for line in lines)
    assert any("attribute p0 of an item that rows share" in line for line in lines)
    assert "_ks" not in answer.out


def test_a_preview_for_machines_is_json(project: Project) -> None:
    fill(project, orders=2, purchases=1)
    table = f"{project.schema}.orders"
    answer = project.keyshift("keymap", "preview", "--table", table, "--rows", "1", "--json")
    assert answer.code == 0
    (only,) = json.loads(answer.out)["tables"]
    (row,) = only["rows"]
    assert row["primary_key"] == [0]
    assert row["row"] == {"id": 0, "customer_id": 0, "total": {"N": "0.50"}, "note": "note 0"}
    assert row["error"] is None
    (made,) = row["items"]
    assert made["keys"] == {"pk": "partition key", "sk": "sort key"}
    assert made["item"] == {
        "pk": {"S": "CUSTOMER#0"},
        "sk": {"S": "ORDER#000000"},
        "id": {"N": "0"},
        "customer_id": {"N": "0"},
        "total": {"N": "0.5"},
        "note": {"S": "note 0"},
    }


def test_a_row_that_cannot_become_an_item_is_shown_with_the_reason_in_its_place(project: Project) -> None:
    project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"}', 'sk: "ORDER#{id:06d}"}\n      types: {note: N}')
    project.execute("INSERT INTO orders VALUES (1, 1, NULL, '12'), (2, 1, NULL, 'many')")
    answer = project.keyshift("keymap", "preview", "--table", f"{project.schema}.orders")
    assert answer.code == 1
    plain = " ".join(answer.out.split())
    assert f"no item: table {project.schema}.orders: column note holds a value that is no N" in plain
    assert "ORDER#000001" in plain
    assert "row 2" in plain


def test_a_row_that_no_rule_wants_is_shown_without_an_item(project: Project) -> None:
    project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"}', 'sk: "ORDER#{id:06d}"}\n      where: {note: {is_null: false}}')
    project.execute("INSERT INTO orders VALUES (1, 1, NULL, NULL)")
    answer = project.keyshift("keymap", "preview", "--table", f"{project.schema}.orders")
    assert answer.code == 0
    assert "no item: the row meets the conditions of no rule" in answer.out


def test_what_a_terminal_would_obey_is_shown_as_an_escape_and_long_values_are_shortened(project: Project) -> None:
    project.execute("ALTER TABLE orders MODIFY note TEXT")
    project.execute("INSERT INTO orders VALUES (1, 1, NULL, CONCAT(CHAR(27), '[31m[red]', REPEAT('x', 5000)))")
    answer = project.keyshift("keymap", "preview", "--table", f"{project.schema}.orders")
    assert "\x1b" not in answer.out
    assert "\\x1b[31m[red]xxx" in answer.out
    assert "(5,010 characters)" in " ".join(answer.out.split())
    assert len(answer.out) < 3000


def test_a_keymap_that_does_not_fit_is_previewed_as_far_as_it_goes(project: Project) -> None:
    fill(project, orders=1, purchases=1)
    project.edit("keymap.yaml", f"{project.schema}.orders", f"{project.schema}.ordres")
    answer = project.keyshift("keymap", "preview")
    assert answer.code == 1
    assert "keymap.yaml:10" in answer.err
    assert "ordres does not exist" in answer.out
    assert "attribute p0" in answer.out


def test_a_table_that_the_keymap_does_not_have_is_refused(project: Project) -> None:
    answer = project.keyshift("keymap", "preview", "--table", "orders")
    assert answer.code == 2
    assert "the keymap has no table orders" in answer.err
    assert f"{project.schema}.purchase" in answer.err


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a INT", "{n}"),
        ("a VARCHAR(20)", "'k{n:05d}'"),
        ("a ENUM('z','y','x')", "1 + {n} % 3"),
        ("a DATE", "'2024-01-01'"),
    ],
)
def test_a_sample_has_the_first_rows_and_some_from_further_on(project: Project, key: str, value: str) -> None:
    project.execute(f"CREATE TABLE many ({key} NOT NULL, b INT, PRIMARY KEY (a, b))")
    rows = ", ".join(f"({value.format(n=n)}, {n})" for n in range(300))
    project.execute(f"INSERT INTO many VALUES {rows}")
    connection = connect(load_settings(project.folder / "keyshift.yaml").source)
    try:
        schema = read_schemas(connection, [f"{project.schema}.many"])[f"{project.schema}.many"]
        everything = read_sample(connection, schema, 1000)
        sample = read_sample(connection, schema, 9)
        one = read_sample(connection, schema, 1)
    finally:
        connection.close()
    assert len(everything) == 300
    places = [everything.index(row) for row in sample]
    assert len(set(places)) == 9
    assert places[:6] == [0, 1, 2, 3, 4, 5]
    assert all(100 < place < 250 for place in places[6:])
    assert one == everything[:1]
