"""`keyshift keymap check` on real rows: what would stop the load is found before anything moves."""

import json
from typing import Any

import pytest

from tests.cli.conftest import Project
from tests.cli.steps import fill

pytestmark = pytest.mark.any_pair


def checked(project: Project, *arguments: str) -> dict[str, Any]:
    answer = project.keyshift("keymap", "check", "--json", *arguments)
    found: dict[str, Any] = json.loads(answer.out)
    assert answer.code == (1 if found["errors"] else 0), answer.err
    for error in found["errors"]:
        assert error["what"] in answer.err
    return found


def errors(found: dict[str, Any]) -> list[str]:
    return [f"{one['where']}: {one['what']}" for one in found["errors"]]


def notes(found: dict[str, Any]) -> list[str]:
    return [f"{one['where']}: {one['what']}" for one in found["notes"]]


def target(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [one for one in found["targets"] if one["target"].endswith(name)]
    return one


def test_rows_that_fit_are_counted_sized_and_priced(project: Project) -> None:
    fill(project, orders=20, purchases=4)
    answer = project.keyshift("keymap", "check")
    assert answer.code == 0, answer.err
    assert f"20 of {project.schema}.orders, 12 of {project.schema}.purchase" in answer.out
    assert "us-east-1" in answer.out
    assert "pk='CUSTOMER#0'" in answer.out
    found = checked(project)
    app, groups = target(found, "-app"), target(found, "-groups")
    assert (app["rows"], app["items"], app["write_units"], app["write_units_again"]) == (20, 20, 20, 0)
    assert (groups["rows"], groups["items"], groups["write_units"]) == (12, 4, 4)
    assert groups["write_units_failed"] == 0
    assert [one["rows"] for one in groups["largest_groups"]] == [3, 3, 3, 3]
    assert sum(bucket["items"] for bucket in app["sizes"]) == 20
    assert app["hot_keys"][0]["rows"] == 7
    assert not app["sampled"]


def test_what_is_estimated_is_what_the_load_writes(project: Project) -> None:
    """Item by item: the sizes that DynamoDB stores, bookkeeping included."""
    from keymap.attributes import item_size
    from tests.cli.steps import load

    load(project)
    found = checked(project, "--all")
    for name in ("-app", "-groups"):
        items = project.aws("dynamodb").scan(TableName=f"{project.name}{name}")["Items"]
        figures = target(found, name)
        assert figures["items"] == len(items)
        assert figures["data_bytes"] + figures["bookkeeping_bytes"] == sum(map(item_size, items))


def test_every_row_that_cannot_become_an_item_is_counted_by_reason_with_examples(project: Project) -> None:
    project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"}', 'sk: "ORDER#{id:06d}"}\n      types: {note: N}')
    fill(project, orders=8)
    project.execute("UPDATE orders SET note = '5' WHERE id = 3")
    (error,) = errors(checked(project))
    assert error.startswith("keymap.yaml:11: column note holds a value that is no N: 7 rows, among them row ")
    assert error.count(f"row {project.schema}.orders (id=") == 5


def test_documents_that_dynamodb_does_not_take_are_counted_by_column_and_fine_as_text(project: Project) -> None:
    """MySQL's JSON and MariaDB's, which is text. The latter takes no more than 31 levels, nor fails on more as text."""
    rule = 'sk: "ORDER#{id:06d}"}'
    project.edit("keymap.yaml", rule, f"{rule}\n      types: {{details: JSON}}")
    project.execute("ALTER TABLE orders ADD details JSON, ADD words TEXT")
    documents = ('{"a": ""}', '{"a": {"": 1}}', '[[{"" : 2}]]', '{"a": {"b": "\\\\"\\\\":"}}')
    rows = ", ".join(f"({number}, 1, 1, '', '{one}', NULL)" for number, one in enumerate(documents, 1))
    project.execute(f"INSERT INTO orders VALUES {rows}")
    (error,) = checked(project)["errors"]
    row = f"row {project.schema}.orders"
    assert error["what"] == (
        "column details holds a JSON document that DynamoDB does not take: a key of an object is empty: "
        f"2 rows, {row} (id=2), {row} (id=3)"
    )
    assert "with types: {details: S}" in error["remedy"]
    project.edit("keymap.yaml", "{details: JSON}", "{details: S, words: JSON}")
    assert errors(checked(project)) == []
    deep = "[" * 32 + "]" * 32
    project.execute(f"UPDATE orders SET words = '{deep}' WHERE id = 4")
    (told,) = errors(checked(project, "--all"))
    assert f"more than 31 objects and arrays are within each other: 1 row, {row} (id=4)" in told


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("NULL", "column note is NULL in a key: 1 row, row"),
        ("''", "key sk has 0 bytes"),
        ("REPEAT('x', 1100)", "key sk has 1100 bytes, and DynamoDB takes 1 to 1024: 1 row, row"),
    ],
)
def test_keys_that_are_null_empty_or_too_long(project: Project, note: str, expected: str) -> None:
    project.edit("keymap.yaml", 'pk: "CUSTOMER#{customer_id}", sk: "ORDER#{id:06d}"', 'pk: "C#{id}", sk: "{note}"')
    project.execute("ALTER TABLE orders MODIFY note VARCHAR(2000)", f"INSERT INTO orders VALUES (1, 1, 1, {note})")
    project.execute("INSERT INTO orders VALUES (2, 1, 1, 'fine')")
    found = errors(checked(project))
    assert any(expected in one for one in found), found
    assert any("column note can be NULL" in one for one in found)  # the schema's own findings are in the same answer


