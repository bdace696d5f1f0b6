"""The servers that tests can ask for, by name, and those of them that run."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.servers.dynamodb_local import dynamodb_local
from tests.servers.kinesis_local import kinesis_local
from tests.servers.mariadb import find_mariadb
from tests.servers.oracle_mysql import oracle_mysql

DATABASES: dict[str, Callable[..., Database]] = {  # called with further options of the server
    "mariadb": lambda *options: Database(find_mariadb(), options),
    "mysql": lambda *options: Database(oracle_mysql(), options),
}
ENDPOINTS: dict[str, Callable[[], Endpoints]] = {
    "embedded": Endpoints,  # ministack for all: what the demo runs on
    "local": lambda: Endpoints({"dynamodb": dynamodb_local(), "kinesis": kinesis_local()}),  # closer to AWS, slower
}


def chosen_pairs() -> list[str]:
    """The pairs that KEYSHIFT_TEST_SERVERS asks for; raises ValueError when one of them is unknown."""
    pairs = [pair.strip() for pair in os.environ.get("KEYSHIFT_TEST_SERVERS", "mariadb+embedded").split(",")]
    known = [f"{database}+{endpoints}" for database in DATABASES for endpoints in ENDPOINTS]
    if unknown := sorted(set(pairs) - set(known)):
        raise ValueError(f"KEYSHIFT_TEST_SERVERS: {unknown} must be among {known}")
    return pairs


@dataclass(frozen=True, slots=True)
class Pool:
    """Servers started when first asked for; they stay up until the stack ends, in whatever order tests want them."""

    stack: contextlib.ExitStack
    databases: dict[str, Database]
    endpoints: dict[str, Endpoints]

    def database(self, pair: str) -> Database:
        """The running database of the pair; raises ServerError when it cannot be had."""
        name, _, _ = pair.partition("+")
        if name not in self.databases:
            self.databases[name] = self.stack.enter_context(DATABASES[name]())
        return self.databases[name]

    def endpoint_set(self, pair: str) -> Endpoints:
        """The running endpoints of the pair; raises ServerError when they cannot be had."""
        _, _, name = pair.partition("+")
        if name not in self.endpoints:
            self.endpoints[name] = self.stack.enter_context(ENDPOINTS[name]())
        return self.endpoints[name]
