"""Nothing of the machine's own AWS configuration reaches a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from tests.cdc.world import World, make_world


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHOP_PASSWORD", "")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def world(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    """A migration that has just been initialised; its tables are empty."""
    made = make_world(database, endpoints, schema, tmp_path)
    yield made
    made.clients.close()
