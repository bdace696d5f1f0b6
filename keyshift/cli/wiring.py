"""What the commands are made of, each part made once and only when a command asks for it.

So a command that needs no database opens none, and a mistake in the settings is told before any service is called.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

import click

from bulkload.spark.environment import keymap_file
from keymap.errors import KeyshiftError
from keymap.rules import Keymap, load_keymap
from keymap.schema import TableSchema
from keyshift.aws.clients import Clients, clients_of
from keyshift.aws.passwords import fetch_password
from keyshift.control import migration as migrations
from keyshift.control.migration import Migration
from keyshift.control.store import Store
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.schema import read_schemas
from keyshift.process import log
from keyshift.process.settings import Settings, load_settings
from keyshift.process.stop import Stop

CONFIG = "keyshift.yaml"


class Wiring:
    """The parts of one command."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.stop = Stop()

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises Problems with all mistakes."""
        if not self.config.exists():
            remedy = "Write it (docs/settings.md), or name it with --config or KEYSHIFT_CONFIG"
            raise KeyshiftError(f"there is no settings file {self.config}", remedy)
        settings = load_settings(self.config)
        return settings.fetching(lambda source: fetch_password(self.clients, source))

    @cached_property
    def keymap(self) -> Keymap:
        """The compiled keymap. Raises Problems with all mistakes."""
        return load_keymap(keymap_file(self.settings.keymap))

    @cached_property
    def clients(self) -> Clients:
        """The AWS clients."""
        return clients_of(self.settings.aws)

    def close(self) -> None:
        """End the connections to AWS."""
        if "clients" in self.__dict__:
            self.clients.close()

    @cached_property
    def store(self) -> Store:
        """The migration's items in the control table."""
        return Store(self.clients.control, self.settings.control_table, self.settings.migration)

    @cached_property
    def migration(self) -> Migration:
        """The migration as recorded. Raises KeyshiftError where `keyshift init` has not been run."""
        return migrations.load(self.store)

    @cached_property
    def own_migration(self) -> Migration:
        """The migration, recorded with this very keymap. Raises KeyshiftError where it has another."""
        migrations.require_digest(self.migration, self.keymap.digest)
        return self.migration

    @cached_property
    def schemas(self) -> dict[str, TableSchema]:
        """The captured tables as they are at the source now."""
        with self.connection() as connection:
            return read_schemas(connection, self.keymap.tables)

    @cached_property
    def rows_schemas(self) -> dict[str, TableSchema]:
        """The same at the server that the dump reads rows from."""
        if not self.settings.rows_elsewhere:
            return self.schemas
        with closing(self.connect_to_rows()) as connection:
            return read_schemas(connection, self.keymap.tables)

    def connect(self) -> Connection:
        """A new connection to the source."""
        return connect(self.settings.source)

    def connect_to_rows(self) -> Connection:
        """A new connection to the server that the dump reads rows from."""
        return connect(self.settings.rows)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to the source for the length of the block."""
        connection = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def log(self, *, json: bool | None = None) -> None:
        """Set up the log of a command that runs for long, and let signals end it between two steps."""
        log.configure(json=json, migration=self.settings.migration)
        self.stop.install()


pass_wiring = click.make_pass_decorator(Wiring)
