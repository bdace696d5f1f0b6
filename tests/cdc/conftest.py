"""Nothing of the machine's own AWS configuration reaches a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
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
