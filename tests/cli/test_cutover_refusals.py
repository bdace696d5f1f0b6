"""Without a daemon nothing of the cutover goes through, and each command says why."""

import pytest

from keyshift.control.phase import Phase, read_phase
from tests.cli.conftest import Project
from tests.cli.steps import answer_of, load, store_of

pytestmark = pytest.mark.any_pair


def test_the_checklist_fails_for_each_condition_that_is_not_met(project: Project) -> None:
    project.keyshift("init")
    answer = answer_of(project, "cutover", "checklist")
    assert not answer["passed"]
    outcomes = {check["name"]: check["outcome"] for check in answer["checks"]}
    met = {name for name, outcome in outcomes.items() if outcome != "fail"}
    assert met == {
        "no lane has a gap",
        "nothing set aside",
        "nothing discarded",
        "no items expire",
        "accepted statements verified",
        "accepted refusals repaired",
    }


def test_after_the_load_the_checklist_still_wants_a_daemon_and_the_switch_is_refused(project: Project) -> None:
    load(project)
    answer = project.keyshift("cutover", "checklist")
    assert answer.code == 1
    assert "ok    bulk load complete" in answer.out
    assert "FAIL  daemon running" in answer.out
    answer = project.keyshift("cutover", "run")
    assert answer.code == 1
    assert "replay stays open" in answer.err
    assert read_phase(store_of(project)) is Phase.REPLAY


def test_sweep_is_refused_unless_replay_is_closed(project: Project) -> None:
    load(project)
    answer = project.keyshift("cutover", "sweep")
    assert answer.code == 2
    assert "replay is not closed" in answer.err
    assert "keyshift cutover run" in answer.err


def test_abort_before_the_load_is_done_is_refused(project: Project) -> None:
    project.keyshift("init")
    answer = project.keyshift("cutover", "abort")
    assert answer.code == 2
    assert "phase is `load`" in answer.err


def test_abort_of_an_open_replay_has_nothing_to_do(project: Project) -> None:
    load(project)
    answer = project.keyshift("cutover", "abort")
    assert answer.code == 0
    assert "nothing to take back" in answer.out


def test_foreign_items_stop_the_load_before_anything_is_written(project: Project) -> None:
    from tests.cli.steps import fill, pretend_capture_started

    fill(project)
    project.keyshift("init")
    pretend_capture_started(project)
    table, dynamodb = f"{project.name}-app", project.aws("dynamodb")
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "CONFIG"}, "sk": {"S": "x"}})
    assert project.keyshift("bulkload", "dump").code == 0
    answer = project.keyshift("bulkload", "load")
    assert answer.code == 2
    assert "pk=CONFIG, sk=x" in answer.err
    assert "do: " in answer.err
    assert "Traceback" not in answer.err
    assert dynamodb.scan(TableName=table)["Count"] == 1


def test_a_missing_bucket_stops_the_dump(project: Project) -> None:
    from tests.cli.steps import fill, pretend_capture_started

    fill(project)
    project.keyshift("init")
    pretend_capture_started(project)
    project.aws("s3").delete_bucket(Bucket=f"{project.name}-bucket")
    answer = project.keyshift("bulkload", "dump")
    assert answer.code == 2
    assert "NoSuchBucket" in answer.err
    assert "keyshift init" in answer.err


def test_dump_before_capture_is_refused(project: Project) -> None:
    project.keyshift("init")
    answer = project.keyshift("bulkload", "run")
    assert answer.code == 2
    assert "capture" in answer.err
    assert "keyshift cdc run" in answer.err
