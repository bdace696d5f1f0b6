"""Tables that are altered in the middle of a migration: dumped, loaded, replayed and verified with both shapes."""

from contextlib import ExitStack

import pytest

from bulkload.dump.run import dump
from keymap.rules import load_keymap
from keyshift.aws.clients import make_clients
from keyshift.process.settings import load_settings
from keyshift.process.stop import Stop
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill

pytestmark = pytest.mark.any_pair


@pytest.fixture
def migration(project: Project, stack: ExitStack) -> Migration:
    project.edit("keymap.yaml", 'ORDER#{id:06d}"}', 'ORDER#{id:06d}"}\n      exclude: [note]')
    fill(project, orders=170)
    return Migration(project, stack)


def dump_some_chunks(project: Project) -> None:
    stop = Stop()
    settings = load_settings(project.folder / "keyshift.yaml")
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    try:
        report = dump(settings, load_keymap(project.folder / "keymap.yaml"), clients, stop, lambda *_: stop.set())
    finally:
        clients.close()
    assert report.chunks  # those that were in hand
    assert not report.complete


def run(project: Project, *arguments: str) -> str:
    answer = project.keyshift(*arguments)
    assert answer.code == 0, answer.err + answer.out
    return answer.out


def test_a_table_that_is_altered_between_two_of_its_chunks_verifies_without_a_difference(
    project: Project, migration: Migration
) -> None:
    migration.capture()
    dump_some_chunks(project)
    project.execute(
        "UPDATE orders SET total = 7 WHERE id < 5",
        "ALTER TABLE orders ADD COLUMN colour VARCHAR(9) NULL AFTER id, DROP COLUMN note, MODIFY id BIGINT NOT NULL",
        "ALTER TABLE orders MODIFY total DECIMAL(12,2) NULL",
        "UPDATE orders SET colour = 'red' WHERE id % 7 = 0",
        "INSERT INTO orders (id, customer_id, total, colour) VALUES (3000, 1, 1234567890.5, 'blue')",
        "DELETE FROM orders WHERE id IN (6, 60, 160)",
    )
    run(project, "bulkload", "run")
    project.execute("UPDATE orders SET customer_id = customer_id + 1, colour = NULL WHERE id % 14 = 0")
    migration.start("apply", "run")
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    report = answer_of(project, "verify")
    assert (report["differences"], report["rows"]) == (0, 168 + 12)
    assert project.keyshift("cutover", "checklist").code == 0


def test_what_cannot_be_followed_is_told_decided_and_stands_in_the_checklist(
    project: Project, migration: Migration
) -> None:
    refused = project.keyshift("cdc", "resume", "--decision", "accept", "--reason", "too early")
    assert refused.code != 0
    migration.run()
    assert (
        "has not stopped at a statement"
        in project.keyshift("cdc", "resume", "--decision", "accept", "--reason", "too early").err
    )
    assert answer_of(project, "status")["stopped_at"] is None
    project.execute("ALTER TABLE orders ADD COLUMN weight INT NOT NULL DEFAULT 3", "UPDATE orders SET weight = 4")
    until(lambda: answer_of(project, "status")["stopped_at"])
    status = answer_of(project, "status")
    stopped = status["stopped_at"]
    assert stopped["tables"] == [f"{project.schema}.orders"]
    assert "may have values in rows that were there before" in stopped["what"]
    assert "keyshift cdc resume" in status["next"]
    assert stopped.pop("do") == status["next"]
    until(lambda: not answer_of(project, "status")["capture"]["running"])
    basis = answer_of(project, "verify")["basis"]
    assert (basis["ground"], "keyshift cdc resume" in basis["do"]) == ("no_daemon", True)
    assert basis["do"] in project.keyshift("cutover", "checklist").out
    assert stopped["position"] in project.keyshift("cdc", "status").out
    assert project.keyshift("cdc", "resume", "--decision", "accept", "--reason", " ").code != 0
    assert project.keyshift("cdc", "resume", "--decision", "skip", "--reason", "x").code != 0
    told = run(project, "cdc", "resume", "--decision", "accept", "--reason", "every row was updated at once")
    assert stopped["position"] in told
    migration.start("cdc", "run")
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    status = answer_of(project, "status")
    assert status["stopped_at"] is None
    assert status["accepted"] == [{**stopped, "reason": "every row was updated at once"}]
    checklist = project.keyshift("cutover", "checklist")
    assert checklist.code == 0, checklist.out
    assert f"{project.schema}.orders at {stopped['position']}" in checklist.out
    assert "every row was updated at once" in checklist.out


def test_an_excluded_column_that_was_dropped_since_is_no_problem_of_any_check(
    project: Project, migration: Migration
) -> None:
    project.execute("ALTER TABLE orders DROP COLUMN note")
    assert "note" in project.keyshift("keymap", "check").err, "before, the name would be a slip of the pen"
    project.execute("ALTER TABLE orders ADD COLUMN note VARCHAR(99) NULL")
    migration.load()
    project.execute("ALTER TABLE orders DROP COLUMN note")
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    for command in (("cdc", "check"), ("doctor",), ("keymap", "check")):
        answer = project.keyshift(*command)
        assert answer.code == 0, answer.out + answer.err
    project.edit("keymap.yaml", "exclude: [note]", "exclude: [note, colour]")
    assert "colour" in project.keyshift("keymap", "check").err