def test_rows_on_one_slot_are_named_together(project: Project) -> None:
    project.edit("keymap.yaml", "ORDER#{id:06d}", "ORDER#{note}")
    project.execute("INSERT INTO orders VALUES (1, 1, 1, 'a'), (2, 2, 1, 'a'), (3, 1, 1, 'b'), (4, 1, 1, 'a')")
    for arguments in ((), ("--all",)):
        (found,) = [one for one in errors(checked(project, *arguments)) if "rows fall on one slot" in one]
        table = f"{project.schema}.orders"
        assert found == (
            f"keymap.yaml:11: rows fall on one slot of {project.name}-app, 1 slot: "
            f"row {table} (id=1) and row {table} (id=4)"
        )


def test_spellings_that_mysql_calls_equal_and_dynamodb_does_not(project: Project) -> None:
    project.edit("keymap.yaml", "CUSTOMER#{customer_id}", "MAIL#{mail}")
    project.execute("ALTER TABLE orders ADD mail VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL")
    mails = ("A@b", "a@b", "c@d", "c@d ", "e")
    rows = ", ".join(f"({number}, 1, 1, '', '{mail}')" for number, mail in enumerate(mails, 1))
    project.execute(f"INSERT INTO orders VALUES {rows}")
    found = notes(checked(project))
    (static,) = [one for one in found if "is in a key" in one]
    assert "column mail (utf8mb4_general_ci) is in a key: in MySQL 'A' = 'a' and 'a ' = 'a'" in static
    (split,) = [one for one in found if "in several spellings" in one]
    assert split.startswith(f"keymap.yaml:3: 2 partition keys of {project.name}-app in several spellings")
    assert f"'MAIL#A@b' (row {project.schema}.orders (id=1)) and 'MAIL#a@b' (row" in split
    assert "'MAIL#c@d ' (row" in split
    project.edit("keymap.yaml", "MAIL#{mail}", "MAIL#{mail|trim|lower}")
    assert notes(checked(project)) == []


def test_two_tables_that_spell_one_key_differently(project: Project) -> None:
    collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    project.execute(f"CREATE TABLE people (mail VARCHAR(50) {collation} PRIMARY KEY)")
    project.execute(f"ALTER TABLE orders ADD mail VARCHAR(50) {collation} NOT NULL")
    project.execute("INSERT INTO people VALUES ('Ann@x')", "INSERT INTO orders VALUES (1, 1, 1, '', 'ann@x')")
    project.edit("keymap.yaml", "CUSTOMER#{customer_id}", "MAIL#{mail}")
    key = 'key: {pk: "MAIL#{mail}", sk: PROFILE}'
    rule = f"  {project.schema}.people: [{{target: {project.name}-app, {key}}}]\n"
    project.edit("keymap.yaml", f"  {project.schema}.purchase:", f"{rule}  {project.schema}.purchase:")
    (split,) = [one for one in notes(checked(project)) if "in several spellings" in one]
    assert "MAIL#Ann@x" in split
    assert "MAIL#ann@x" in split


def test_items_over_the_limit_are_named_with_their_size(project: Project) -> None:
    project.execute("ALTER TABLE orders MODIFY note MEDIUMTEXT")
    project.execute("INSERT INTO orders VALUES (1, 1, 1, REPEAT('x', 410000)), (2, 1, 1, REPEAT('x', 300000))")
    found = checked(project)
    (error,) = errors(found)
    assert "keymap.yaml:11: 1 item of" in error
    assert "more than 409,600 bytes, bookkeeping included: pk='CUSTOMER#1', sk='ORDER#000001' (1 row, 410," in error
    assert [bucket["items"] for bucket in target(found, "-app")["sizes"]] == [0, 0, 0, 0, 0, 1, 1]


