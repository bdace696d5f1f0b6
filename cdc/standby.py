"""What a daemon that must stand by tries at once: a wrong password is told now, and not when it is to take over.

It asks what every start asks of source and stream, on a plain connection: one for the binlog would end the stream of
the daemon that runs, which has the same server id. Nothing is written. Where source or AWS is away it stands by all the
same: an outage is waited out.
"""

from contextlib import closing

from cdc.begin import start_problems, stream_problems
from cdc.parts import Parts
from keymap.errors import KeyshiftError, Problems
from keyshift.aws.clients import BotoCoreError, ClientError, is_throttle, is_transient
from keyshift.control.store import Store
from keyshift.mysql.connection import MySQLError, StillReader, Unreachable, connect, error_number, is_lost
from keyshift.process.log import get_logger

_log = get_logger("cdc")


def try_start(parts: Parts, store: Store) -> None:
    """Raise what a start would end with, but for outages: Denied, Problems with all that is wrong."""
    try:
        _look(parts, store)
    except MySQLError as error:
        if not is_lost(error):
            raise
        _tell(error)
    except (Unreachable, StillReader) as error:
        _tell(error)
    except (KeyshiftError, ClientError, BotoCoreError) as error:
        cause = error.__cause__ if isinstance(error, KeyshiftError) else error
        if not isinstance(cause, ClientError | BotoCoreError) or not (is_throttle(cause) or is_transient(cause)):
            raise
        _tell(cause)


def _look(parts: Parts, store: Store) -> None:
    with closing(connect(parts.settings.source)) as connection:
        errors, _, _ = start_problems(connection, parts.settings, parts.keymap, store)
    Problems.raise_if_any(errors + stream_problems(parts.clients.kinesis, parts.settings, parts.migration))


def _tell(error: Exception) -> None:
    _log.warning("start_not_tried", error=type(error).__name__, number=error_number(error))
