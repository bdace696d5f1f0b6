"""The shop's tables, in memory and on a real endpoint: what holds for one must hold for the other."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from keymap.patch import Item
from keymap.rules import Keymap
from keyshift.apply.writer import GuardedWriter
from keyshift.cli.demo.endpoints import Endpoints
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.keymaps import KEYS, MIGRATION, create_tables, shop, visible
from tests.servers.aws import client, unique


class Inline(Executor):
    """Runs what it is given at once, in this thread: a test sees every write in turn."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass(frozen=True, slots=True)
class Shop:
    """A keymap, its tables, and a writer for them."""

    keymap: Keymap
    dynamodb: Any
    prefix: str
    executor: Executor

    def writer(self, migration: str = MIGRATION, dynamodb: Any = None) -> GuardedWriter:
        return GuardedWriter(dynamodb or self.dynamodb, self.keymap, migration, self.executor)

    def items(self, table: str) -> list[Item]:
        name = self.prefix + table
        if isinstance(self.dynamodb, FakeDynamoDB):
            return self.dynamodb.items(name)
        return list(self.dynamodb.scan(TableName=name, ConsistentRead=True)["Items"])

    def visible(self, table: str) -> list[Item]:
        return visible(self.keymap, self.items(table))


def fake_shop() -> Shop:
    return Shop(shop(), FakeDynamoDB(KEYS), "", Inline())


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def real_shop(endpoints: Endpoints, executor: ThreadPoolExecutor) -> Iterator[Shop]:
    prefix = unique("apply") + "-"
    found = Shop(shop(prefix), client("dynamodb", endpoints, attempts=3), prefix, executor)
    create_tables(found.dynamodb, found.keymap)
    yield found
    for name in found.keymap.targets:
        found.dynamodb.delete_table(TableName=name)


@pytest.fixture(params=["fake", "real"])
def any_shop(request: pytest.FixtureRequest, real_shop: Shop) -> Shop:
    """The same test on both: the fake is held to the truth."""
    return real_shop if request.param == "real" else fake_shop()
