"""All that preflight decides on, asked of a live server in one go. The decisions are keyshift.mysql.preflight's."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from keymap.errors import KeyshiftError
from keymap.schema import TableSchema
from keyshift.mysql.connection import Connection, MySQLError, is_lost, query
from keyshift.mysql.facts import BinlogStatus, ServerFacts, read_facts, read_status
from keyshift.mysql.schema import ForeignKey, KeyPart, read_foreign_keys, read_keys, read_schemas
from keyshift.mysql.select import quote_table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A server, as far as preflight asks. None stands for what the user may not ask."""

    facts: ServerFacts
    tables: tuple[str, ...]
    grants: tuple[str, ...] = ()
    schemas: Mapping[str, TableSchema] = field(default_factory=dict)
    keys: Mapping[str, tuple[KeyPart, ...]] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()
    unreadable: frozenset[str] = frozenset()  # of the tables, those from which SELECT * is refused
    status: BinlogStatus | None = None
    prepared_xa: int | None = None  # XA transactions that are prepared now
    replica: bool | None = None  # it applies another server's changes
    rds_retention_hours: int | None = None  # on RDS and Aurora; 0: the binlog is purged as soon as possible


def gather(connection: Connection, tables: Iterable[str]) -> Evidence:
    """Ask the server everything. Raises MySQLError where a question fails that needs no privilege."""
    facts, names = read_facts(connection), tuple(sorted(tables))
    schemas = read_schemas(connection, names)
    unreadable = frozenset(name for name in schemas if not readable(connection, name))
    return Evidence(
        facts=facts,
        tables=names,
        grants=tuple(str(row[0]) for row in query(connection, "SHOW GRANTS")),
        schemas=schemas,
        keys=read_keys(connection, names),
        foreign_keys=read_foreign_keys(connection, schemas.keys() - unreadable),
        unreadable=unreadable,
        status=_permitted(lambda: read_status(connection, facts)),
        prepared_xa=_permitted(lambda: len(query(connection, "XA RECOVER"))),
        replica=_permitted(lambda: bool(query(connection, _replica_status(facts)))),
        rds_retention_hours=None if facts.platform == "own" else rds_retention_hours(connection),
    )


# Amazon's own setting, which its own process goes by; binlog_expire_logs_seconds says nothing there. The procedure runs
# with Amazon's rights: some administrators grant the one, some the other.
_RDS_RETENTION = ("SELECT name, value FROM mysql.rds_configuration", "CALL mysql.rds_show_configuration")


def rds_retention_hours(connection: Connection) -> int | None:
    """How long RDS or Aurora keeps binlog files; 0: as short as possible; None: the user may not ask."""
    for statement in _RDS_RETENTION:
        rows = _permitted(lambda statement=statement: query(connection, statement))  # type: ignore[misc]
        for name, value, *_ in rows or ():
            if name == "binlog retention hours":
                return int(value or 0)
    return None


def readable(connection: Connection, table: str) -> bool:
    """Whether the user may read all its columns, asked by trying.

    Grants come by column, pattern and role, and information_schema hides what is not granted.
    """
    return _permitted(lambda: query(connection, f"SELECT * FROM {quote_table(table)} LIMIT 0")) is not None  # noqa: S608


def _permitted(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except KeyshiftError:
        return None
    except MySQLError as error:
        if is_lost(error):
            raise
        return None


def _replica_status(facts: ServerFacts) -> str:
    old = (10, 5, 1) if facts.flavour == "mariadb" else (8, 0, 22)
    return "SHOW SLAVE STATUS" if facts.version < old else "SHOW REPLICA STATUS"
