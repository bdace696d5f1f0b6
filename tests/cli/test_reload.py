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
from tests.cli.steps import answer_of, fill

PAUSE_SECONDS = 0.002


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


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
            run(project, "bulkload", "run")
        require_equal(project)
    finally:
        for process in processes:
            end(process)
