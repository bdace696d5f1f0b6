"""A source database full of bench rows with a migration begun on it, for the groups that read from MySQL."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bench import shape
from keymap.rules import Keymap, load_keymap
from keyshift.aws.clients import Clients, make_clients
from keyshift.cli.demo.commands import Commands, end
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.store import Store
from keyshift.process.settings import Settings, load_settings
from keyshift.process.source import SourceSettings, TlsSettings

_SETTINGS = """\
migration: bench
keymap: keymap.yaml
lanes: 64
source: {{host: {host}, port: {port}, user: {user}, password: {password}, tls: {{mode: off}}}}
bucket: {{name: bench-dump}}
stream: {{retention_hours: 24}}
capture: {{lease_seconds: 2}}
aws: {{region: us-east-1, endpoints: {{dynamodb: "{url}", kinesis: "{url}", s3: "{url}"}}}}
"""
CAPTURE_SECONDS_MAX = 120.0  # until the daemon's first record is on the stream


@dataclass(frozen=True, slots=True)
class Begun:
    """A migration whose capture has started; its daemon does not run now."""

    database: Database
    url: str
    settings: Settings
    keymap: Keymap
    clients: Clients
    store: Store
    folder: Path
    environment: dict[str, str]

    def with_stream_at(self, url: str) -> Commands:
        """Commands of the same migration that find the stream at another endpoint."""
        folder = self.folder / "with-stream-elsewhere"
        folder.mkdir()
        text = (self.folder / "keyshift.yaml").read_text(encoding="utf-8")
        (folder / "keyshift.yaml").write_text(text.replace(f'kinesis: "{self.url}"', f'kinesis: "{url}"'), "utf-8")
        shutil.copy(self.folder / "keymap.yaml", folder)
        return Commands(folder, self.environment)


@contextmanager
def begun(rows: int, tables: int = 1) -> Iterator[Begun]:
    """The bench table with `rows` rows, and a migration of it after init and the start of capture.

    Of the other `tables`, which are empty, too.
    """
    with ExitStack() as stack:
        database, endpoints = stack.enter_context(Database()), stack.enter_context(Endpoints())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyshift-bench-")))
        _create(database, rows, tables)
        url = endpoints.url
        text = _SETTINGS.format(
            host=database.host, port=database.port, user=database.user, password=database.password, url=url
        )
        (folder / "keyshift.yaml").write_text(text, encoding="utf-8")
        (folder / "keymap.yaml").write_text(shape.keymap_text(tables), encoding="utf-8")
        environment = endpoints.environment()
        _start_capture(Commands(folder, environment))
        settings = load_settings(folder / "keyshift.yaml")
        clients = make_clients("us-east-1", settings.aws.endpoints.urls)
        stack.callback(clients.close)
        store = Store(clients.dynamodb, settings.control_table, settings.migration)
        yield Begun(database, url, settings, load_keymap(settings.keymap), clients, store, folder, environment)


def _create(database: Database, rows: int, tables: int) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {shape.SCHEMA}")
        cursor.execute(f"USE {shape.SCHEMA}")
        for name in shape.names(tables):
            cursor.execute(shape.CREATE.replace(shape.TABLE, name, 1))
        shape.fill(cursor, 1, rows, rows_per_transaction=1_000)


def _start_capture(commands: Commands) -> None:
    commands.run("init")
    daemon = commands.start("cdc", "run")
    deadline = time.monotonic() + CAPTURE_SECONDS_MAX
    while not commands.json("status")["capture"]["started"]:
        commands.require_running(daemon, "cdc", "run")
        if time.monotonic() > deadline:
            raise TimeoutError("capture has not started")
        time.sleep(0.2)
    end(daemon)


def source_of(database: Database) -> SourceSettings:
    """How to reach a throw-away server."""
    return SourceSettings(
        host=database.host,
        port=database.port,
        user=database.user,
        password=SecretStr(database.password),
        tls=TlsSettings(mode="off"),
    )
