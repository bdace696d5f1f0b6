"""The end of a migration as an operator lives it: daemon and consumer run, the application writes, one switches."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self
from urllib.request import urlopen

import pytest

from keymap.rules import load_keymap
from keymap.wire import decode_pack
from keyshift.apply import tidy
from keyshift.apply.gate import ControlGate
from keyshift.apply.stream import StreamApplier
from keyshift.apply.tidy import Tidied, Tidier
from keyshift.apply.writer import GuardedWriter
from keyshift.aws import stream
from keyshift.cli.demo.child import free_port
from keyshift.control import migration as migrations
from keyshift.control.phase import Phase, read_phase
from keyshift.cutover import conduct
from keyshift.process.stop import Stop
from tests.cli.conftest import Project, another
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, store_of


class Application:
    """Writes to both tables all the time, within a few keys."""

    def __init__(self, project: Project, seed: int) -> None:
        self._project, self._random = project, random.Random(seed)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.written = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _write(self) -> None:
        draw = self._random.randrange
        with self._project.database.connect(self._project.schema) as connection, connection.cursor() as cursor:
            while not self._done.wait(0.01):
                order, customer = draw(400), draw(3)
                statement = self._random.choice(
                    (
                        f"REPLACE INTO orders VALUES ({order}, {customer}, {draw(99)}, NULL)",
                        f"UPDATE orders SET customer_id = {customer} WHERE id = {order}",
                        f"DELETE FROM orders WHERE id = {order}",
                        f"UPDATE IGNORE orders SET id = {draw(400)} WHERE id = {order}",
                        f"REPLACE INTO purchase VALUES ({customer}, {draw(50)}, {draw(9)}, {draw(99)})",
                        f"DELETE FROM purchase WHERE orderid = {draw(50)} AND productid = {draw(9)}",
                    )
                )
                cursor.execute(statement)
                self.written += 1


@pytest.fixture
def migration(project: Project, stack: ExitStack) -> Migration:
    fill(project)
    return Migration(project, stack)


def test_from_the_rehearsal_to_the_switch(migration: Migration) -> None:
    project = migration.project
    with Application(project, 1) as application:
        migration.run()
        answer = project.keyshift("cutover", "checklist", "--rehearse")
        assert answer.code == 0, answer.out
        assert "note  writes stopped" in answer.out
        told = answer_of(project, "status")["apply"]
        (worker,) = told["workers"]
        assert set(worker["shards"]) == {shard for shard, one in told["shards"].items() if not one["closed"]}
        assert {one["owner"] for one in told["shards"].values()} == {worker["owner"]}
        assert f"{worker['owner']}, last heard of" in project.keyshift("status").out
        answer = project.keyshift("cutover", "checklist")
        assert answer.code == 1
        assert "FAIL  writes stopped" in answer.out
        application.stop()
        assert application.written > 100
    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.out + answer.err
    assert "may switch" in answer.out
    before = answer_of(project, "verify")
    assert before["clean"]
    assert before["tombstones"] > 0
    assert project.keyshift("cutover", "sweep").code == 0
    after = answer_of(project, "verify")
    assert after["clean"]
    assert after["tombstones"] == 0
    assert after["items"] == before["items"] - before["tombstones"]


@pytest.mark.any_pair
def test_a_difference_is_found_among_changes_in_flight(migration: Migration) -> None:
    project = migration.project
    project.execute("INSERT INTO orders VALUES (1000, 1, 1, NULL), (1001, 1, 1, NULL), (1002, 1, 1, NULL)")
    with Application(project, 2):
        migration.run()
        dynamodb, table = project.aws("dynamodb"), f"{project.name}-app"
        key = {"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#001000"}}
        dynamodb.delete_item(TableName=table, Key=key)
        item = dynamodb.get_item(TableName=table, Key=key | {"sk": {"S": "ORDER#001001"}})["Item"]
        dynamodb.put_item(TableName=table, Item=item | {"total": {"N": "2"}})
        dynamodb.put_item(TableName=table, Item=item | {"sk": {"S": "ORDER#999999"}})
        report = answer_of(project, "verify")
    assert report["live"]
    found = sorted((one["kind"], one["key"][1]) for one in report["examples"])
    assert found == [("different", "ORDER#001001"), ("extra", "ORDER#999999"), ("missing", "ORDER#001000")]
    assert report["differences"] == 3


@pytest.mark.any_pair
def test_without_a_consumer_the_stream_does_not_drain(migration: Migration) -> None:
    migration.load()
    answer = migration.project.keyshift("cutover", "checklist", "--wait", "2")
    assert answer.code == 1
    assert "FAIL  stream drained" in answer.out
    assert "by lanes 0, 1, 2" in answer.out
    assert "keyshift apply run" in answer.out


@pytest.mark.any_pair
def test_changes_in_the_last_moment_keep_the_application_from_switching_and_are_not_lost(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, real = migration.project, conduct.close
    migration.run()

    def write_and_close(store, lease):
        project.execute("INSERT INTO orders VALUES (555, 2, 5, 'late')")
        real(store, lease)

    with monkeypatch.context() as patch:
        patch.setattr(conduct, "close", write_and_close)
        answer = project.keyshift("cutover", "run")
    assert answer.code == 2
    assert "1 changes were captured after" in answer.err
    assert "keyshift cutover abort" in answer.err
    assert project.keyshift("cutover", "run").code == 2  # again: still not
    assert project.keyshift("cutover", "abort").code == 0
    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.out + answer.err
    key = {"pk": {"S": "CUSTOMER#2"}, "sk": {"S": "ORDER#000555"}}
    assert "Item" in project.aws("dynamodb").get_item(TableName=f"{project.name}-app", Key=key)


@pytest.mark.any_pair
def test_a_cutover_killed_after_closing_goes_on(migration: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    project = migration.project
    migration.run()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conduct.Conductor, "finish", die)
        assert project.keyshift("cutover", "run").code == 130
    assert read_phase(store_of(project)) is Phase.CLOSED
    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.err
    assert "may switch" in answer.out


@pytest.mark.any_pair
def test_after_an_abort_the_target_follows_the_source_again(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where tombstones are gone, and what they kept out is delivered once more."""
    project = migration.project
    monkeypatch.setattr(tidy, "ended_after", lambda _life_seconds: 0.0)
    migration.run()
    project.execute("INSERT INTO orders VALUES (557, 2, 5, 'soon gone')", "DELETE FROM orders WHERE id = 557")
    with monkeypatch.context() as patched:
        patched.setenv("KEYSHIFT_METRICS__EMF", "true")
        tidied = project.keyshift("apply", "tidy")
    assert tidied.code == 0, tidied.err
    assert "1 deleted" in tidied.out
    told = json.loads(tidied.err.splitlines()[-1])
    assert (told["event"], told["keyshift_apply_tombstones_removed_total"]) == ("metrics", 1)
    assert told["keyshift_apply_horizon_age_seconds"] >= told["keyshift_apply_tidied_age_seconds"] >= 0
    assert tidies_where_it_can_be_scraped(project, monkeypatch)
    project.execute("INSERT INTO orders VALUES (558, 2, 5, 'soon gone')")
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])  # so the deletion has a record of its own
    project.execute("DELETE FROM orders WHERE id = 558")
    assert project.keyshift("cutover", "run").code == 0
    assert "1 deleted" in project.keyshift("cutover", "sweep").out
    refused = project.keyshift("apply", "tidy")
    assert refused.code == 2
    assert "the phase is closed" in refused.err
    project.execute("INSERT INTO orders VALUES (556, 2, 5, 'after')", "DELETE FROM orders WHERE id = 3")
    assert project.keyshift("cutover", "abort").code == 0
    deliver_again(project)
    assert project.keyshift("cutover", "run").code == 0
    assert answer_of(project, "verify")["clean"]


