"""doctor tells what is wrong on this host, and changes nothing."""

import secrets

import pytest

from tests.cli.conftest import Project

pytestmark = pytest.mark.any_pair


def test_before_init_all_is_in_order_and_missing_resources_are_no_fault(project: Project) -> None:
    answer = project.keyshift("doctor")
    assert answer.code == 0, answer.out
    assert "not there yet" in answer.out
    assert project.made() == []


def test_after_init_every_kind_of_call_is_tried(project: Project) -> None:
    project.keyshift("init")
    before = project.aws("s3").list_objects_v2(Bucket=f"{project.name}-bucket").get("KeyCount")
    answer = project.keyshift("doctor")
    assert answer.code == 0, answer.out
    for permitted in ("GetItem, Scan, PutItem", "GetRecords permitted", "PutObject, GetObject"):
        assert permitted in answer.out
    assert project.aws("s3").list_objects_v2(Bucket=f"{project.name}-bucket").get("KeyCount") == before
    assert project.aws("dynamodb").scan(TableName=f"{project.name}-app")["Count"] == 0


def test_a_resource_that_went_away_is_a_fault_with_its_remedy(project: Project) -> None:
    project.keyshift("init")
    project.aws("dynamodb").delete_table(TableName=f"{project.name}-app")
    answer = project.keyshift("doctor")
    assert answer.code == 1
    assert f"table {project.name}-app" in answer.out
    assert "not there any more" in answer.out
    assert project.keyshift("init").code == 0
    assert project.keyshift("doctor").code == 0


def test_each_endpoint_is_judged_by_itself(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.keyshift("init")
    monkeypatch.setenv("TEST_PASSWORD", "wrong")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        answer = project.keyshift("doctor")
    assert answer.code == 1
    lines = answer.out.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    assert len(failed) == 2
    assert any("refuses the user" in line for line in failed)
    assert any("127.0.0.1:1" in line for line in failed)
    assert any(line.startswith("ok") and "stream" in line for line in lines)
    monkeypatch.setenv("TEST_PASSWORD", project.database.password)


def test_a_server_of_the_rows_that_cannot_be_reached_or_read_is_named(project: Project) -> None:
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {source: {port: 1}, ")
    (line,) = (line for line in project.keyshift("doctor").out.splitlines() if line.startswith("FAIL"))
    assert line.startswith("FAIL  bulkload.source (127.0.0.1:1)")
    assert "Check bulkload.source.host and bulkload.source.port" in project.keyshift("cdc", "check").err
    assert "bulkload.source (127.0.0.1:1): MySQL at 127.0.0.1:1" in project.keyshift("bulkload", "plan").err
    user = f"u{secrets.token_hex(4)}"
    project.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'")
    project.edit("keyshift.yaml", "source: {port: 1}", f"source: {{user: {user}, password: pw}}")
    answer = project.keyshift("doctor")
    assert answer.code == 1
    failed = [line.split() for line in answer.out.splitlines() if line.startswith("FAIL")]
    assert [one[2] for one in failed] == [f"{project.schema}.orders", f"{project.schema}.purchase"]
    assert all("the user may not read all its columns" in " ".join(one) for one in failed)
    project.execute(f"GRANT SELECT ON {project.schema}.* TO '{user}'@'%'")
    answer = project.keyshift("doctor")
    assert answer.code == 0, answer.out
    assert "rows may be read from it" in answer.out
    project.execute(f"DROP USER '{user}'@'%'")


def test_a_table_whose_items_expire_is_told(project: Project) -> None:
    project.keyshift("init")
    dynamodb = project.aws("dynamodb")
    told = "TTL is on: it deletes items whose expires is past"
    assert told not in project.keyshift("doctor").out
    dynamodb.update_time_to_live(
        TableName=f"{project.name}-app", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    answer = project.keyshift("doctor")
    assert answer.code == 0, answer.out
    assert told in answer.out
    assert told in project.keyshift("cutover", "checklist").out
