"""Each rule of preflight about a table, and what a team may answer for."""

from dataclasses import replace

import pytest

from keymap.schema import Column, TableSchema
from keyshift.mysql.evidence import Evidence
from keyshift.mysql.facts import Flavour
from keyshift.mysql.preflight import judge
from keyshift.mysql.schema import ForeignKey, KeyPart
from tests.mysql.evidence import ID_DOWN, ID_UP, ORDERS, evidence, only_error


def with_table(schema: TableSchema, *parts: KeyPart) -> Evidence:
    return evidence(schemas={"shop.orders": schema}, keys={"shop.orders": parts})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (with_table(replace(ORDERS, primary_key=())), "no primary key"),
        (with_table(replace(ORDERS, engine="MyISAM"), ID_UP), "MyISAM has no transactions"),
        (with_table(ORDERS, KeyPart("id", prefix=True, descending=False)), "a prefix of id only"),
        (
            with_table(ORDERS, ID_UP, ID_DOWN),
            "some columns up and some down",
        ),
        (
            with_table(replace(ORDERS, columns=(Column("id", "float", "float", False),)), ID_UP),
            "id of type FLOAT",
        ),
        (
            with_table(replace(ORDERS, columns=(*ORDERS.columns, Column("x", "xmltype", "xmltype", True)))),
            "column x has type xmltype",
        ),
        (
            with_table(replace(ORDERS, columns=(*ORDERS.columns, Column("u", "text", "text", True, "ebcdic")))),
            "column u has character set ebcdic",
        ),
    ],
)
def test_a_table_that_cannot_be_followed_is_refused(wrong: Evidence, what: str) -> None:
    problem = only_error(judge(wrong, retention_hours=24))
    assert what in problem.what
    assert problem.where == "table shop.orders"


CASCADE = ForeignKey("shop.orders", "fk", "shop.customers", on_update="RESTRICT", on_delete="CASCADE")
SET_NULL = replace(CASCADE, on_update="SET NULL", on_delete="NO ACTION")


@pytest.mark.parametrize(
    ("flavour", "version", "native", "refused"),
    [
        ("mariadb", (11, 4, 2), "OFF", True),
        ("mysql", (8, 4, 3), "OFF", True),
        ("mysql", (9, 5, 0), "OFF", True),
        ("mysql", (9, 6, 0), "OFF", False),
        ("mysql", (9, 7, 4), "ON", True),
    ],
)
@pytest.mark.parametrize("key", [CASCADE, SET_NULL])
def test_foreign_keys_that_change_rows_are_refused_where_the_binlog_does_not_show_it(
    flavour: Flavour, version: tuple[int, ...], native: str, refused: bool, key: ForeignKey
) -> None:
    server = evidence(flavour, version, foreign_keys=(key,), innodb_native_foreign_keys=native)
    found = judge(server, retention_hours=24)
    assert bool(found.errors) == refused
    if refused:
        assert "foreign key fk to shop.customers changes rows" in only_error(found).what


def test_foreign_keys_that_restrict_are_no_problem() -> None:
    harmless = replace(CASCADE, on_delete="RESTRICT")
    assert not judge(evidence(foreign_keys=(harmless,)), retention_hours=24).errors


HIDES = replace(ORDERS, engine="MyISAM")
BOTH = replace(with_table(HIDES, ID_UP), foreign_keys=(CASCADE,))


def test_what_a_team_answers_for_is_told_and_not_refused() -> None:
    answers = {("engine", "shop.orders"): "nobody rolls back", ("fk_cascade", "shop.orders"): "no parent goes"}
    engine, cascade = judge(BOTH, retention_hours=24).errors
    assert "accept.engine in the settings" in engine.remedy
    assert "accept.fk_cascade in the settings" in cascade.remedy
    found = judge(BOTH, retention_hours=24, answers=answers)
    assert found.errors == ()
    assert {(one.kind, one.table) for one in found.accepted} == set(answers)
    assert all(any(f"(accepted: {reason})" in one.what for one in found.warnings) for reason in answers.values())
    (left,) = judge(BOTH, retention_hours=24, answers={("engine", "shop.orders"): "x"}).errors
    assert "accept.fk_cascade" in left.remedy


def test_an_answer_to_nothing_is_told() -> None:
    found = judge(evidence(), retention_hours=24, answers={("fk_cascade", "shop.orders"): "no parent goes"})
    assert (found.errors, found.accepted) == ((), ())
    (warning,) = found.warnings
    assert "nothing to accept" in warning.what


def test_nobody_can_answer_for_what_capture_cannot_read() -> None:
    """Only what a comparison in the write stop mends is offered to be accepted."""
    keyless = replace(BOTH, schemas={"shop.orders": replace(HIDES, primary_key=())})
    found = judge(keyless, retention_hours=24)
    assert [("accept." in one.remedy) for one in found.errors] == [False, True, True]


def test_each_of_two_foreign_keys_is_told_under_one_answer() -> None:
    two = evidence(foreign_keys=(CASCADE, replace(SET_NULL, name="other")))
    found = judge(two, retention_hours=24, answers={("fk_cascade", "shop.orders"): "no parent goes"})
    assert found.errors == ()
    assert [("fk " in one.what, "other " in one.what) for one in found.warnings] == [(True, False), (False, True)]
