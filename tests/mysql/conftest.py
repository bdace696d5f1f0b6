"""A connection of ours to the shared server, and one that writes."""

from collections.abc import Iterator

import pytest

from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, connect
from keyshift.process.source import SourceSettings
from tests.mysql.sources import source_of


@pytest.fixture
def source(database: Database) -> SourceSettings:
    """The settings that lead to the shared server, as its root."""
    return source_of(database)


@pytest.fixture
def connection(source: SourceSettings) -> Iterator[Connection]:
    """An open connection made by the code under test."""
    opened = connect(source)
    yield opened
    opened.close()