def tidies_where_it_can_be_scraped(project: Project, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether `apply tidy --every` shows its figures while it runs; nothing is tidied here."""
    port, seen = free_port(), []

    def one_pass(_tidier: Tidier, stop: Stop) -> Tidied:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            seen.append(answer.read().decode())
        stop.set()
        return Tidied("")

    with monkeypatch.context() as patched:
        patched.setenv("KEYSHIFT_METRICS__PORT", str(port))
        patched.setattr("keyshift.cli.apply.one_pass", one_pass)
        assert project.keyshift("apply", "tidy", "--every", "24h").code == 0
    return [f'keyshift_apply_tombstones_removed_total{{migration="{project.name}"}} 0' in one for one in seen] == [True]


def deliver_again(project: Project) -> None:
    """All inserts that the stream holds, by a consumer beside the one that runs: batches that come late and twice."""
    keymap, store, kinesis = load_keymap(project.folder / "keymap.yaml"), store_of(project), project.aws("kinesis")
    found = migrations.load(store)
    with ThreadPoolExecutor(4) as pool:
        writer = GuardedWriter(project.aws("dynamodb"), keymap, found.id, pool)
        applier = StreamApplier(writer, keymap, found, ControlGate(store, keymap.digest))
        for shard in stream.shards(kinesis, found.stream):
            iterator: str | None = stream.iterator_for(kinesis, found.stream, shard.id, None)
            while iterator:
                page = stream.get_records(kinesis, iterator)
                some = [one for one in page.records if all(change.op == "c" for change in decode_pack(one.data)[1])]
                assert applier.handle(some).error is None
                iterator = page.next_iterator if page.records or page.behind_ms else None


@pytest.mark.any_pair
@pytest.mark.timeout(600)
def test_two_migrations_of_one_server_at_once(migration: Migration, stack: ExitStack) -> None:
    other = Migration(another(migration.project, "other"), stack)
    with Application(migration.project, 3):
        migration.run()
        other.run()
    for one in (migration, other):
        answer = one.project.keyshift("cutover", "run")
        assert answer.code == 0, answer.out + answer.err
        assert answer_of(one.project, "verify")["clean"]
    assert other.project.keyshift("destroy", "--yes", "--with-targets").code == 0
    assert answer_of(migration.project, "verify")["clean"]
    assert other.project.made() == []


@pytest.mark.any_pair
@pytest.mark.timeout(600)
def test_a_second_run_of_one_migration_after_destroy(project: Project) -> None:
    fill(project)
    for seed in (4, 5):
        with ExitStack() as stack:
            one = Migration(project, stack)
            with Application(project, seed):
                one.run()
            answer = project.keyshift("cutover", "run")
            assert answer.code == 0, answer.out + answer.err
            assert answer_of(project, "verify")["clean"]
        assert project.keyshift("destroy", "--yes", "--with-targets").code == 0
        assert project.made() == []


@pytest.mark.any_pair
def test_cdc_status_tells_whether_the_daemon_lives(migration: Migration) -> None:
    project = migration.project
    project.keyshift("init")
    answer = project.keyshift("cdc", "status")
    assert answer.code == 1
    assert "has not run yet" in answer.out
    with migration.commands.background("cdc", "run"):
        until(lambda: project.keyshift("cdc", "status").code == 0)
        until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    answer = project.keyshift("cdc", "status")
    assert answer.code == 1
    assert "stopped" in answer.out


@pytest.mark.any_pair
def test_a_signal_ends_the_long_commands_in_good_order(migration: Migration) -> None:
    """SIGTERM is how systemd and containers stop them: exit code 0, the lease given back."""
    project = migration.project
    project.keyshift("init")
    daemon = migration.commands.start("cdc", "run")
    until(lambda: answer_of(project, "status")["capture"]["started"])
    consumer = migration.commands.start("apply", "run")
    until(lambda: "waiting_for_replay" in (project.folder / "apply-run.log").read_text())
    for process in (daemon, consumer):
        process.terminate()
    assert [process.wait(20) for process in (daemon, consumer)] == [0, 0]
    assert answer_of(project, "status")["capture"]["running"] is False


@pytest.mark.any_pair
def test_cdc_check_passes_and_names_what_is_wrong(project: Project) -> None:
    assert project.keyshift("cdc", "check").code == 0
    project.execute("ALTER TABLE orders ENGINE = MyISAM")
    answer = project.keyshift("cdc", "check")
    assert answer.code == 2
    assert "MyISAM" in answer.err


@pytest.mark.any_pair
def test_the_plan_shows_each_table_and_which_targets_are_written_slot_by_slot(project: Project) -> None:
    answer = project.keyshift("bulkload", "plan")
    assert answer.code == 0, answer.err
    assert "set is local" in answer.out
    head, *lines = answer.out.splitlines()
    assert head.split()[-4:] == ["written", "slot", "by", "slot"]
    planned = {line.split()[0] for line in lines}
    assert {f"{project.schema}.orders", "hours", "kept", "changes", "dollars"} <= planned


@pytest.mark.any_pair
def test_the_plan_weighs_rows_and_refuses_where_changes_expire_before_the_load_ends(project: Project) -> None:
    fill(project)
    project.execute("ANALYZE TABLE orders, purchase")
    plan = answer_of(project, "bulkload", "plan", "--changes-per-second", "10")
    assert plan["write_units"] >= 24  # of 20 orders and 4 groups
    assert plan["dollars"]["together"] > plan["dollars"]["dynamodb"] > 0
    assert plan["changes_per_second"] == 10
    assert plan["refused"] == []
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {engine: spark, ")
    planned = answer_of(project, "bulkload", "plan", "--rows", "0")
    assert (planned["write_units"], planned["engine"]) == (0, "spark")
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {throttle: {bytes_per_second_max: 1}, ")
    answer = project.keyshift("bulkload", "plan", "--changes-per-second", "7000")  # of 8,000 that two tables take
    assert answer.code == 2
    assert "the stream: it keeps changes for 24 hours" in answer.err


@pytest.mark.any_pair
def test_the_plan_goes_by_the_stream_as_it_is_and_by_what_was_asked_of_the_dump(project: Project) -> None:
    """Not by what the settings would create, and have said."""
    fill(project)
    project.execute("ANALYZE TABLE orders, purchase")
    wanted = {"there": False, "shards": 1, "on_demand": False, "retention_hours": 24}
    planned = answer_of(project, "bulkload", "plan", "--rows", "0")
    assert (planned["stream"], planned["limits"]["bytes_per_second_max"]) == (wanted, 0)
    kinesis, name = project.aws("kinesis"), f"keyshift-{project.name}"
    kinesis.create_stream(StreamName=name, ShardCount=3)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    assert project.keyshift("init").code == 0
    asked = ("--bytes-per-second", "1", "--pause")
    assert project.keyshift("bulkload", "throttle", *asked).code == 0
    planned = answer_of(project, "bulkload", "plan", "--rows", "0", "--changes-per-second", "7000")
    assert planned["stream"] == {"there": True, "shards": 3, "on_demand": False, "retention_hours": 48}
    assert (planned["limits"]["bytes_per_second_max"], planned["limits"]["paused"]) == (1, True)
    (problem,) = planned["refused"]
    assert "keeps changes for 48 hours" in problem["what"]
    assert "or raise the dump's limits (`keyshift bulkload throttle`" in problem["remedy"]
    said = project.keyshift("bulkload", "plan", "--rows", "0").out
    assert "3 shards, as it is" in said
    assert "at most 1 bytes a second, paused" in said
    kinesis.delete_stream(StreamName=name)


@pytest.mark.any_pair
def test_the_plan_refuses_a_keymap_that_does_not_fit(project: Project) -> None:
    project.execute("ALTER TABLE orders DROP PRIMARY KEY")
    answer = project.keyshift("bulkload", "plan")
    assert answer.code == 2
    assert "no primary key" in answer.err
