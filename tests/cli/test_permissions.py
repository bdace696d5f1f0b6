"""docs/permissions.md: each part does its work with the source's grants and the AWS policy that it names, and no more.

ministack checks signatures and policies when it is told to (AUTH=true); each part runs with the keys of a user of its
own.
"""

import base64
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import boto3
import pytest

from keymap.claims import claim_of, claims_folder
from keymap.errors import KeyshiftError
from keyshift.aws.clients import make_clients
from keyshift.aws.passwords import fetch_password
from keyshift.cli.demo.commands import Commands
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import MINISTACK, HttpServer
from keyshift.control.migration import draw_id
from keyshift.process.source import SourceSettings
from tests.cli.conftest import KEYMAP, ORDERS, PURCHASE, SETTINGS
from tests.cli.running import until
from tests.mysql.sources import execute
from tests.mysql.test_permissions import PAGE, documented
from tests.servers.aws import unique

ROOT = Path(__file__).parents[2]
FUNCTION = "Lambda function"
INVOKED = "import apply_stream, json, sys; print(json.dumps(apply_stream.handle(json.load(sys.stdin), None)))"
REGION, ACCOUNT = "eu-central-1", "000000000000"
PARTS = (
    "init",
    "cdc run",
    "bulkload dump",
    "bulkload load",
    "bulkload plan",
    "apply run",
    "verify",
    "cutover",
    FUNCTION,
)
MAPPINGS = (
    "DescribeStream",
    "DescribeStreamSummary",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "SubscribeToShard",
)

SELDOM = {  # what this migration has no need of, and another has
    ("init", "IncreaseStreamRetentionPeriod"): "it keeps for the 24 hours that a stream has anyway",
    ("init", "ListTagsOfResource"): "no table was there before",
    ("init", "TagResource"): "AWS wants it for a CreateTable with tags",
    ("bulkload load", "DescribeTable"): "a budget in percent of what a table takes",
    ("bulkload plan", "UpdateTable"): "warm throughput that is raised, of which the endpoint has none",
    ("bulkload load", "PutItem"): "an item of several rows that are not in one chunk",
    ("apply run", "BatchGetItem"): "what is delivered again behind the gate",
    ("apply run", "BatchWriteItem"): "a pass of tidying, once a day",
    ("apply run", "DeleteItem"): "a pass of tidying",
    ("apply run", "Scan"): "a pass of tidying",
    ("cutover", "PutItem"): "tables of which a refusal was accepted, which are repaired",
    (FUNCTION, "BatchGetItem"): "what is delivered again behind the gate",
    **{(FUNCTION, action): "the event source mapping reads the stream, as the function" for action in MAPPINGS},
}


def policy(part: str) -> dict[str, Any]:
    """The policy of a part."""
    return document_under("The Lambda function" if part == FUNCTION else f"`keyshift {part}`")


def document_under(heading: str) -> dict[str, Any]:
    """The policy under the heading that begins so."""
    section = re.split(rf"^### {heading}.*$", PAGE.read_text(), flags=re.MULTILINE)[1]
    document: dict[str, Any] = json.loads(section.split("```json\n")[1].split("```")[0])
    return document