def test_a_group_over_the_limit_is_found_although_no_row_is_large(project: Project) -> None:
    project.execute("ALTER TABLE purchase MODIFY quantity TEXT")
    rows = ", ".join(f"(1, 1, {product}, REPEAT('x', 10000))" for product in range(41))
    project.execute(f"INSERT INTO purchase VALUES {rows}, (1, 2, 1, 'x')")
    found = checked(project, "--all")
    (error,) = errors(found)
    assert "customerid=1, orderid=1 (41 rows, 41" in error
    largest = target(found, "-groups")["largest_groups"][0]
    assert largest["rows"] == 41
    assert largest["bookkeeping_bytes"] > 41 * 45


def test_a_group_that_is_not_together_costs_its_growing_size(project: Project) -> None:
    project.edit(
        "keymap.yaml",
        'customerid: "{customerid}", orderid: "{orderid}"',
        'customerid: "{productid}", orderid: "{orderid}"',
    )
    project.edit("keymap.yaml", 'attribute: "p{productid}"', 'attribute: "c{customerid}"')
    project.execute("INSERT INTO purchase VALUES (1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)")
    figures = target(checked(project), "-groups")
    assert figures["items"] == 1
    assert figures["writes"] == 1  # one chunk, one UpdateItem
    assert figures["write_units_again"] == 1


def test_a_key_that_holds_up_the_load_is_noted_with_what_it_allows(project: Project) -> None:
    project.execute("ALTER TABLE orders MODIFY note MEDIUMTEXT")
    for customer, count in ((1, 60), (2, 20)):
        rows = ", ".join(f"({customer * 100 + n}, {customer}, 1, REPEAT('x', 200000))" for n in range(count))
        project.execute(f"INSERT INTO orders VALUES {rows}")
    (note,) = notes(checked(project))
    assert note.startswith("keymap.yaml:3: pk='CUSTOMER#1' takes 75% of the write units of")
    assert "so the load 1,333" in note


def test_indexes_have_figures_of_their_own(project: Project) -> None:
    index = "indexes: {by_note: {partition_key: {note: S}, projection: keys}}"
    project.edit("keymap.yaml", "sort_key: {sk: S}", f"sort_key: {{sk: S}}\n    {index}")
    project.execute("INSERT INTO orders VALUES (1, 1, 1, 'a'), (2, 1, 1, NULL), (3, 1, 1, 'a')")
    (figures,) = target(checked(project), "-app")["indexes"]
    assert (figures["items"], figures["write_units"]) == (2, 2)
    assert figures["hot_keys"][0]["key"] == "note='a'"
    assert figures["hot_keys"][0]["rows_share"] == 1.0


def test_numbers_that_become_text(project: Project) -> None:
    project.execute("ALTER TABLE orders MODIFY total DECIMAL(50,2), ADD rate DOUBLE")
    wide = "1" * 40
    project.execute(f"INSERT INTO orders VALUES (1, 1, {wide}, '', 1e300), (2, 1, 5, '', 2)")
    found = notes(checked(project))
    assert any("column total (decimal(50,2)) may hold numbers of more than 38 digits" in one for one in found)
    assert any("column total has 1 value that DynamoDB's numbers do not hold" in one for one in found)
    assert any("column rate has 1 value" in one for one in found)
    project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"}', 'sk: "ORDER#{id:06d}"}\n      types: {total: S, rate: S}')
    assert notes(checked(project)) == []


def test_a_sample_is_scaled_and_says_so(project: Project) -> None:
    fill(project, orders=900, purchases=1)
    project.execute("ANALYZE TABLE orders")
    found = checked(project, "--rows", "90")
    (orders,) = [table for table in found["tables"] if table["table"].endswith(".orders")]
    assert orders["rows"] == 90
    assert not orders["whole"]
    figures = target(found, "-app")
    assert figures["sampled"]
    assert 700 <= figures["items"] <= 1100
    answer = project.keyshift("keymap", "check", "--rows", "90")
    assert "(a sample of about " in answer.out
    assert "--all tries every row" in answer.out
    assert "scaled by the server's estimate" in answer.out


