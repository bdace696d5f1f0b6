"""Two tables of a source, one of them captured, and what arrives of what is done to them."""

import contextlib

import orjson

from cdc.assemble import Assembler, Capture
from keymap.position import Position
from keymap.rules import Keymap, parse_keymap
from keymap.schema import TableSchema
from keyshift.cli.demo.database import Database
from tests.cdc.logs import fed
from tests.cdc.sources import facts_and_end, read_events, schemas_of
from tests.mysql.sources import execute

KEYMAP = """\
keyshift: 1
targets:
  app: {{partition_key: {{pk: S}}}}
tables:
  {schema}.a:
    - target: app
      key: {{pk: "A#{{id}}"}}
"""


def keymap_of(schema: str) -> Keymap:
    return parse_keymap(KEYMAP.format(schema=schema), "keymap.yaml")


class Source:
    """Tables a (captured) and b (not) in a schema, and reading what was done to them."""

    def __init__(self, database: Database, schema: str) -> None:
        self.database, self.schema = database, schema
        self.run("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY, v INT)")
        self.run("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
        self.start = self.end

    @property
    def end(self) -> Position:
        return facts_and_end(self.database)[1]

    def run(self, *statements: str) -> None:
        """In one session, each statement committed by itself unless they say otherwise."""
        execute(self.database, *statements, schema=self.schema)

    def assembler(self, position: Position, *, gtids: bool) -> Assembler:
        capture = Capture(keymap_of(self.schema), 8, 1, "server", 1_000_000)
        return Assembler(capture, position, gtids=gtids)

    def captured(self, position: Position | None = None, schemas: dict[str, TableSchema] | None = None) -> list[str]:
        """Each transaction that arrives, as text: "+1=2" (row 1 with v=2), "1=2>1=3", "-1=3"."""
        position = position or self.start
        assembler = self.assembler(position, gtids=self.database.flavour == "mysql")
        events = read_events(self.database, position, schemas or schemas_of(self.database, f"{self.schema}.a"))
        with contextlib.closing(assembler):
            found = [one for event in events if (one := fed(assembler, event)) is not None]
        self.position = assembler.position
        texts = [" ".join(describe(entry.line) for entry in transaction.entries) for transaction in found]
        for transaction in found:
            transaction.entries.close()
        return texts


def describe(line: bytes) -> str:
    change = orjson.loads(line)
    before, after = change["before"], change["after"]
    if before is None:
        return f"+{after['id']}={after['v']}"
    if after is None:
        return f"-{before['id']}={before['v']}"
    return f"{before['id']}={before['v']}>{after['id']}={after['v']}"
