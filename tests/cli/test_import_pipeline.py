"""A migration through imports from S3 as an operator lives it, under a source that is written to all the time."""

from collections.abc import Iterator

import pytest

from keymap.errors import KeyshiftError
from tests.cli.conftest import Project
from tests.cli.running import Migration, until
from tests.cli.steps import answer_of, fill, pretend_capture_started
from tests.cli.test_pipeline import Application, migration
from tests.servers.fault_proxy import FaultProxy
from tests.servers.import_service import ImportService

pytestmark = pytest.mark.any_pair

__all__ = ["migration"]


@pytest.fixture
def importing(migration: Migration, servers: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Migration]:
    """The settings ask for imports. The embedded endpoint has them, DynamoDB Local has not."""
    project, urls = migration.project, migration.project.endpoints.urls
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {engine: import, ")
    if not servers.endswith("+local"):
        yield migration
        return
    with FaultProxy(urls["dynamodb"], *ImportService(urls["dynamodb"], urls["s3"]).rules) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        yield migration


def test_from_init_to_the_switch(importing: Migration) -> None:
    """Tables come with their items, the changes since land on them, and destroy removes all of it."""
    project = importing.project
    tables = {f"{project.name}-app", f"{project.name}-groups"}
    with Application(project, 3) as application:
        importing.capture()
        assert not tables & set(project.made())
        answer = project.keyshift("doctor")
        assert answer.code == 0, answer.out
        assert answer.out.count("the import of `keyshift bulkload load` makes it") == 2
        answer = project.keyshift("verify")
        assert answer.code == 2
        assert "Run `keyshift bulkload run` to its end first" in answer.err
        importing.start("apply", "run")  # it waits, and looks at no table
        answer = project.keyshift("bulkload", "run")
        assert answer.code == 0, answer.err
        assert tables <= set(project.made())
        told = answer_of(project, "bulkload", "status")["imports"]
        assert {one["table"] for one in told if one["state"] == "done" and one["imported"] == one["items"]} == tables
        assert f"import     into {project.name}-app: done" in project.keyshift("bulkload", "status").out
        assert f"import     into {project.name}-app: done" in project.keyshift("status").out
        written = application.written
        until(lambda: application.written > written + 50)
    answer = project.keyshift("cutover", "run")
    assert answer.code == 0, answer.out + answer.err
    report = answer_of(project, "verify")
    assert report["clean"]
    assert report["rows"] > 0
    assert project.keyshift("destroy", "--yes", "--with-targets").code == 0
    assert project.made() == []


def test_an_import_that_runs_is_shown_and_keeps_destroy_from_leaving_its_table(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that began it has died; AWS goes on, and the next one waits for it."""
    urls = project.endpoints.urls
    service = ImportService(urls["dynamodb"], urls["s3"])
    service.looks = 1_000
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {engine: import, ")
    fill(project)
    with FaultProxy(urls["dynamodb"], *service.rules) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        assert project.keyshift("init").code == 0
        pretend_capture_started(project)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("bulkload.imports.run.Imports._finish", _die)
            assert "the process dies here" in project.keyshift("bulkload", "run").err
        told = answer_of(project, "status")["imports"]
        assert {(one["state"], one["status"], one["imported"]) for one in told} == {("running", "IN_PROGRESS", 0)}
        assert "is being imported" in project.keyshift("doctor").out
        answer = project.keyshift("destroy", "--yes")
        assert answer.code == 2
        assert "is running, and cannot be ended" in answer.err
        service.hurry()
        assert project.keyshift("bulkload", "load").code == 0
        assert len(service.requests) == 2
        assert project.keyshift("destroy", "--yes").code == 0
        assert project.made() == []


def _die(*_arguments: object) -> None:
    raise KeyshiftError("the process dies here")


def test_the_plan_compares_both_engines(project: Project) -> None:
    fill(project)
    project.execute("ANALYZE TABLE orders, purchase")
    dollars = answer_of(project, "bulkload", "plan")["dollars"]
    assert dollars["load_local"] > dollars["load_import"] > 0
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {engine: import, ")
    plan = answer_of(project, "bulkload", "plan")
    assert plan["engine"] == "import"
    assert plan["import_bytes"] > 24 * 100
    answer = project.keyshift("bulkload", "plan")
    assert "and AWS's import, of which nothing is known before" in answer.out
    assert "(engine local)" in answer.out


def test_init_refuses_what_no_import_can_do_all_at_once(project: Project) -> None:
    project.aws("dynamodb").create_table(
        TableName=f"{project.name}-app",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    project.edit("keyshift.yaml", "bulkload: {", f"bulkload: {{engine: import, folder: {project.folder}, ")
    local = "sort_key: {orderid: N}\n    local_indexes: {by_q: {sort_key: {q: N}}}"
    project.edit("keymap.yaml", "sort_key: {orderid: N}", local)
    answer = project.keyshift("init")
    assert answer.code == 2
    for told in ("bulkload.folder: the dump lies in a folder", "local index by_q", "an import only makes new tables"):
        assert told in answer.err
    assert project.made() == [f"{project.name}-app"]
    project.aws("dynamodb").delete_table(TableName=f"{project.name}-app")
