"""The shop on the servers under test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.bulkload.world import World, make_world
from tests.servers.aws import isolate
from tests.servers.fault_proxy import FaultProxy


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


@pytest.fixture
def shop(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    """Initialised, with rows; capture has not started."""
    world = make_world(database, endpoints, schema, tmp_path)
    yield world
    world.clients.close()


@pytest.fixture
def world(shop: World) -> World:
    """Initialised, with rows, and captured."""
    shop.start_capture()
    return shop


@pytest.fixture
def dynamodb(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["dynamodb"]) as proxy:
        yield proxy


@pytest.fixture
def s3(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["s3"]) as proxy:
        yield proxy
