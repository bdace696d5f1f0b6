"""A refusal of preflight that a team answers for: recorded, shown, and repaired by the cutover in the write stop.

MariaDB (and MySQL before 9.6) deletes and changes the children of a cascading foreign key without a trace in the
binlog. MySQL 9.6 and newer logs them, and is not refused.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

from keymap.patch import Patch
from keyshift.apply.outcome import Outcome
from keyshift.apply.writer import GuardedWriter
from keyshift.cli import errors
from keyshift.cli.demo.database import Database
from keyshift.control.answers import Answer, read_answers
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, store_of

pytestmark = pytest.mark.any_pair

CASCADE = "FOREIGN KEY ({}) REFERENCES customer (id) ON DELETE CASCADE ON UPDATE CASCADE"
CASCADES = (
    "CREATE TABLE customer (id INT PRIMARY KEY)",
    "INSERT INTO customer VALUES (0), (1), (2), (3)",
    f"ALTER TABLE orders ADD CONSTRAINT of_customer {CASCADE.format('customer_id')}",
    f"ALTER TABLE purchase ADD CONSTRAINT of_other {CASCADE.format('customerid')}",
)
ACCEPT = "accept:\n  fk_cascade: {orders: the shop deletes no customer, purchase: nor do its jobs}\n"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def is_mariadb(database: Database) -> bool:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        ((version,),) = cursor.fetchall()
        return "mariadb" in version.lower()


def accept(project: Project, text: str) -> None:
    path = project.folder / "keyshift.yaml"
    path.write_text(path.read_text() + text)


def caught_up(project: Project) -> None:
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])


def differences(project: Project) -> int:
    report = answer_of(project, "verify")
    assert report["repairable"] == report["differences"]
    return int(report["differences"])


def test_children_that_a_foreign_key_changes_are_right_after_the_cutover(
    project: Project, database: Database, stack: ExitStack
) -> None:
    fill(project)
    project.execute(*CASCADES)
    hidden = is_mariadb(database)
    refused = project.keyshift("init")
    assert (refused.code != 0) == hidden
    assert not hidden or "accept.fk_cascade in the settings" in refused.err
    accept(project, ACCEPT)
    told = project.keyshift("init")
    assert told.code == 0, told.err
    assert ("accepted: the shop deletes no customer" if hidden else "there is nothing to accept") in told.out
    Migration(project, stack).run()
    project.execute(
        "DELETE FROM customer WHERE id = 2",
        "UPDATE customer SET id = 7 WHERE id = 0",
        "UPDATE orders SET note = 'later' WHERE id % 2 = 0",
        "DELETE FROM purchase WHERE orderid = 1",
    )
    caught_up(project)
    assert bool(differences(project)) == hidden
    rehearsal = project.keyshift("cutover", "checklist", "--rehearse")
    assert rehearsal.code == 0, rehearsal.out
    assert not hidden or "(accepted: nor do its jobs)" in rehearsal.out
    run = project.keyshift("cutover", "run")
    assert run.code == 0, run.out + run.err
    assert not hidden or "differences were repaired, and 0 are left" in run.out
    assert differences(project) == 0
    assert project.keyshift("cutover", "sweep").code == 0
    assert differences(project) == 0


def test_what_was_accepted_once_is_repaired_although_the_settings_do_not_say_so_any_more(
    project: Project, stack: ExitStack
) -> None:
    fill(project)
    project.execute("ALTER TABLE purchase ENGINE = MyISAM")
    assert "has no transactions" in project.keyshift("init").err
    accept(project, f"accept:\n  engine: {{{project.schema}.purchase: our jobs roll nothing back}}\n")
    assert project.keyshift("cdc", "check").code == 0
    migration = Migration(project, stack)
    migration.run()
    answer = Answer("engine", f"{project.schema}.purchase", "our jobs roll nothing back")
    assert read_answers(store_of(project)) == (answer,)
    project.execute(
        "SET sql_log_bin = 0",  # stands for what a ROLLBACK leaves behind
        "UPDATE purchase SET quantity = 77 WHERE orderid = 1",
        "DELETE FROM purchase WHERE orderid = 2",
        "UPDATE purchase SET productid = 9 WHERE orderid = 3 AND productid = 1",
        "INSERT INTO purchase VALUES (5, 5, 5, 5)",
    )
    caught_up(project)
    assert differences(project) > 0
    project.execute("ALTER TABLE purchase ENGINE = InnoDB")
    project.edit("keyshift.yaml", f"{project.schema}.purchase: our jobs roll nothing back", "")
    checklist = project.keyshift("cutover", "checklist")
    assert "note  accepted refusals repaired" in checklist.out
    assert "our jobs roll nothing back" in checklist.out
    assert differences(project) > 0
    run = project.keyshift("cutover", "run")
    assert run.code == 0, run.out + run.err
    assert differences(project) == 0


APPLY = GuardedWriter.apply


def dies_before(_writer: GuardedWriter, _patches: Iterable[Patch], _until: float) -> Outcome:
    raise KeyboardInterrupt


def dies_after(writer: GuardedWriter, patches: Iterable[Patch], until: float) -> Outcome:
    APPLY(writer, patches, until)
    raise KeyboardInterrupt


def test_a_cutover_that_dies_at_any_of_its_repairs_is_run_again_and_ends_equal(
    project: Project, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project, orders=60, purchases=40)
    project.execute("ALTER TABLE purchase ENGINE = MyISAM", "ALTER TABLE orders ENGINE = MyISAM")
    accept(project, "accept: {engine: {purchase: nobody rolls back, orders: nor here}}\n")
    Migration(project, stack).run()
    project.execute(
        "SET sql_log_bin = 0",
        "UPDATE orders SET customer_id = customer_id + 1, note = NULL WHERE id % 2 = 0",
        "DELETE FROM orders WHERE id % 5 = 0",
        "UPDATE purchase SET quantity = 77 WHERE orderid % 3 = 0",
        "DELETE FROM purchase WHERE orderid % 7 = 1",
    )
    caught_up(project)
    for _ in range(3):  # the rows of both tables, and the extras: each that was written leaves one step less
        for death in (dies_before, dies_after):
            monkeypatch.setattr(GuardedWriter, "apply", death)
            assert project.keyshift("cutover", "run").code == errors.EXIT_INTERRUPTED
    monkeypatch.setattr(GuardedWriter, "apply", APPLY)
    run = project.keyshift("cutover", "run")
    assert run.code == 0, run.out + run.err
    assert differences(project) == 0


def test_the_daemon_records_what_was_accepted_after_init(project: Project, stack: ExitStack) -> None:
    fill(project)
    assert project.keyshift("init").code == 0
    project.execute("ALTER TABLE purchase ENGINE = MyISAM")
    assert "accept.engine in the settings" in project.keyshift("cdc", "run").err
    assert read_answers(store_of(project)) == ()
    accept(project, "accept: {engine: {purchase: nobody rolls back}}\n")
    migration = Migration(project, stack)
    migration.start("cdc", "run")
    migration.wait_for("barrier_sent", "cdc", "run")
    assert read_answers(store_of(project)) == (Answer("engine", f"{project.schema}.purchase", "nobody rolls back"),)


def test_differences_in_other_tables_are_not_repaired(project: Project, stack: ExitStack) -> None:
    fill(project)
    project.execute("ALTER TABLE purchase ENGINE = MyISAM")
    accept(project, "accept:\n  engine: {purchase: our jobs roll nothing back}\n")
    Migration(project, stack).run()
    project.execute(
        "SET sql_log_bin = 0",
        "UPDATE purchase SET quantity = 77 WHERE orderid = 1",
        "UPDATE orders SET note = 'nobody answers for it' WHERE id = 1",
    )
    caught_up(project)
    run = project.keyshift("cutover", "run")
    assert run.code == 1
    assert "FAIL  both sides equal" in run.out
    report = answer_of(project, "verify")
    assert (report["differences"], report["repairable"]) == (1, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accept:\n  fk_cascade: {order: typo}\n", "accept.fk_cascade: the keymap captures no table order"),
        ("accept:\n  fk_cascade:\n    orders: ' '\n", "accept.fk_cascade.orders: a reason is expected"),
        ("accept:\n  truncate: {orders: why not}\n", "there is no setting accept.truncate"),
    ],
)
def test_a_mistake_in_what_is_accepted_is_told_with_its_line(project: Project, text: str, told: str) -> None:
    accept(project, text)
    line = (project.folder / "keyshift.yaml").read_text().splitlines().index(text.splitlines()[-1]) + 1
    answer = project.keyshift("cdc", "check")
    assert answer.code != 0
    assert f"keyshift.yaml:{line}" in answer.err
    assert told in answer.err
