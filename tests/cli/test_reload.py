"""Tables that are loaded again while replay runs and the application writes, to the end: both sides are equal."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random

import pytest

from keyshift.cli.demo.commands import end
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, store_of

pytestmark = pytest.mark.any_pair

PAUSE_SECONDS = 0.02  # the consumer keeps up, also on a machine that does other things


@pytest.fixture
def migration(project: Project, stack: ExitStack) -> Migration:
    fill(project, orders=170)
    return Migration(project, stack)


@contextmanager
def writing(project: Project, seed: int = 1) -> Iterator[None]:
    """An application that inserts, changes, moves and deletes rows of both tables all the time."""
    ended, chance = threading.Event(), Random(seed)
    failed: list[BaseException] = []

    def write() -> None:
        with project.database.connect(project.schema) as connection, connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute(statement(chance))
                time.sleep(PAUSE_SECONDS)

    def run() -> None:
        try:
            write()
        except BaseException as error:  # noqa: BLE001 - told by the test's thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failed, failed


def statement(chance: Random) -> str:
    number, customer = chance.randrange(300), chance.randrange(4)
    return chance.choice(
        [
            f"REPLACE INTO orders (id, customer_id, total) VALUES ({number}, {customer}, {chance.randrange(99)})",
            f"UPDATE orders SET customer_id = customer_id + 1 WHERE id % 50 = {number % 50}",
            f"DELETE FROM orders WHERE id = {number}",
            f"REPLACE INTO purchase VALUES ({customer}, {number % 9}, {chance.randrange(4)}, {chance.randrange(99)})",
            f"DELETE FROM purchase WHERE customerid = {customer} AND orderid = {number % 9}",
        ]
    )


def run(project: Project, *arguments: str) -> str:
    answer = project.keyshift(*arguments)
    assert answer.code == 0, answer.err + answer.out
    return answer.out


def load_again(project: Project) -> None:
    """As its refusal asks: when the daemon has read on."""

    def is_done() -> bool:
        answer = project.keyshift("bulkload", "run")
        assert answer.code == 0 or "capture has not passed the place" in answer.err, answer.err
        return answer.code == 0

    until(is_done)


def require_equal(project: Project) -> None:
    until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    report = answer_of(project, "verify")
    assert report["clean"], report
    assert report["rows"]
    checklist = project.keyshift("cutover", "checklist")
    assert checklist.code == 0, checklist.out


def stop_at(project: Project, statement: str) -> None:
    project.execute(statement)
    until(lambda: answer_of(project, "status")["stopped_at"])
    until(lambda: not answer_of(project, "status")["capture"]["running"])


def test_a_table_that_was_truncated_is_loaded_again_beside_replay(project: Project, migration: Migration) -> None:
    migration.run()
    with writing(project):
        stop_at(project, "TRUNCATE orders")
        told = run(project, "cdc", "resume", "--decision", f"reload:{project.schema}.orders", "--reason", "a mistake")
        assert "to be loaded again" in told
        assert answer_of(project, "status")["reloaded"][0]["reason"] == "a mistake"
        time.sleep(0.3)  # rows that are written behind the statement, and not captured yet
        migration.start("cdc", "run")
        until(lambda: "is loaded again" in answer_of(project, "status")["next"])
        report = answer_of(project, "verify")
        assert (report["pending"], report["differences"], report["clean"]) == ([f"{project.schema}.orders"], 0, False)
        assert project.keyshift("cutover", "checklist", "--rehearse").code == 1
        assert "no row stands for any more were removed" in run(project, "bulkload", "run")
        assert not answer_of(project, "verify")["differences"]
    require_equal(project)
    assert "a mistake" in project.keyshift("cutover", "checklist").out


def test_where_changes_are_lost_to_capture_all_tables_are_loaded_again(project: Project, migration: Migration) -> None:
    project.keyshift("init")
    with migration.commands.background("cdc", "run"):
        until(lambda: answer_of(project, "status")["capture"]["started"])
        run(project, "bulkload", "run")
        migration.start("apply", "run")
        project.execute("UPDATE orders SET total = 1 WHERE id < 9")
        until(lambda: answer_of(project, "cdc", "status")["caught_up"])
    with writing(project, seed=3):
        time.sleep(0.5)  # what is written now is in no file that capture will read
        store_of(project).update("capture", {"fingerprint": "1-0000000000000000"}, {})
        refused = migration.commands.start("cdc", "run")
        until(lambda: answer_of(project, "status")["stopped_at"])
        stopped = answer_of(project, "status")["stopped_at"]
        assert refused.wait() == 2
        assert "has begun its binlog anew" in stopped["what"]
        assert sorted(stopped["tables"]) == [f"{project.schema}.orders", f"{project.schema}.purchase"]
        accepted = project.keyshift("cdc", "resume", "--decision", "accept", "--reason", "no")
        assert "nobody can answer for changes that are lost" in accepted.err
        one = project.keyshift("cdc", "resume", "--decision", f"reload:{project.schema}.orders", "--reason", "no")
        assert "Name each of them" in one.err
        for _ in range(2):
            told = run(project, "cdc", "resume", "--decision", "reload", "--reason", "restored from a backup")
            assert "begins anew from what the source is then" in told
        migration.start("cdc", "run")
        until(lambda: answer_of(project, "status")["bulkload"]["tables"][0]["reload"])
        status = answer_of(project, "status")
        assert (status["migration"]["epoch"], status["stopped_at"]) == (2, None)
        report = answer_of(project, "verify")
        assert (len(report["pending"]), report["differences"]) == (2, 0)
        load_again(project)
    require_equal(project)
    assert answer_of(project, "status")["migration"]["epoch"] == 2


@pytest.mark.timeout(300)
def test_every_process_may_be_killed_while_a_table_is_loaded_again(project: Project, migration: Migration) -> None:
    project.edit("keyshift.yaml", "chunk_rows: 50", "chunk_rows: 3")
    chance, commands = Random(3), migration.commands
    migration.capture()
    processes = [commands.start("apply", "run")]
    run(project, "bulkload", "run")
    try:
        with writing(project, seed=2):
            stop_at(project, "TRUNCATE orders")
            run(project, "cdc", "resume", "--decision", "reload", "--reason", "a mistake")
            for _ in range(4):
                processes += [commands.start("cdc", "run"), commands.start("bulkload", "run")]
                time.sleep(chance.uniform(1.5, 4.0))
                for process in processes:
                    process.kill()
                    process.wait()
                processes = [commands.start("apply", "run")]
            migration.start("cdc", "run")
            until(lambda: answer_of(project, "cdc", "status")["alive"])
            load_again(project)
        require_equal(project)
    finally:
        for process in processes:
            end(process)


NEW_TABLE = """\
  {schema}.visit:
    - target: {name}-app
      key: {{pk: "CUSTOMER#{{customer_id}}", sk: "VISIT#{{id}}"}}
