"""A migration of the demo's shop, in a schema, stream, tables and bucket of its own, for the acceptance tests."""

from pathlib import Path

from keyshift.cli.demo.commands import Commands
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.demo.shop import Shop, create_statements, keymap_text

_SETTINGS = """\
migration: {name}
keymap: keymap.yaml
lanes: 8
control_table: control-{name}
source:
  host: {host}
  port: {port}
  user: {user}
  password_env: SHOP_PASSWORD
  tls: {{mode: "off"}}
bucket: {{name: dump-{name}}}
stream: {{shards: 2, retention_hours: 24}}
apply: {{request_life_seconds: 1}}
"""
# A killed process is waited for on a lease: short leases keep the test short. Small chunks can be interrupted.
SLOWER_RESTARTS = """\
capture: {lease_seconds: 2}
bulkload: {chunk_rows: 250, lease_seconds: 2, signature_validity_seconds: 3}
"""


def fill(database: Database, schema: str, shop: Shop) -> None:
    """The shop's tables and first rows, in an existing schema."""
    with database.connect(schema) as connection, connection.cursor() as cursor:
        for statement in create_statements():
            cursor.execute(statement)
        for statement, rows in shop.fill():
            cursor.executemany(statement, rows)


def prepare(database: Database, endpoints: Endpoints, schema: str, folder: Path, extra: str = "") -> Commands:
    """The two files of a migration of `schema` in `folder`, and the commands that read them."""
    name = schema.replace("_", "-")
    folder.mkdir(exist_ok=True)
    keymap = keymap_text().replace("shop.", f"{schema}.")
    keymap = (
        keymap.replace("purchases", f"purchases-{name}")
        .replace("shop:", f"shop-{name}:")
        .replace("target: shop", f"target: shop-{name}")
    )
    (folder / "keymap.yaml").write_text(keymap)
    settings = _SETTINGS.format(name=name, host=database.host, port=database.port, user=database.user)
    (folder / "keyshift.yaml").write_text(settings + extra)
    return Commands(folder, {**endpoints.environment(), "SHOP_PASSWORD": database.password})
