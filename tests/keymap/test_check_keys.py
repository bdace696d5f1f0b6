"""A key of type N or B is one field alone, and what it gives is known to be of that type, or looked at in each row."""

import pytest

from keymap.check import check
from keymap.schema import TableSchema
from tests.keymap.keymaps import column, keymap, text_column

TEXT = """\
keyshift: 1
targets:
  log:
    partition_key: {pk: S}
    sort_key: {num: TYPE}
tables:
  shop.log:
    - target: log
      key: {pk: "{id}", num: "FIELD"}
"""
LOG = TableSchema(
    "shop",
    "log",
    (
        column("id"),
        text_column("code"),
        text_column("note", nullable=True),
        column("amount", "decimal(9,2)"),
        column("seen", "timestamp"),
        column("doc", "json"),
        column("uid", "binary(16)"),
        column("picture", "blob", nullable=True),
    ),
    ("id",),
)


def found(field: str, kind: str = "N", more: str = "") -> list[str]:
    text = TEXT.replace("FIELD", field).replace("TYPE", kind) + (f"      {more}\n" if more else "")
    return [str(problem) for problem in check(keymap(text), {"shop.log": LOG})]


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("{seen|epoch}", "N"),
        ("{code|number}", "N"),
        ("{amount}", "N"),
        ("{note|number|default(0)}", "N"),
        ("{note|default('0')|number}", "N"),
        ("{note|coalesce(code)|number}", "N"),
        ("{doc|json('$.n')|default(0)}", "N"),
        ("{uid}", "B"),
        ("{picture|coalesce(uid)}", "B"),
    ],
)
def test_a_field_that_gives_the_keys_type_has_no_problem(field: str, kind: str) -> None:
    assert found(field, kind) == []


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        ("{code}", "N", "key num is a number, and column code is varchar(20). Make the key type S"),
        ("{code|upper}", "N", "key num is a number, and '{code|upper}' gives none. Make the key type S"),
        ("{id|text}", "N", "key num is a number, and '{id|text}' gives none"),
        ("{seen|number}", "N", "column seen (timestamp): number takes text or a number, not a TIMESTAMP"),
        ("{uid|hex}", "B", "key num is binary, and '{uid|hex}' gives none. Make the key type S"),
        ("{code}", "B", "key num is binary, and column code is varchar(20)"),
        ("{note|number}", "N", "column note can be NULL, and '{note|number}' needs it. Add default(0), or another"),
        ("{doc|json('$.n')}", "N", "json may find nothing in column doc"),
        ("{picture}", "B", "column picture can be NULL, and '{picture}' needs it. Use a column that is NOT NULL"),
    ],
)
def test_a_field_that_does_not_is_named_with_a_remedy(field: str, kind: str, expected: str) -> None:
    (message,) = found(field, kind)
    assert message.startswith("keymap.yaml:8: ")
    assert expected in message


def test_a_text_of_defaults_does_not_stand_for_a_number() -> None:
    (message,) = found("{note|number}", more="defaults: {note: '0'}")
    assert "column note can be NULL, and '{note|number}' needs it, where a text of defaults is no N" in message
    assert found("{note|number|default(0)}", more="defaults: {note: '0'}") == []
    assert found("{note|number}", more="where: {note: {is_null: false}}") == []


def test_a_key_that_functions_give_does_not_tell_its_column() -> None:
    text = TEXT.replace("{id}", "x").replace("FIELD", "{id|number}").replace("TYPE", "N")
    (problem,) = check(keymap(text), {"shop.log": LOG})
    assert "the key does not tell primary key column id" in problem.what
