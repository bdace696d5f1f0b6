"""The demo: a whole migration of a live database, told step by step, by the same commands that a real one uses.

The conductor here only starts servers and commands and watches them; everything that moves data is the `keyshift`
command itself, in processes of its own, configured by a `keyshift.yaml` as anybody would write it.
"""

import random
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keymap.errors import KeyshiftError
from keyshift.cli.demo.commands import Commands
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.demo.shop import SCHEMA, Shop, create_statements, keymap_text
from keyshift.cli.demo.writer import Writer

START_SECONDS_MAX = 30.0  # the daemon's first record is on the stream within a second or two
WARM_UP_SECONDS = 3.0  # of writing during replay, so that the replay has live changes to prove itself on

_SETTINGS = """\
migration: shop-demo
keymap: keymap.yaml
lanes: 16
source:
  host: {host}
  port: {port}
  user: {user}
  password_env: SHOP_PASSWORD
  tls: {{mode: "off"}}             # a throw-away server on loopback; the default verifies the certificate
bucket: {{name: keyshift-shop-demo}}
stream: {{shards: 2, retention_hours: 24}}
apply: {{request_life_seconds: 2}}  # the endpoints are on this machine
"""


class Screen(Protocol):
    """Where the story is told."""

    def step(self, title: str, why: str) -> None:
        """Announce a step."""

    def note(self, text: str) -> None:
        """One line of what is happening."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo found; shown as its closing table. Times are in seconds."""

    server: str
    rows: int
    items: int
    changes_captured: int
    changes_applied: int
    transactions_written: int
    differences: int
    write_stop_seconds: float
    total_seconds: float


def tell(scale: int, folder: Path, screen: Screen) -> Outcome:
    """Run the whole demo in `folder`, at `scale` times its smallest size. Raises KeyshiftError or ServerError."""
    began = time.monotonic()
    with ExitStack() as stack:
        screen.step("Servers", "a real database and AWS-compatible endpoints, thrown away afterwards")
        database = stack.enter_context(Database())
        endpoints = stack.enter_context(Endpoints())
        screen.note(f"{database.flavour} {database.version}, DynamoDB, Kinesis and S3 on this machine")
        shop = Shop(random.Random(2026), scale)  # noqa: S311 - made-up rows
        rows = _fill(database, shop)
        screen.note(f"{rows:,} rows in {SCHEMA}.purchase, customer and orders")
        writer = Writer(database, SCHEMA, shop, random.Random(7))  # noqa: S311 - made-up rows
        writer.start()
        screen.note("an application writes to it, and goes on until the write stop")
        commands = _configure(database, endpoints, folder)
        write_stop = _migrate(commands, writer, screen)
        return _close(commands, database, writer, screen, write_stop, began)


def _fill(database: Database, shop: Shop) -> int:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {SCHEMA}")
    with database.connect(SCHEMA) as connection, connection.cursor() as cursor:
        for statement in create_statements():
            cursor.execute(statement)
        for statement, rows in shop.fill():
            cursor.executemany(statement, rows)
    return _count(database)


def _count(database: Database) -> int:
    query = "SELECT (SELECT COUNT(*) FROM purchase) + (SELECT COUNT(*) FROM customer) + (SELECT COUNT(*) FROM orders)"
    with database.connect(SCHEMA) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def _configure(database: Database, endpoints: Endpoints, folder: Path) -> Commands:
    """Write the two files that a migration needs, and make the commands that read them."""
    (folder / "keymap.yaml").write_text(keymap_text(), encoding="utf-8")
    settings = _SETTINGS.format(host=database.host, port=database.port, user=database.user)
    (folder / "keyshift.yaml").write_text(settings, encoding="utf-8")
    return Commands(folder, {**endpoints.environment(), "SHOP_PASSWORD": database.password})


def _migrate(commands: Commands, writer: Writer, screen: Screen) -> float:
    """From init to the closed replay. Returns the seconds for which the application could not write."""
    screen.step("keyshift init", "checks everything, then creates stream, tables, bucket and control table")
    commands.run("init")
    with ExitStack() as stack:
        screen.step("keyshift cdc run", "captures every change from here on, before a row is read")
        daemon = stack.enter_context(commands.background("cdc", "run"))
        _wait_for_capture(commands, daemon)
        screen.step("keyshift bulkload run", "dumps the rows to S3 and loads them under their new keys")
        commands.run("bulkload", "run")
        screen.step("keyshift apply run", "replays the captured changes; only what is newer lands")
        consumer = stack.enter_context(commands.background("apply", "run"))
        time.sleep(WARM_UP_SECONDS)
        commands.require_running(consumer, "apply", "run")
        screen.step("keyshift cutover checklist --rehearse", "all but the write stop, while the application writes")
        commands.run("cutover", "checklist", "--rehearse")
        screen.step("Write stop", "the application stops writing; the clock runs")
        writer.stop()
        stopped = time.monotonic()
        screen.step("keyshift cutover run", "the checklist once more, then the replay closes")
        commands.run("cutover", "run")
        write_stop = time.monotonic() - stopped
        screen.note(f"the application may switch, {write_stop:.1f} seconds after its last write")
        return write_stop


def _close(  # noqa: PLR0913, PLR0917 - the closing table gathers from everywhere
    commands: Commands, database: Database, writer: Writer, screen: Screen, write_stop: float, began: float
) -> Outcome:
    screen.step("keyshift cutover sweep", "removes the tombstones of deleted rows")
    commands.run("cutover", "sweep")
    screen.step("keyshift verify", "once more, every row against its items and every item against the rows")
    report, status = commands.json("verify"), commands.json("status")
    screen.step("keyshift destroy --yes", "removes everything that init created")
    commands.run("destroy", "--yes", "--with-targets")
    return Outcome(
        server=f"{database.flavour} {database.version}",
        rows=_count(database),
        items=report["items"],
        changes_captured=status["capture"]["changes"],
        changes_applied=status["apply"]["applied"],
        transactions_written=writer.transactions,
        differences=report["differences"],
        write_stop_seconds=write_stop,
        total_seconds=time.monotonic() - began,
    )


def _wait_for_capture(commands: Commands, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not commands.json("status")["capture"]["started"]:
        commands.require_running(daemon, "cdc", "run")
        if time.monotonic() > deadline:
            raise KeyshiftError("capture has not started", "See cdc-run.log in the demo's folder")
        time.sleep(0.3)
