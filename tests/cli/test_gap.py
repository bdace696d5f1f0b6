"""Records of the stream are lost to replay, as an operator lives it: told everywhere, stepped over nowhere, mended."""

import re
import shlex
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

import keyshift
from keyshift.control import shards
from keyshift.control.lanes import LANES_PREFIX, applied_of
from keyshift.control.phase import Phase, read_phase
from tests.apply.event_source import read_stream
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, store_of
from tests.cli.test_reload import load_again, run, statement, writing

pytestmark = pytest.mark.any_pair

PAGE = Path(keyshift.__file__).parents[1] / "docs" / "reload.md"
LOST = 40  # statements, of about five to each lane


@pytest.fixture
def migration(project: Project, stack: ExitStack) -> Migration:
    """Beside what the application writes there are rows that are written once more, when it is lost."""
    fill(project, orders=40)
    project.execute("INSERT INTO purchase VALUES (77, 1, 1, 1), (77, 2, 1, 1)")
    return Migration(project, stack)


def documented() -> list[list[str]]:
    """The commands of docs/reload.md for records that are lost, word by word."""
    section = PAGE.read_text().split("## When records of the stream are lost to replay\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for line in block.splitlines()]


def lose(project: Project) -> None:
    """While no consumer runs: changes are captured, and gone before one reads them.

    To a consumer a shard looks the same behind retention that has passed, or an iterator of the wrong place: what it
    is given next is newer than what follows the record that it had last.
    """
    chance = Random(7)
    project.execute(
        "UPDATE purchase SET quantity = 2 WHERE customerid = 77 AND orderid = 1",
        "DELETE FROM purchase WHERE customerid = 77 AND orderid = 2",
        "INSERT INTO purchase VALUES (77, 3, 1, 1)",
        *(statement(chance) for _ in range(LOST)),
    )
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    store, stream = store_of(project), answer_of(project, "status")["migration"]["stream"]
    newest = {shard: records[-1] for shard, records in read_stream(project.aws("kinesis"), stream).items() if records}
    for shard, state in shards.read(store, stream).items():
        assert state.record
        store.swap(state.record.item, state.record, {"sequence": newest[shard]["SequenceNumber"]})


def quiet_items(project: Project) -> list[tuple[str, str]]:
    items = project.aws("dynamodb").scan(TableName=f"{project.name}-groups", ConsistentRead=True)["Items"]
    mine = (item for item in items if item["customerid"]["N"] == "77" and "p1" in item)
    return sorted((item["orderid"]["N"], item["p1"]["N"]) for item in mine)


def consumer_ends(project: Project, migration: Migration) -> None:
    consumer = migration.commands.start("apply", "run")
    assert consumer.wait(60) == 2
    said = (project.folder / "apply-run.log").read_text()
    assert re.search(r"lane \d has a gap: its next record follows the change at binlog file number", said)
    assert "keyshift tables reload --all" in said


def require_told(project: Project) -> None:
    """By each command that one would look at, at once; and the cutover is refused."""
    status = answer_of(project, "status")
    assert status["gaps"]
    assert "keyshift tables reload --all" in status["next"]
    assert "gap        lane" in project.keyshift("status").out
    assert "give --all" in project.keyshift("tables", "reload", "--reason", "neither names nor all").err
    began = time.monotonic()
    checklist = project.keyshift("cutover", "checklist", "--rehearse")
    assert checklist.code == 1
    assert re.search(r"FAIL  no lane has a gap +lane \d has a gap", checklist.out)
    switch = project.keyshift("cutover", "run")
    assert (switch.code, "replay stays open" in switch.err) == (1, True)
    assert read_phase(store_of(project)) is Phase.REPLAY
    answer = project.keyshift("verify")
    assert (answer.code, answer.out.startswith("not settled: no barrier was reached. Lane ")) == (1, True)
    report = answer_of(project, "verify")
    assert (report["basis"]["ground"], report["settled"], report["clean"]) == ("gap", False, False)
    assert time.monotonic() - began < 120, "nobody waits for a barrier that is not answered"


@pytest.mark.timeout(300)
def test_lost_records_stop_replay_until_all_is_loaded_again_as_documented(
    project: Project, migration: Migration, stack: ExitStack
) -> None:
    commands, store = migration.commands, store_of(project)
    assert project.keyshift("init").code == 0
    daemon = stack.enter_context(ExitStack())
    daemon.enter_context(commands.background("cdc", "run"))
    until(lambda: answer_of(project, "status")["capture"]["started"])
    run(project, "bulkload", "run")
    with writing(project), commands.background("apply", "run"):
        until(lambda: answer_of(project, "status")["apply"]["applied"] > LOST)
    lose(project)
    before = applied_of(store.query(LANES_PREFIX))
    with writing(project, seed=2):
        captured = answer_of(project, "status")["capture"]["changes"]
        until(lambda: answer_of(project, "status")["capture"]["changes"] >= captured + LOST)
        consumer_ends(project, migration)
        require_told(project)
        gaps = answer_of(project, "status")["gaps"]
        now = applied_of(store.query(LANES_PREFIX))
        assert all(now.get(one["lane"], "") == before.get(one["lane"], "") < one["follows"] for one in gaps)
        assert quiet_items(project) == [("1", "1"), ("2", "1")]

        for words in documented():
            if words == ["cdc", "run"]:
                daemon.close()
                migration.start(*words)
                until(lambda: "run `keyshift bulkload run`" in answer_of(project, "status")["next"])
                assert answer_of(project, "status")["gaps"] == []
            elif words == ["apply", "run"]:
                migration.start(*words)
            elif words == ["bulkload", "run"]:
                load_again(project)
            else:
                assert f"{project.schema}.orders, {project.schema}.purchase" in run(project, *words)
                assert "restart `keyshift cdc run`" in answer_of(project, "status")["next"]
    report = answer_of(project, "verify")
    assert (report["basis"]["ground"], report["differences"], report["clean"]) == ("barriers", 0, True)
    assert quiet_items(project) == [("1", "2"), ("3", "1")]
    assert "gap_passed" in (project.folder / "apply-run.log").read_text()
    switch = project.keyshift("cutover", "run")
    assert switch.code == 0, switch.out + switch.err
    assert answer_of(project, "verify")["clean"]
