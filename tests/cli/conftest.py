"""A small migration's files, on the shared servers, and the command line in this process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.main import run
from tests.servers.aws import client, unique

KEYMAP = """\
keyshift: 1
targets:
  {name}-app:
    partition_key: {{pk: S}}
    sort_key: {{sk: S}}
  {name}-groups:
    partition_key: {{customerid: N}}
    sort_key: {{orderid: N}}
tables:
  {schema}.orders:
    - target: {name}-app
      key: {{pk: "CUSTOMER#{{customer_id}}", sk: "ORDER#{{id:06d}}"}}
  {schema}.purchase:
    - target: {name}-groups
      key: {{customerid: "{{customerid}}", orderid: "{{orderid}}"}}
      group: {{attribute: "p{{productid}}", value: quantity}}
"""
SETTINGS = """\
migration: {name}
keymap: keymap.yaml
lanes: 8
control_table: {name}-control
source:
  host: {host}
  port: {port}
  user: {user}
  password_env: TEST_PASSWORD
  tls: {{mode: "off"}}
  connect_timeout_seconds: 3
stream: {{shards: 1, retention_hours: 24}}
bucket: {{name: {name}-bucket}}
capture: {{lease_seconds: 2, heartbeat_seconds: 0.1}}
bulkload: {{chunk_rows: 50, lease_seconds: 2, signature_validity_seconds: 1}}
apply: {{request_life_seconds: 1}}
"""
ORDERS = (
    "CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, total DECIMAL(10,2), note VARCHAR(99) NULL)"
)
PURCHASE = """CREATE TABLE purchase (customerid INT, orderid INT, productid INT, quantity INT,
    PRIMARY KEY (customerid, orderid, productid))"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Project:
    """One migration: its two files, and ways to change them, to run commands, and to look at what they made."""

    name: str
    schema: str
    folder: Path
    database: Database
    endpoints: Endpoints
    call: Callable[..., Answer]

    def keyshift(self, *arguments: str) -> Answer:
        return self.call(self.folder, *arguments)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))

    def execute(self, *statements: str) -> None:
        with self.database.connect(self.schema) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def aws(self, service: Any) -> Any:
        return client(service, self.endpoints, attempts=3)

    def made(self) -> list[str]:
        """What is there of this migration at the endpoints."""
        dynamodb, kinesis, s3 = self.aws("dynamodb"), self.aws("kinesis"), self.aws("s3")
        tables = [name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]]
        streams = [name for page in kinesis.get_paginator("list_streams").paginate() for name in page["StreamNames"]]
        buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        return sorted(name for name in [*tables, *streams, *buckets] if self.name in name)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What ends with the test, such as the processes of a migration."""
    with ExitStack() as found:
        yield found


@pytest.fixture(autouse=True)
def _hooks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules beside a test's keymap, and the way to them, are gone after it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{tmp_path}/"):
            del sys.modules[name]


@pytest.fixture
def keyshift(
    endpoints: Endpoints, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Runs a command in this process, as the `keyshift` script does."""
    for name, value in {**endpoints.environment(), "TEST_PASSWORD": database.password}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handlers of a test run stay pytest's

    def call(folder: Path, *arguments: str) -> Answer:
        capsys.readouterr()
        code = run(["--config", str(folder / "keyshift.yaml"), *arguments])
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


def make_project(
    keyshift: Callable[..., Answer], database: Database, endpoints: Endpoints, schema: str, folder: Path
) -> Project:
    """Another migration of the same schema, with names of its own."""
    name = unique("mig")
    folder.mkdir(exist_ok=True)
    (folder / "keymap.yaml").write_text(KEYMAP.format(name=name, schema=schema))
    settings = SETTINGS.format(name=name, host=database.host, port=database.port, user=database.user)
    (folder / "keyshift.yaml").write_text(settings)
    return Project(name, schema, folder, database, endpoints, keyshift)


def another(project: Project, folder: str) -> Project:
    """A second migration of the same tables."""
    return make_project(project.call, project.database, project.endpoints, project.schema, project.folder / folder)


@pytest.fixture
def project(
    keyshift: Callable[..., Answer], database: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> Iterator[Project]:
    """A migration of two empty tables, not initialised."""
    made = make_project(keyshift, database, endpoints, schema, tmp_path)
    made.execute(ORDERS, PURCHASE)
    yield made
    made.keyshift("destroy", "--yes", "--with-targets")
