"""`keyshift bulkload throttle` and `status`: a dump that runs elsewhere is slowed, stopped, looked at, and let go."""

import re
from contextlib import ExitStack

import pytest

from keyshift.cli.bulkload_status import Job, together
from keyshift.control.lease import DUMP, Lease
from keyshift.control.pace import Pace, record_pace
from keyshift.process.clock import boottime, now_ms
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, pretend_capture_started, store_of

pytestmark = pytest.mark.any_pair

SETTINGS = {
    "paused": False,
    "rows_per_second_max": 0,
    "bytes_per_second_max": 0,
    "threads_running_max": 64,
    "replica_lag_seconds_max": 10,
}


def test_limits_are_asked_for_shown_and_taken_back(project: Project) -> None:
    assert project.keyshift("init").code == 0
    assert answer_of(project, "bulkload", "throttle") == SETTINGS
    asked = answer_of(project, "bulkload", "throttle", "--rows-per-second", "100", "--pause")
    assert asked == SETTINGS | {"paused": True, "rows_per_second_max": 100}
    told = project.keyshift("bulkload", "throttle").out
    assert "rows_per_second_max" in told
    assert "this command" in told
    assert "paused" in told
    asked = answer_of(project, "bulkload", "throttle", "--replica-lag", "0", "--resume")
    assert asked == SETTINGS | {"rows_per_second_max": 100, "replica_lag_seconds_max": 0}
    assert answer_of(project, "bulkload", "throttle", "--reset") == SETTINGS
    assert project.keyshift("bulkload", "throttle", "--rows-per-second", "-1").code == 2


def test_a_dump_is_paused_and_resumed_from_elsewhere_and_status_says_so(project: Project) -> None:
    fill(project)
    project.execute("ANALYZE TABLE orders, purchase")
    with ExitStack() as stack:
        assert project.keyshift("init").code == 0
        pretend_capture_started(project)
        assert project.keyshift("bulkload", "throttle", "--pause").code == 0
        Migration(project, stack).start("bulkload", "dump")
        until(lambda: waits(project))
        assert "paused" in waits(project)
        status = answer_of(project, "bulkload", "status")
        assert status["dump"]["rows_total"] > 0  # of both tables, of which none is begun
        assert all(table["dump"]["rows_total"] > 0 for table in status["tables"])
        assert "the dump waits: it was paused" in project.keyshift("bulkload", "status").out
        assert project.keyshift("bulkload", "throttle", "--resume").code == 0
        until(lambda: answer_of(project, "bulkload", "status")["rows_dumped"] == 32)
    for table in answer_of(project, "bulkload", "status")["tables"]:
        assert table["dump"]["rows"] == table["dump"]["rows_total"] == table["rows_dumped"]
        assert table["dump"]["waits"] == ""


def test_a_dump_that_was_killed_is_not_told_as_one_that_runs(project: Project) -> None:
    fill(project)
    assert project.keyshift("init").code == 0
    pretend_capture_started(project)
    store = store_of(project)
    assert Lease(store, DUMP, "host:1", 60, boottime).try_acquire()
    record_pace(store, DUMP, f"{project.schema}.orders", Pace(5, 20, 7, "it was paused", 1))
    assert "the dump waits: it was paused" in project.keyshift("bulkload", "status").out
    store.update(DUMP, {"at_ms": now_ms() - 3 * 60_000 - 1}, {})
    told = project.keyshift("bulkload", "status").out
    assert re.search(r"the dump was last heard of 18\d s ago: start it again", told)
    assert "paused" not in told
    assert not answer_of(project, "bulkload", "status")["dump"]["running"]


def test_all_tables_together_go_at_the_rates_of_those_that_are_being_done() -> None:
    done = Job(True, 100, 100, 0, 0, "", told_seconds_ago=3)
    doing = [Job(True, 20, 60, 8, 5, "why", told_seconds_ago=1), Job(True, 10, 40, 4, 8, "", told_seconds_ago=4)]
    of_a_run_before = Job(True, 0, 200, 50, None, "", told_seconds_ago=90)
    assert together([done, *doing, of_a_run_before]) == Job(True, 130, 400, 12, 23, "why", 1)
    nothing = Job(False, 0, 0, 0, None, "", told_seconds_ago=None)
    assert together([nothing]) == nothing
    assert together([]) == nothing


def waits(project: Project) -> str:
    tables = answer_of(project, "bulkload", "status")["tables"]
    return "".join(table["dump"]["waits"] for table in tables)
