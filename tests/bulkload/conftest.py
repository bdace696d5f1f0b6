"""The shop on the servers under test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from tests.bulkload.world import World, make_world


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own AWS configuration reaches a test."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


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
