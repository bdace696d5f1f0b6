"""Who answers on a connection, and which file of a name it has: what cdc/continuity decides by.

Both are asked on one replica's connection: by statements before the dump command, and then by a dump of the file's
first events. The source sends more than these until we hang up, which is a few megabytes at most; no statement tells
when a file was begun, and a wrong answer loses changes.
"""

from contextlib import suppress
from typing import Final

from cdc.connection import ConnectionEnded, ReplicaConnection
from cdc.continuity import Found
from keyshift.binlog.dump_command import FIRST_POSITION, NON_BLOCKING, dump
from keyshift.binlog.fingerprint import fingerprint_of
from keyshift.mysql.connection import (
    Connection,
    MySQLError,
    StillReader,
    connection_settings,
    denials_named,
    error_number,
)
from keyshift.mysql.facts import ServerFacts, read_facts, read_gtid_purged, read_gtid_seen
from keyshift.process.source import SourceSettings

_REFUSED: Final = 1236
_NO_FILE: Final = "could not find first log"
_HEARTBEAT_SECONDS: Final = 30.0  # none is wanted: the source ends this stream by itself


def look(source: SourceSettings, file: str, server_id: int) -> Found:
    """The source, and the fingerprint of its binlog file of this name.

    Ends another stream that the source still sends under our server id. Raises MySQLError, OSError and ConnectionEnded,
    Denied where the login is refused or the certificate is not trusted, StillReader where the name leads to a reader of
    an Aurora cluster, Unreachable where the password cannot be had for now.
    """
    found: list[Found] = []
    command = dump(server_id, file, FIRST_POSITION, NON_BLOCKING)
    with denials_named(source):
        connection = ReplicaConnection(
            connection_settings(source),
            command,
            server_id=server_id,
            heartbeat_seconds=_HEARTBEAT_SECONDS,
            greet=lambda opened: found.append(_ask(opened)),
        )
    try:
        fingerprint = _fingerprint(connection)
    finally:
        connection.close()
    (answer,) = found
    return answer.with_fingerprint(fingerprint)


def _fingerprint(connection: ReplicaConnection) -> str | None:
    with suppress(ConnectionEnded):
        try:
            if found := fingerprint_of(filter(None, connection.packets())):
                return found
        except MySQLError as error:
            if error_number(error) != _REFUSED or _NO_FILE not in str(error).casefold():
                raise
            return None
    raise ConnectionEnded("the source ended the stream before it said which file it is")


def _ask(connection: Connection) -> Found:
    facts = read_facts(connection)
    require_writer(facts)
    return Found(
        server=facts.identity,
        gtids=facts.gtid,
        base=facts.binlog_base,
        fingerprint=None,
        executed=read_gtid_seen(connection),
        purged=read_gtid_purged(connection) if facts.gtid else "",
        retention=facts.binlog_retention,
        flavour=facts.flavour,
    )


def require_writer(facts: ServerFacts) -> None:
    """Raise StillReader where the server is a reader of an Aurora cluster, which has no binlog.

    At a fail-over the writer endpoint's old address is that of the former writer, a reader by now, until the name has
    been resolved anew.
    """
    if facts.aurora_reader:
        message = "source.host leads to a reader of the Aurora cluster, and only the writer has a binlog"
        raise StillReader(message, "Set source.host to the cluster's writer endpoint, and start again")
