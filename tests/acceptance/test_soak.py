"""The whole pipeline under random faults, for as long as one likes: in the end both sides are equal.

One random fault after the other: daemon or consumer killed or stopped, connections to the source cut or stalled, calls
to AWS throttled, answered in part, or their answers lost, while the application writes. KEYSHIFT_SOAK_SECONDS says for
how long (`make soak`), KEYSHIFT_SOAK_SEED begins at the same dice; a failure names the seed and the faults before it.
"""

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pytest

from keyshift.cli.demo.commands import Commands, end
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.demo.shop import Shop
from keyshift.cli.demo.writer import Writer
from tests.acceptance.migrations import SLOWER_RESTARTS, fill, prepare
from tests.acceptance.test_kills import alive, until
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import delay, duplicate, partial, reset_after, reset_before, server_error, throttle
from tests.servers.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.any_pair

SECONDS = float(os.environ.get("KEYSHIFT_SOAK_SECONDS", "10"))
SEED = os.environ.get("KEYSHIFT_SOAK_SEED") or secrets.token_hex(4)
MENDED_SECONDS_MAX = 120.0  # until all that was captured is applied again, once the faults are over
_DAEMON, _CONSUMER = ("cdc", "run"), ("apply", "run")
_CALLS = ("PutRecords", "GetRecords", "PutItem", "UpdateItem", "TransactWriteItems", "Query", "GetItem")
_FAULTS = (throttle, server_error, reset_before, reset_after, duplicate, delay(0.3))


class Pipeline:
    """Daemon and consumer of one migration, and what is done to them."""

    def __init__(
        self, commands: Commands, source: TcpProxy, aws: Collection[FaultProxy], chance: random.Random
    ) -> None:
        self._commands, self._source, self._aws, self._chance = commands, source, aws, chance
        self._running: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Self:
        for command in (_DAEMON, _CONSUMER):
            self._running[command] = self._commands.start(*command)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            end(process)

    def fault(self) -> None:
        """One of them, and a while for it to matter."""
        fault: Callable[[], None] = self._chance.choice(
            [self._kill, self._kill, self._stop, self._cut, self._stall, self._misbehave, self._misbehave]
        )
        self.done[fault.__name__.strip("_")] += 1
        fault()
        time.sleep(self._chance.uniform(0.2, 1.5))

    def mend(self) -> None:
        """No more faults; and everything runs."""
        self._behave(())
        self._source.allow()
        for command, process in self._running.items():
            self._commands.require_running(process, *command)

    def _kill(self) -> None:
        command = self._chance.choice([_DAEMON, _CONSUMER])
        self._running[command].kill()
        self._running[command].wait()
        self._running[command] = self._commands.start(*command)

    def _stop(self) -> None:
        command = self._chance.choice([_DAEMON, _CONSUMER])
        end(self._running[command])
        self._running[command] = self._commands.start(*command)

    def _cut(self) -> None:
        self._source.cut()

    def _stall(self) -> None:
        self._source.stall()
        time.sleep(self._chance.uniform(0.1, 1.0))
        self._source.allow()

    def _misbehave(self) -> None:
        rules = [
            Rule(self._chance.choice(_FAULTS), (call,), self._chance.uniform(0.05, 0.4))
            for call in self._chance.sample(_CALLS, 3)
        ]
        self._behave((*rules, Rule(partial(0.5), ("PutRecords",), 0.2)))

    def _behave(self, rules: tuple[Rule, ...]) -> None:
        for proxy in self._aws:
            proxy.rules = rules


@dataclass(frozen=True, slots=True)
class Door:
    """The source and AWS as the migration's processes see them: behind the proxies."""

    host: str
    port: int
    user: str
    password: str
    urls: dict[str, str]
    credentials: dict[str, str]

    def environment(self) -> dict[str, str]:
        return self.credentials | {f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in self.urls.items()}


@pytest.mark.timeout(SECONDS + 280)
def test_under_random_faults_nothing_is_lost(
    database: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    shop = Shop(random.Random(1), scale=1)
    fill(database, schema, shop)
    writer = Writer(database, schema, shop, random.Random(2))
    with ExitStack() as stack:
        source = stack.enter_context(TcpProxy(database.host, database.port))
        aws = {name: stack.enter_context(FaultProxy(url)) for name, url in endpoints.urls.items()}
        urls = {name: proxy.url for name, proxy in aws.items()}
        door = Door(source.host, source.port, database.user, database.password, urls, endpoints.environment())
        commands = prepare(door, door, schema, tmp_path, extra=SLOWER_RESTARTS)
        commands.run("init")
        writer.start()
        stack.callback(writer.stop)
        with Pipeline(commands, source, aws.values(), chance) as pipeline:
            until(lambda: commands.json("status")["capture"]["started"], "capture to start")
            commands.run("bulkload", "run")
            over = time.monotonic() + SECONDS
            while time.monotonic() < over:
                pipeline.fault()
            pipeline.mend()
            writer.stop()
            until(lambda: alive(commands), "the daemon to be back", MENDED_SECONDS_MAX)
            commands.run("cutover", "run")
            commands.run("cutover", "sweep")
            report = commands.json("verify")
        commands.run("destroy", "--yes", "--with-targets")
    told = f"seed {SEED}, after {dict(pipeline.done)} and {[dict(proxy.faults) for proxy in aws.values()]}"
    assert report["differences"] == 0, told
    assert report["rows"] > 0, told
    assert writer.rows > 0, told
    assert sum(pipeline.done.values()) > 0, told
