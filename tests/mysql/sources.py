"""Settings for throw-away servers, and users with few rights."""

from typing import Any

from pydantic import SecretStr

from keyshift.cli.demo.database import Database
from keyshift.process.source import SourceSettings, TlsSettings


def source_of(database: Database, **changed: Any) -> SourceSettings:
    """How to reach this server as root without TLS; `changed` settings win."""
    settings: dict[str, Any] = {
        "host": database.host,
        "port": database.port,
        "user": database.user,
        "password": SecretStr(database.password),
        "tls": TlsSettings(mode="off"),
        "connect_timeout_seconds": 5,
        "read_timeout_seconds": 30,
    }
    return SourceSettings(**(settings | changed))


def execute(database: Database, *statements: str, schema: str | None = None) -> None:
    """Run statements as root, each committed by itself."""
    with database.connect(schema) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
