"""Two servers, and a name that leads to one of them or the other."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keymap.errors import KeyshiftError
from keymap.version import parse
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.mysql.sources import execute
from tests.servers.mariadb import find_mariadb
from tests.servers.oracle_mysql import oracle_mysql
from tests.servers.tcp_proxy import TcpProxy

SCHEMA = "own"
RESET = {"mysql": "RESET BINARY LOGS AND GTIDS", "mariadb": "RESET MASTER"}


class Pair:
    """Two servers, a name (the proxy) that leads to one of them, and a migration that knows only the name."""

    def __init__(self, first: Database, second: Database, proxy: TcpProxy, world: World) -> None:
        self.first, self.second, self.proxy, self.world = first, second, proxy, world

    def replicate(self) -> None:
        """The second server follows the first (MySQL)."""
        execute(
            self.second,
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='{self.first.host}', SOURCE_PORT={self.first.port},"
            f" SOURCE_USER='{self.first.user}', SOURCE_PASSWORD='{self.first.password}', SOURCE_AUTO_POSITION=1,"
            " GET_SOURCE_PUBLIC_KEY=1",
            "START REPLICA",
        )

    def promote(self, *, caught_up: bool = True) -> None:
        """The first server is gone, the second takes over, and the name leads there."""
        if caught_up:
            executed = one(self.first, "SELECT @@global.gtid_executed")
            assert one(self.second, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 30)") == 0
        execute(self.second, "STOP REPLICA", "RESET REPLICA ALL")
        self.move(self.second)

    def move(self, server: Database) -> None:
        self.proxy.upstream = (server.host, server.port)
        self.proxy.cut()
        self.world.database = server

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        with self.world.daemon():
            self.world.wait_started()
            yield

    def epochs(self) -> set[int]:
        """Of the versions on the stream."""
        return {parse(change.version).epoch for changes in self.world.lanes().values() for change in changes}

    def refused(self) -> KeyshiftError:
        """What the daemon, which runs, or is started for this, ends with."""
        if not self.world.errors:
            with self.world.daemon():
                self.world.wait_until_failed()
        (error,) = self.world.errors
        assert isinstance(error, KeyshiftError)
        return error


def one(server: Database, statement: str) -> object:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()[0][0]


def new_server(flavour: str, password: str, *options: str) -> Database:
    made = Database(oracle_mysql() if flavour == "mysql" else find_mariadb(), options)
    if password:
        made.password = password  # type: ignore[misc]  # one user for both, as where they replicate
    return made


@contextlib.contextmanager
def two_servers(flavour: str) -> Iterator[tuple[Database, Database]]:
    with new_server(flavour, "") as first, new_server(flavour, first.password, "--server-id=2") as second:
        yield first, second


@contextlib.contextmanager
def fresh_pair(two: tuple[Database, Database], endpoints: Endpoints, folder: Path) -> Iterator[Pair]:
    """Both servers as after a reset, the name leading to the first."""
    first, second = two
    for server in two:
        if server.flavour == "mysql":
            execute(server, "STOP REPLICA", "RESET REPLICA ALL")
        execute(server, f"DROP DATABASE IF EXISTS {SCHEMA}", RESET[server.flavour])
    execute(first, f"CREATE DATABASE {SCHEMA}")
    with TcpProxy(first.host, first.port) as proxy:
        world = make_world(first, endpoints, SCHEMA, folder, port=proxy.port)
        yield Pair(first, second, proxy, world)
        world.clients.close()