def test_no_rows_are_read_when_none_are_wanted(project: Project) -> None:
    fill(project)
    found = checked(project, "--rows", "0")
    assert (found["tables"], found["targets"]) == ([], [])


def test_what_rows_hold_cannot_speak_to_the_terminal(project: Project) -> None:
    project.edit("keymap.yaml", "CUSTOMER#{customer_id}", "NOTE#{note}")
    project.execute("INSERT INTO orders VALUES (1, 1, 1, CONCAT(CHAR(27), '[31m', 'x'))")
    answer = project.keyshift("keymap", "check")
    assert "\x1b[31mx" not in answer.out + answer.err
    assert "NOTE#\\x1b[31mx" in answer.out


def test_a_table_that_cannot_be_read_does_not_hide_the_others(project: Project) -> None:
    fill(project)
    project.execute("ALTER TABLE purchase DROP PRIMARY KEY")
    found = checked(project)
    assert any("no primary key" in one for one in errors(found))
    assert target(found, "-app")["items"] == 20


def test_rows_do_not_repeat_what_the_schema_says(project: Project) -> None:
    fill(project)
    project.edit("keymap.yaml", "{customer_id}", "{customerid}")
    (error,) = errors(checked(project))
    assert error.startswith("keymap.yaml:11: column customerid does not exist")


def test_items_that_tables_share_are_added_up_across_them(project: Project) -> None:
    """Orders with their lines as entries of a map: one item, two tables, one size, one limit."""
    rules = f"""\
  {project.schema}.orders:
    - target: {project.name}-groups
      key: {{customerid: "{{customer_id}}", orderid: "{{id}}"}}
  {project.schema}.purchase:
    - target: {project.name}-groups
      key: {{customerid: "{{customerid}}", orderid: "{{orderid}}"}}
      group: {{map: lines, entry: "{{productid}}"}}
"""
    text = (project.folder / "keymap.yaml").read_text()
    (project.folder / "keymap.yaml").write_text(text.split("tables:\n")[0] + "tables:\n" + rules)
    project.execute("ALTER TABLE orders MODIFY note MEDIUMTEXT", "ALTER TABLE purchase ADD pad MEDIUMTEXT")
    project.execute("INSERT INTO orders VALUES (1, 1, 1, REPEAT('x', 300000)), (2, 1, 1, 'x')")
    project.execute("INSERT INTO purchase VALUES (1, 1, 1, 1, REPEAT('x', 120000)), (1, 2, 1, 1, 'x')")
    found = checked(project)
    figures = target(found, "-groups")
    assert (figures["rows"], figures["items"]) == (4, 2)
    assert figures["write_units"] == 294 + 411 + 2  # what is there, and then with its lines
    (error,) = errors(found)
    assert "customerid=1, orderid=1 (2 rows, 42" in error


def test_rows_that_rest_on_one_slot_collide_although_they_have_owners(project: Project) -> None:
    project.edit("keymap.yaml", "ORDER#{id:06d}", "ORDER#{total}")
    project.edit("keymap.yaml", '"ORDER#{total}"}', '"ORDER#{total}"}\n      owner: [id]')
    project.execute("ALTER TABLE orders MODIFY total INT NOT NULL")
    project.execute("INSERT INTO orders VALUES (1, 1, 5, ''), (2, 1, 6, ''), (3, 1, 5, '')")
    (error,) = errors(checked(project))
    assert f"row {project.schema}.orders (id=1) and row {project.schema}.orders (id=3)" in error


def test_rows_go_through_hooks(project: Project) -> None:
    """One row may become several items, a hook that fails is one reason, and messages name the source's rows."""
    body = "assert row['note'] != 'bad'\n    return [{**row, 'tag': tag} for tag in row['note'].split()]"
    (project.folder / "shop_hooks.py").write_text(f"def tags(row):\n    {body}\n")
    rule = 'sk: "ORDER#{id:06d}#{tag}"}\n      hook: {call: "shop_hooks:tags", columns: [tag]}'
    project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"}', f"{rule}\n      where: {{tag: {{is_null: false}}}}")
    project.execute("INSERT INTO orders VALUES (1, 1, 5, 'a b'), (2, 1, 6, 'c'), (3, 1, 5, 'bad'), (4, 1, 5, 'bad')")
    found = checked(project)
    assert target(found, "-app")["items"] == 3
    (error,) = errors(found)
    table = f"{project.schema}.orders"
    assert error == (
        f"keymap.yaml:11: hook shop_hooks:tags raised AssertionError: 2 rows, row {table} (id=3), row {table} (id=4)"
    )