"""


def test_a_table_joins_a_running_migration(project: Project, migration: Migration) -> None:
    project.execute("CREATE TABLE visit (id INT PRIMARY KEY, customer_id INT NOT NULL, page VARCHAR(20))")
    project.execute("INSERT INTO visit SELECT id, customer_id, 'home' FROM orders")
    visit = f"{project.schema}.visit"
    project.keyshift("init")
    with migration.commands.background("cdc", "run"):
        until(lambda: answer_of(project, "status")["capture"]["started"])
        run(project, "bulkload", "run")
        with migration.commands.background("apply", "run"), writing(project, seed=4):
            project.execute("UPDATE visit SET page = 'exit' WHERE id < 50")
            project.execute("DELETE FROM visit WHERE id > 160")
            with (project.folder / "keymap.yaml").open("a") as keymap:
                keymap.write(NEW_TABLE.format(schema=project.schema, name=project.name))
            wrong = project.keyshift("tables", "add", f"{project.schema}.orders", "--reason", "x")
            assert f"new tables are: {visit}; and those with other rules than before: none" in wrong.err
            told = run(project, "tables", "add", visit, "--reason", "forgotten")
            assert f"to be loaded (again): {visit}" in told
            assert "begins to load" in answer_of(project, "status")["next"]
            early = project.keyshift("bulkload", "run")
            assert "which the daemon's next run begins" in early.err
            project.execute("INSERT INTO visit VALUES (1000, 1, 'between')")
    with writing(project, seed=5):
        project.execute("UPDATE visit SET page = 'later' WHERE id < 20")
        migration.start("cdc", "run")
        migration.start("apply", "run")
        until(lambda: "run `keyshift bulkload run`" in answer_of(project, "status")["next"])
        project.execute("INSERT INTO visit VALUES (1001, 1, 'captured')", "DELETE FROM visit WHERE id = 3")
        load_again(project)
    require_equal(project)
    again = {one["table"]: one["reload"] for one in answer_of(project, "status")["bulkload"]["tables"]}
    assert [table for table, reload in again.items() if reload] == [visit]
    assert "nothing to do" in run(project, "tables", "add", visit, "--reason", "again")


def test_a_changed_keymap_is_adopted_and_only_its_tables_are_loaded_again(
    project: Project, migration: Migration
) -> None:
    orders = f"{project.schema}.orders"
    project.keyshift("init")
    with migration.commands.background("cdc", "run"):
        until(lambda: answer_of(project, "status")["capture"]["started"])
        run(project, "bulkload", "run")
        with migration.commands.background("apply", "run"), writing(project, seed=6):
            time.sleep(1)
        with writing(project, seed=7):  # what no consumer has seen yet is on the stream, made with the keymap of before
            time.sleep(1)
            project.edit("keymap.yaml", f"    - target: {project.name}-app", f"    - target: {project.name}-other")
            project.edit("keymap.yaml", 'sk: "ORDER#{id:06d}"', 'sk: "O#{id}"')
            project.edit(
                "keymap.yaml",
                "tables:\n",
                f"  {project.name}-other: {{partition_key: {{pk: S}}, sort_key: {{sk: S}}}}\ntables:\n",
            )
            refused = project.keyshift("verify")
            assert "adopted with `keyshift keymap adopt`" in refused.err
            told = run(project, "keymap", "adopt", "--reason", "a better key")
            assert f"It changes: {orders}" in told
            assert "nothing to do" in run(project, "keymap", "adopt", "--reason", "a better key")
            time.sleep(0.5)
    with writing(project, seed=8):
        migration.start("cdc", "run")
        migration.start("apply", "run")
        until(lambda: "run `keyshift bulkload run`" in answer_of(project, "status")["next"])
        assert answer_of(project, "verify")["differences"] == 0
        load_again(project)
    require_equal(project)
    left = project.aws("dynamodb").scan(TableName=f"{project.name}-app", ConsistentRead=True)["Items"]
    assert left
    assert all(item["_ks_v"]["S"].endswith("x") for item in left), "what the keymap of before made is gone"
