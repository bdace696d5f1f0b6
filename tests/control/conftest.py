"""A control table on the real endpoints, and a migration in it."""

from collections.abc import Callable
from typing import Any

import pytest

from keyshift.aws.resources import ensure_control_table
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.control.lease import Lease
from keyshift.control.migration import Migration, create
from keyshift.control.store import Store
from tests.control.network import Network
from tests.servers.aws import client, unique

TABLES = ("shop.orders", "shop.purchase")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def migration(name: str, run: str = "0a0b0c0d", **changes: Any) -> Migration:
    fixed: dict[str, Any] = {
        "tables": TABLES,
        "lanes": 4,
        "digest": "d" * 64,
        "stream": "keyshift-shop",
        "bucket": "bucket",
        "prefix": "keyshift",
        "created_at_ms": 1,
    }
    return Migration(name=name, id=f"{name}.{run}", **{**fixed, **changes})


@pytest.fixture(scope="session")
def dynamodb(endpoints: Endpoints) -> Any:
    return client("dynamodb", endpoints)


@pytest.fixture(scope="session")
def table(dynamodb: Any) -> str:
    name = unique("control")
    ensure_control_table(dynamodb, name, "test")
    return name


@pytest.fixture
def network(dynamodb: Any) -> Network:
    """The way to the real endpoint; a test may give its writes other fates."""
    return Network(dynamodb)


@pytest.fixture
def store(network: Network, table: str) -> Store:
    """A store whose migration is initialised, with a name that no other test has."""
    store = Store(network, table, unique("m"), sleep=lambda _seconds: None)
    create(store, migration(store.name))
    network.writes = 0
    return store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def acquired(store: Store, clock: Clock) -> Callable[[str], Lease]:
    """Makes a lease on an item and acquires it."""

    def acquire(item: str) -> Lease:
        lease = Lease(store, item, "host:1", 10.0, clock)
        assert lease.try_acquire()
        return lease

    return acquire
