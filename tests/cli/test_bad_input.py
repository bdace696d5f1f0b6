"""What bad input gets: one clear error that names the place and the remedy, exit code 2, and nothing created."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keymap.wire import Header, encode_pack
from keyshift.cli.demo.database import Database
from tests.cli.conftest import ORDERS, PURCHASE, Answer, Project, another, make_project
from tests.servers.mariadb import find_mariadb

pytestmark = pytest.mark.any_pair


def refused(answer: Answer, *words: str) -> None:
    """One block on standard error with all of these words, a remedy, and no traceback."""
    assert answer.code == 2, answer
    assert "error: " in answer.err
    assert "do: " in answer.err
    assert "Traceback" not in answer.err + answer.out
    for word in words:
        assert word in answer.err


def refused_by_init(project: Project, *words: str) -> None:
    before = project.made()
    refused(project.keyshift("init"), *words)
    assert project.made() == before


def test_an_unknown_table_in_the_keymap(project: Project) -> None:
    project.edit("keymap.yaml", f"{project.schema}.orders", f"{project.schema}.ordres")
    refused_by_init(project, "keymap.yaml:10", f"{project.schema}.ordres does not exist", "Correct the name")


def test_an_unknown_column_in_the_keymap(project: Project) -> None:
    project.edit("keymap.yaml", "{customer_id}", "{customerid}")
    refused_by_init(project, "keymap.yaml:11", "column customerid does not exist", "Correct the name")


def test_a_key_over_a_nullable_column(project: Project) -> None:
    project.edit("keymap.yaml", "CUSTOMER#{customer_id}", "NOTE#{note}")
    refused_by_init(project, "keymap.yaml:11", "column note can be NULL", "default")


def test_two_rows_that_may_fall_on_one_slot(project: Project) -> None:
    project.edit("keymap.yaml", "ORDER#{id:06d}", "ORDER#")
    refused_by_init(project, "keymap.yaml:11", "two rows", "primary key column id")


def test_a_table_without_a_primary_key(project: Project) -> None:
    project.execute("ALTER TABLE purchase DROP PRIMARY KEY")
    refused_by_init(project, f"table {project.schema}.purchase", "no primary key", "ADD PRIMARY KEY")


def test_a_keymap_that_is_no_yaml(project: Project) -> None:
    project.edit("keymap.yaml", "targets:", "targets: {")
    refused_by_init(project, "keymap.yaml:")


def test_a_missing_keymap(project: Project) -> None:
    (project.folder / "keymap.yaml").unlink()
    refused_by_init(project, "keymap.yaml", "cannot be read")


def test_all_mistakes_are_told_at_once(project: Project) -> None:
    project.edit("keymap.yaml", "{customer_id}", "{customerid}")
    project.edit("keymap.yaml", f"{project.schema}.purchase", f"{project.schema}.purchases")
    project.execute("ALTER TABLE orders ENGINE = MyISAM")
    project.edit("keyshift.yaml", f"{project.name}-bucket", "a-bucket-of-somebody")
    project.aws("s3")
    refused_by_init(project, "error: 3 problems", "customerid", "purchases", "MyISAM")


def test_unknown_and_missing_settings(project: Project) -> None:
    project.edit("keyshift.yaml", "lanes: 8", "lane: 8")
    project.edit("keyshift.yaml", f"bucket: {{name: {project.name}-bucket}}", "")
    refused_by_init(project, "error: 2 problems", "keyshift.yaml:3", "lane", "bucket")


def test_no_settings_file(keyshift: Callable[..., Answer], tmp_path: Path) -> None:
    refused(keyshift(tmp_path, "status"), "there is no settings file", "--config")


def test_a_wrong_password(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "wrong")
    refused_by_init(project, "refuses the user 'root'", "Check source.user")


def test_a_database_that_is_not_there(project: Project) -> None:
    project.edit("keyshift.yaml", f"port: {project.database.port}", "port: 1")
    refused_by_init(project, "127.0.0.1:1 cannot be reached", "Check source.host")


def test_an_aws_endpoint_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:1")
    answer = project.keyshift("init")
    refused(answer, "127.0.0.1:1", "Check the endpoint")
    assert project.made() == []


def test_no_aws_credentials(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    refused(project.keyshift("init"), "credentials", "AWS_PROFILE")


def test_no_region(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    refused(project.keyshift("status"), "region", "aws.region")


def test_commands_before_init(project: Project) -> None:
    for command in (["status"], ["verify"], ["cutover", "checklist"], ["bulkload", "status"], ["bulkload", "load"]):
        refused(project.keyshift(*command), "control table", "keyshift init")


def test_a_keymap_that_changed_after_init(project: Project) -> None:
    project.keyshift("init")
    project.edit("keymap.yaml", "ORDER#{id:06d}", "ORDER#{id:09d}")
    refused(project.keyshift("init"), "already initialised", "digest")
    refused(project.keyshift("verify"), "keymap", "keyshift keymap adopt")


def test_lanes_that_changed_after_init(project: Project) -> None:
    project.keyshift("init")
    project.edit("keyshift.yaml", "lanes: 8", "lanes: 9")
    refused(project.keyshift("init"), "lanes 8, now 9")


def test_a_stream_with_records_of_another_migration(project: Project) -> None:
    other = another(project, "other")
    header = Header("other.0123abcd", "digest", 1, 0, "changes", "", "", 0, 0)
    kinesis, stream = project.aws("kinesis"), f"keyshift-{project.name}"
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    kinesis.put_record(StreamName=stream, Data=encode_pack(header, []), PartitionKey="0")
    refused_by_init(project, f"stream {stream}", "holds records of other.0123abcd", "Name another stream")
    kinesis.delete_stream(StreamName=stream)
    assert other.made() == []


def test_a_stream_with_records_of_nobody(project: Project) -> None:
    kinesis, stream = project.aws("kinesis"), f"keyshift-{project.name}"
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    kinesis.put_record(StreamName=stream, Data=b"hello", PartitionKey="0")
    refused_by_init(project, "something other than Keyshift")
    kinesis.delete_stream(StreamName=stream)


def test_a_target_table_with_another_key(project: Project) -> None:
    table, dynamodb = f"{project.name}-app", project.aws("dynamodb")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    refused_by_init(project, f"table {table}", "id N", "pk S, sk S")
    dynamodb.delete_table(TableName=table)


def test_resources_that_went_away_after_init(project: Project) -> None:
    project.keyshift("init")
    project.aws("dynamodb").delete_table(TableName=f"{project.name}-app")
    refused(project.keyshift("verify"), f"table {project.name}-app", "keyshift init")
    project.aws("dynamodb").delete_table(TableName=f"{project.name}-control")
    refused(project.keyshift("status"), f"no control table {project.name}-control", "keyshift init")
    project.keyshift("init")


def test_wrong_binlog_settings(
    keyshift: Callable[..., Answer], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--binlog-format=STATEMENT", "--binlog-row-image=MINIMAL", "--binlog-row-metadata=NO_LOG")
    with Database(find_mariadb(), options) as database:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {project.schema}")
            for statement in (ORDERS, PURCHASE):
                cursor.execute(statement.replace("TABLE ", f"TABLE {project.schema}."))
        monkeypatch.setenv("TEST_PASSWORD", database.password)
        made = make_project(keyshift, database, project.endpoints, project.schema, tmp_path / "wrong")
        refused_by_init(
            made, "error: 3 problems", "binlog_format=STATEMENT", "binlog_row_image", "SET GLOBAL binlog_row_metadata"
        )


def test_a_wrong_option_is_told_by_its_name(project: Project) -> None:
    answer = project.keyshift("verify", "--limits", "3")
    assert answer.code == 2
    assert "--limits" in answer.err


def test_the_script_itself_prints_no_traceback(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "keyshift.cli.main", "--config", str(tmp_path / "none.yaml"), "status"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ.copy())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no settings file")


def test_keymap_check_names_every_mistake_with_its_line(project: Project) -> None:
    project.edit("keymap.yaml", "{customer_id}", "{customerid}")
    answer = project.keyshift("keymap", "check")
    assert answer.code == 1
    assert "keymap.yaml:11: column customerid does not exist" in answer.err
    project.edit("keymap.yaml", '{customerid}", sk', '{customer_id}", sk')
    answer = project.keyshift("keymap", "check")
    assert answer.code == 0
    assert "it fits the source's tables" in answer.out


def test_keymap_check_without_a_reachable_source_checks_the_file_alone(project: Project) -> None:
    project.edit("keyshift.yaml", f"port: {project.database.port}", "port: 1")
    answer = project.keyshift("keymap", "check")
    assert answer.code == 0
    assert "not checked against the source's tables" in answer.out


def test_keymap_check_of_a_file_needs_no_settings(project: Project) -> None:
    (project.folder / "keyshift.yaml").unlink()
    assert project.keyshift("keymap", "check", str(project.folder / "keymap.yaml")).code == 0


def test_engine_spark_where_there_is_no_spark(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYSHIFT_BULKLOAD__ENGINE", "spark")
    refused(project.keyshift("bulkload", "load"), "this Python has no module pyspark", "spark-submit")