def actions(part: str) -> list[str]:
    """What the part's policy lets it do in DynamoDB and Kinesis; endpoints record other services under other names."""
    named = re.findall(
        r'"(?:dynamodb|kinesis):(\w+)"', json.dumps([one["Action"] for one in policy(part)["Statement"]])
    )
    return ["TransactWriteItems" if name == "ConditionCheckItem" else name for name in named]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of endpoints that let nobody do what no policy allows."""
    server = HttpServer(
        replace(MINISTACK, environment={**MINISTACK.environment, "AUTH": "true", "CLOUDTRAIL_RECORDING": "1"})
    )
    server.start()
    yield server.url
    server.close()


class Parts:
    """One migration of which each part has an identity of its own."""

    def __init__(self, folder: Path, aws: str, database: Database, schema: str) -> None:
        self.name, self._folder, self._aws = unique("mig"), folder, aws
        self._iam, self._trail = boto3.client("iam", **self._root()), boto3.client("cloudtrail", **self._root())
        self._keys: dict[str, str] = {}
        user = f"u{secrets.token_hex(4)}"
        create, grants = documented(database.flavour, user, schema)
        execute(database, create, *grants)
        settings = SETTINGS.format(name=self.name, host=database.host, port=database.port, user=user)
        (folder / "keyshift.yaml").write_text(settings)
        (folder / "keymap.yaml").write_text(KEYMAP.format(name=self.name, schema=schema))
        self._environments = {part: self._environment(part) for part in PARTS}
        self._commands = {part: Commands(folder, self._environments[part]) for part in PARTS}

    def _root(self) -> dict[str, str]:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return {**keys, "endpoint_url": self._aws, "region_name": REGION}

    def _environment(self, part: str) -> dict[str, str]:
        user = unique(part.replace(" ", "-"))
        self._iam.create_user(UserName=user)
        self._iam.put_user_policy(UserName=user, PolicyName="documented", PolicyDocument=self._policy(part))
        key = self._iam.create_access_key(UserName=user)["AccessKey"]
        self._keys[part] = key["AccessKeyId"]
        return {
            "AWS_ENDPOINT_URL": self._aws,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION,
            "TEST_PASSWORD": "pw",
        }

    def allow(self, part: str, document: dict[str, Any]) -> None:
        """Give a part another policy of the page, beside its own."""
        key = self._keys[part]
        user = self._iam.get_access_key_last_used(AccessKeyId=key)["UserName"]
        self._iam.put_user_policy(UserName=user, PolicyName="besides", PolicyDocument=self._named(document))

    def _policy(self, part: str) -> str:
        """The page's, for the names of this migration."""
        return self._named(policy(part))

    def _named(self, document: dict[str, Any]) -> str:
        if "kinesis:GetRecords" in json.dumps(document):  # ministack does not see whose iterator it is; AWS does
            document["Statement"].append({"Effect": "Allow", "Action": "kinesis:GetRecords", "Resource": "*"})
        text = json.dumps(document).replace("111122223333", ACCOUNT)
        text = text.replace("table/keyshift-control", f"table/{self.name}-control")
        text = text.replace("stream/keyshift-shop", f"stream/keyshift-{self.name}")
        text = text.replace("my-keyshift-dumps", f"{self.name}-bucket").replace(
            "table/purchases", f"table/{self.name}-*"
        )
        return text.replace('"shop', f'"{self.name}').replace("/shop.", f"/{self.name}.")

    def edit(self, old: str, new: str) -> None:
        path = self._folder / "keyshift.yaml"
        path.write_text(path.read_text().replace(old, new))

    def run(self, part: str, *arguments: str) -> str:
        return self._commands[part].run(*(arguments or part.split()))

    def background(self, part: str) -> Any:
        return self._commands[part].background(*part.split())

    def invoke(self) -> str:
        """What the function logs when it is given all that is on the stream, and has its own permissions only."""
        kinesis, stream = boto3.client("kinesis", **self._root()), f"keyshift-{self.name}"
        (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
        at = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(StreamName=stream, **at)["ShardIterator"]
        records = [
            {
                "sequenceNumber": one["SequenceNumber"],
                "partitionKey": one["PartitionKey"],
                "data": base64.b64encode(one["Data"]).decode(),
            }
            for one in kinesis.get_records(ShardIterator=iterator)["Records"]
        ]
        assert records
        environment = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}",
            "KEYSHIFT_MIGRATION": self.name,
            "KEYSHIFT_CONTROL_TABLE": f"{self.name}-control",
            "LAMBDA_TASK_ROOT": str(self._folder),
        }
        ran = subprocess.run(
            [sys.executable, "-c", INVOKED],
            env=environment | self._environments[FUNCTION],
            input=json.dumps({"Records": [{"kinesis": one} for one in records]}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout) == {"batchItemFailures": []}
        return ran.stderr

    def foreign(self, item: dict[str, Any]) -> Any:
        """Somebody else's item in a target table; the client that put it."""
        dynamodb = boto3.client("dynamodb", **self._root())
        dynamodb.put_item(TableName=f"{self.name}-app", Item=item)
        return dynamodb

    def has_called(self, part: str, operation: str) -> bool:
        """Whether the part has called this operation."""
        key = {"AttributeKey": "AccessKeyId", "AttributeValue": self._keys[part]}
        name = {"AttributeKey": "EventName", "AttributeValue": operation}
        return bool(self._trail.lookup_events(LookupAttributes=[key, name])["Events"])

    def wait_for_capture(self) -> None:
        log = self._folder / "cdc-run.log"
        until(lambda: "barrier_sent" in log.read_text() or "error:" in log.read_text(), 60)
        assert "error:" not in log.read_text(), log.read_text()


@pytest.fixture
def parts(tmp_path: Path, aws: str, database: Database, schema: str, monkeypatch: pytest.MonkeyPatch) -> Parts:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    execute(
        database,
        ORDERS,
        PURCHASE,
        "INSERT INTO orders VALUES (1, 1, 9.5, NULL), (2, 1, 3, 'x')",
        "INSERT INTO purchase VALUES (1, 1, 1, 1), (1, 1, 2, 1), (2, 1, 1, 5)",
        schema=schema,
    )
    return Parts(tmp_path, aws, database, schema)


def test_a_whole_migration_with_the_documented_permissions(parts: Parts, database: Database, schema: str) -> None:
    parts.run("init")
    with parts.background("cdc run"):
        parts.wait_for_capture()
        parts.run("init", "doctor")
        parts.run("init", "status")
        parts.run("init", "cdc", "check")
        parts.run("bulkload dump", "bulkload", "throttle", "--rows-per-second", "100000")
        parts.run("bulkload dump")
        assert '"complete": false' in parts.run("bulkload dump", "bulkload", "status", "--json")
        parts.run("bulkload plan")
        parts.run("bulkload plan", "bulkload", "warm")
        parts.run("bulkload load")
        changes = ("UPDATE orders SET customer_id = 2 WHERE id = 1", "DELETE FROM purchase WHERE productid = 2")
        key = {"pk": {"S": "CUSTOMER#3"}, "sk": {"S": "ORDER#000003"}}
        foreign = parts.foreign(key)
        execute(database, *changes, "INSERT INTO orders VALUES (3, 3, 1, NULL)", schema=schema)
        wanted = {'"op_d": 1', '"keyshift_apply_set_aside_total": 1'}
        until(lambda: wanted <= set(re.findall(r'"\w+": \d', parts.invoke())), 30)
        foreign.delete_item(TableName=f"{parts.name}-app", Key=key)
        assert "redriven" in parts.run("apply run", "apply", "redrive")
        parts.run("apply run", "apply", "failures")
        with parts.background("apply run"):
            parts.run("cutover", "cutover", "checklist", "--rehearse")
            parts.run("verify")
            parts.run("cutover", "cutover", "run")
            parts.run("cutover", "cutover", "sweep")
    parts.run("init", "destroy", "--yes", "--with-targets")
    unused = {(part, action) for part in PARTS for action in actions(part) if not parts.has_called(part, action)}
    assert unused == set(SELDOM)


def test_a_load_by_imports_with_the_documented_permissions(parts: Parts) -> None:
    document = document_under("`keyshift bulkload load` with")
    wanted = {name.partition(":")[2] for name in document["Statement"][0]["Action"]}
    # ministack does not see which table is meant; AWS does.
    unseen = [f"dynamodb:{name}" for name in ("ImportTable", "DescribeImport", "TagResource")]
    document["Statement"].append({"Effect": "Allow", "Action": unseen, "Resource": "*"})
    parts.allow("bulkload load", document)
    parts.edit("bulkload: {", "bulkload: {engine: import, ")
    parts.run("init")
    with parts.background("cdc run"):
        parts.wait_for_capture()
        parts.run("bulkload dump")
        parts.run("bulkload load")
    parts.run("init", "destroy", "--yes", "--with-targets")
    unused = {action for action in wanted if not parts.has_called("bulkload load", action)}
    # What a table without items needs, and AWS's making the table with the caller's permissions.
    assert unused == {"CreateTable", "ListTagsOfResource", "Scan"}


@pytest.mark.parametrize(("part", "action"), [("cdc run", "s3:PutObject"), ("apply run", "s3:GetObject")])
def test_what_fits_no_record_may_be_put_and_got(part: str, action: str) -> None:
    (statement,) = [one for one in policy(part)["Statement"] if str(one["Resource"]).endswith("/claims/*")]
    assert statement["Action"] == [action]
    claim = claim_of(b"{}", "v", claims_folder("keyshift", draw_id("shop")))
    assert fnmatch(f"arn:aws:s3:::my-keyshift-dumps/{claim.object}", statement["Resource"])


@pytest.mark.parametrize(
    ("part", "arguments", "denied"),
    [
        ("cdc run", ("bulkload", "load"), "GetObject"),
        ("bulkload load", ("cdc", "run"), "DescribeStreamSummary"),
    ],
)
def test_a_part_with_anothers_policy_is_refused(
    parts: Parts, part: str, arguments: tuple[str, ...], denied: str
) -> None:
    """So the endpoints do check, and a policy permits no more than its part needs."""
    parts.run("init")
    with parts.background("cdc run"):
        parts.wait_for_capture()
        parts.run("bulkload dump")
    with pytest.raises(KeyshiftError) as refused:
        parts.run(part, *arguments)
    assert denied in f"{refused.value}"
    parts.run("init", "destroy", "--yes", "--with-targets")


def test_the_sources_password_may_be_read_and_no_other(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root: dict[str, Any] = {"endpoint_url": aws, "region_name": REGION}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    for name in ("shop", "other"):
        boto3.client("secretsmanager", **root, **keys).create_secret(Name=name, SecretString="s")
        parameter = {"Name": f"/{name}/password", "Value": "p", "Type": "String"}
        boto3.client("ssm", **root, **keys).put_parameter(**parameter)
    iam, user = boto3.client("iam", **root, **keys), unique("reader")
    iam.create_user(UserName=user)
    text = json.dumps(document_under("The source's password")).replace("111122223333", ACCOUNT)
    iam.put_user_policy(UserName=user, PolicyName="documented", PolicyDocument=text)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    clients = make_clients(REGION, {"secretsmanager": aws, "ssm": aws})
    source = {"host": "db.example", "user": "keyshift"}
    assert fetch_password(clients, SourceSettings(**source, password_secret="shop")) == "s"
    assert fetch_password(clients, SourceSettings(**source, password_parameter="/shop/password")) == "p"
    for denied in ({"password_secret": "other"}, {"password_parameter": "/other/password"}):
        with pytest.raises(KeyshiftError, match="AccessDenied"):
            fetch_password(clients, SourceSettings(**source, **denied))
    clients.close()
