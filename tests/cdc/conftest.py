"""Nothing of the machine's own AWS configuration reaches a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.pair import Pair, fresh_pair, two_servers
from tests.cdc.world import World, make_world
from tests.servers.aws import isolate


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)
    monkeypatch.setenv("SHOP_PASSWORD", "")


@pytest.fixture
def world(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    """A migration that has just been initialised; its tables are empty."""
    made = make_world(database, endpoints, schema, tmp_path)
    yield made
    made.clients.close()


@pytest.fixture(scope="module")
def two(servers: str) -> Iterator[tuple[Database, Database]]:
    """Two servers of the flavour under test, of this module's own."""
    with two_servers(servers.partition("+")[0]) as started:
        yield started


@pytest.fixture
def pair(two: tuple[Database, Database], endpoints: Endpoints, tmp_path: Path) -> Iterator[Pair]:
    """The two, with a migration."""
    with fresh_pair(two, endpoints, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def two_mysql() -> Iterator[tuple[Database, Database]]:
    """Two servers with MySQL's GTIDs, whatever is under test: only these can take over from each other."""
    with two_servers("mysql") as started:
        yield started


@pytest.fixture
def replicated(two_mysql: tuple[Database, Database], endpoints: Endpoints, tmp_path: Path) -> Iterator[Pair]:
    """The two, with a migration, the second a replica of the first."""
    with fresh_pair(two_mysql, endpoints, tmp_path) as made:
        made.replicate()
        yield made
