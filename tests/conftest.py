"""Real servers as fixtures, started when the first test wants them and shared by all tests of the session.

KEYSHIFT_TEST_SERVERS chooses them: a comma list of pairs `<database>+<endpoints>`, such as
`mariadb+embedded,mysql+local`. Tests run once per pair rather than over the full cross product, because what differs
between databases and what differs between endpoints seldom meet. A scenario of whole commands, whose parts all have
tests of their own on each pair, is marked `any_pair`: it runs on one of them, which its name chooses. A server that
cannot be had fails the test: a skipped test would prove nothing. Each worker of pytest-xdist has its own servers.
"""

import contextlib
import gc
import secrets
import zlib
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.servers.pool import Pool, chosen_pairs

# The machine is shared, with the servers of the tests at least: how long an example took says nothing about the code.
# pytest's own limit for a test ends what hangs. Without a deadline drawing may take 30 seconds, and not one.
SHARED_MACHINE: Final = "shared machine"
settings.register_profile(SHARED_MACHINE, settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile(SHARED_MACHINE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave of each test that is marked `any_pair` the one whose pair its name chooses."""
    dropped = [item for item in items if item.get_closest_marker("any_pair") and not _is_its_pair(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let no collection of garbage look through all modules and tests again: that took a third of the tests' time.

    Before that, draw something: the first time Hypothesis reads the constants of all of the project's modules and its
    table of characters, which takes a second, and many on a machine that is busy. No test's strategy is slow by that.
    """
    if any(item.get_closest_marker("hypothesis") for item in session.items):
        _draw_once()
    gc.collect()
    gc.freeze()


@settings(max_examples=1, database=None, suppress_health_check=list(HealthCheck))
@given(st.text())
def _draw_once(_text: str) -> None:
    """Nothing is tried."""


def _is_its_pair(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    pair = item.callspec.params.get("servers") if hasattr(item, "callspec") else None
    pairs = chosen_pairs()
    return pair is None or pair == pairs[zlib.crc32(item.name.replace(str(pair), "").encode()) % len(pairs)]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """All servers of this session."""
    with contextlib.ExitStack() as stack:
        yield Pool(stack, {}, {})


@pytest.fixture(scope="session", params=chosen_pairs())
def servers(request: pytest.FixtureRequest) -> str:
    """The pair under test, such as "mariadb+embedded"; nothing runs yet."""
    return str(request.param)


@pytest.fixture(scope="session")
def database(servers: str, pool: Pool) -> Database:
    """A running MySQL or MariaDB, shared: use the fixture schema, and start it again if you end it."""
    return pool.database(servers)


@pytest.fixture(scope="session")
def endpoints(servers: str, pool: Pool) -> Endpoints:
    """Running DynamoDB, Kinesis and S3, shared: give tables, streams and buckets unique names (tests.servers.aws)."""
    return pool.endpoint_set(servers)


@pytest.fixture
def schema(database: Database) -> Iterator[str]:
    """The name of a new empty schema, dropped afterwards."""
    name = f"test_{secrets.token_hex(4)}"
    _execute(database, f"CREATE DATABASE {name}")
    yield name
    _execute(database, f"DROP DATABASE IF EXISTS {name}")


def _execute(database: Database, statement: str) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
