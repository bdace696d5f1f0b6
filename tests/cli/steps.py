"""Steps of a migration that a test takes for granted."""

import json
from typing import Any

from keyshift.control.checkpoint import mark_started, record_start
from keyshift.control.lease import CAPTURE, Lease
from keyshift.control.store import Store
from keyshift.mysql.connection import connect
from keyshift.mysql.facts import read_facts
from keyshift.mysql.start import capture_start
from keyshift.process.clock import boottime
from keyshift.process.settings import load_settings
from tests.cli.conftest import Project


def store_of(project: Project) -> Store:
    return Store(project.aws("dynamodb"), f"{project.name}-control", project.name)


def pretend_capture_started(project: Project) -> None:
    """What the daemon records when it begins, for tests that need none afterwards."""
    settings = load_settings(project.folder / "keyshift.yaml")
    connection = connect(settings.source)
    facts = read_facts(connection)
    connection.close()
    start = capture_start(lambda: connect(settings.source), facts, [f"{project.schema}.orders"])
    lease = Lease(store_of(project), CAPTURE, "test", 2, boottime)
    assert lease.try_acquire()
    record_start(lease, start, facts.identity)
    mark_started(lease)
    lease.release()


def fill(project: Project, orders: int = 20, purchases: int = 4) -> None:
    rows = ", ".join(f"({n}, {n % 3}, {n}.50, 'note {n}')" for n in range(orders))
    project.execute(f"INSERT INTO orders VALUES {rows}")
    rows = ", ".join(f"({n % 2}, {n}, {product}, {product + 1})" for n in range(purchases) for product in range(3))
    project.execute(f"INSERT INTO purchase VALUES {rows}")


def load(project: Project) -> None:
    """Rows in both tables, and all of them in DynamoDB, with replay open and no daemon."""
    fill(project)
    assert project.keyshift("init").code == 0
    pretend_capture_started(project)
    answer = project.keyshift("bulkload", "run")
    assert answer.code == 0, answer.err


def answer_of(project: Project, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(project.keyshift(*arguments, "--json").out)
    return answer
