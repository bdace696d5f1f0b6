"""`keyshift status` after a kill: whoever has released no lease, and renews none, is not told as one that runs."""

import re
from dataclasses import replace

import pytest

from keyshift.cli.cdc import watched
from keyshift.cli.status import capture_document, capture_line, next_step
from keyshift.control.checkpoint import CaptureStatus
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.phase import Phase
from keyshift.control.progress import Progress
from keyshift.control.workers import Roster
from keyshift.process.clock import boottime, now_ms
from tests.cli.conftest import Project
from tests.cli.steps import answer_of, pretend_capture_started, store_of

pytestmark = pytest.mark.any_pair

HEARD = r"last heard of 18\d s ago: start it again, unless its process is there"


def test_a_daemon_and_a_worker_that_were_killed_are_not_told_as_running(project: Project) -> None:
    assert project.keyshift("init").code == 0
    pretend_capture_started(project)
    store = store_of(project)
    assert Lease(store, CAPTURE, "host:1", 60, boottime).try_acquire()
    assert Roster(store, "host:2", 60, boottime).enter()
    told = project.keyshift("status").out
    assert re.search(r"capture    running \(host:1, last heard of \d s ago\)|capture    running \(host:1\)", told)
    assert "start it again" not in told
    for item in (CAPTURE, "worker#0001"):
        store.update(item, {"at_ms": now_ms() - 3 * 60_000 - 1}, {})
    told = project.keyshift("status").out
    assert re.search(rf"capture    silent \(host:1, {HEARD}\)", told)
    assert re.search(rf"worker     host:2, {HEARD}", told)
    assert re.search(rf"next       `keyshift cdc run` was {HEARD}", told)
    answer = answer_of(project, "status")
    assert not answer["capture"]["running"]
    assert 180 <= answer["apply"]["workers"][0]["silent_seconds"] < 190


def test_a_daemon_whose_lease_was_watched_in_vain_is_not_told_as_running_even_so_soon() -> None:
    status = CaptureStatus(owner="host:1", fence=1, renewals=7, lease_seconds=10, updated_at_ms=88_000)
    capture = capture_document(status, 100_000)
    assert capture_line(watched(capture, alive=True)).startswith("running (host:1, last heard of 12 s ago)")
    found = watched(capture, alive=False)
    assert capture_line(found).startswith("silent (host:1, last heard of 12 s ago: start it again, unless its process")
    assert not found["running"]
    stopped = capture_document(replace(status, released=True), 100_000)
    assert capture_line(watched(stopped, alive=False)).startswith("stopped (host:1")


def test_while_replay_is_open_a_consumer_is_missed_only_where_no_worker_is_left() -> None:
    def next_of(*silences: int) -> str:
        applied = {"workers": [{"silent_seconds": seconds} for seconds in silences]}
        return next_step(Phase.REPLAY, CaptureStatus(started=True), Progress(()), applied, 0)

    assert next_of(70, 40).startswith("`keyshift apply run` was last heard of 40 s ago: start it again, unless")
    assert next_of(70, 0) == next_of() == next_of(0)
    assert next_of().startswith("start `keyshift apply run`")


def test_behind_a_closed_replay_the_sweep_is_next_whether_or_not_the_daemon_is_there() -> None:
    for capture in (CaptureStatus(started=True, released=True), CaptureStatus(started=True, fence=1, lease_seconds=10)):
        told = next_step(Phase.CLOSED, capture, Progress(()), {"workers": []}, 100_000)
        assert told.startswith("`keyshift cdc run` ")
        assert "start it again" in told
        assert "; run `keyshift cutover sweep`" in told
