"""verify says first what it stands on, and what stands on nothing is neither a proof nor a reason to repair."""

from contextlib import ExitStack

import pytest

from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill

pytestmark = pytest.mark.any_pair


def require_unsettled(project: Project, ground: str, told: str, differences: int) -> None:
    """In text, before anything else, and in JSON."""
    answer = project.keyshift("verify")
    first, remedy, *_, last = answer.out.splitlines()
    assert first.startswith("not settled: no barrier was reached. ")
    assert told in first
    assert "repair nothing" in first
    assert remedy.startswith("  do: ")
    assert last.startswith("not settled")
    report = answer_of(project, "verify")
    assert (report["basis"]["ground"], report["basis"]["do"] in remedy) == (ground, True)
    assert told.lower() in report["basis"]["evidence"].lower()
    assert (report["settled"], report["clean"], report["differences"]) == (False, False, differences)
    as_json = project.keyshift("verify", "--json")
    assert (answer.code, as_json.code, told in as_json.err) == (1, 1, True)


def test_verify_says_first_what_it_stands_on(project: Project, stack: ExitStack) -> None:
    fill(project, orders=6, purchases=1)
    migration = Migration(project, stack)
    assert project.keyshift("init").code == 0
    require_unsettled(project, "loading", "Replay is not open (0 of 2 tables dumped, 0 of 0 chunks loaded)", 9)
    with migration.commands.background("cdc", "run"):
        until(lambda: answer_of(project, "status")["capture"]["started"])
        assert project.keyshift("bulkload", "run").code == 0
    require_unsettled(project, "no_daemon", "has stopped", 0)
    project.execute("UPDATE orders SET total = 77 WHERE id = 1")
    require_unsettled(project, "no_daemon", "newer changes are not captured", 1)
    migration.start("cdc", "run")
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    answer = project.keyshift("verify", "--wait", "1")
    assert (answer.code, answer.out) == (2, "")
    assert "was not answered within 1 s by lanes" in answer.err
    migration.start("apply", "run")
    answer = project.keyshift("verify")
    assert (answer.code, "not settled" in answer.out + answer.err) == (0, False), answer.out + answer.err
    report = answer_of(project, "verify")
    assert (report["basis"]["ground"], report["basis"]["do"]) == ("barriers", "")
    assert (report["settled"], report["live"], report["clean"], report["rows"]) == (True, True, True, 9)
