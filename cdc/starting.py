"""Where capture can begin: all before it is visible to SELECT, and no XA transaction is prepared across it."""

from collections.abc import Callable
from dataclasses import replace

from cdc.continuity import Change, SourceChanged
from cdc.resume import Resumption
from keymap.errors import KeyshiftError
from keymap.position import Position
from keyshift.mysql.connection import Connection, MySQLError, is_lost, query
from keyshift.mysql.facts import ServerFacts
from keyshift.mysql.start import capture_start


def chosen_start(resumption: Resumption, facts: ServerFacts) -> Position:
    """A position to begin at, with its file's fingerprint. Raises KeyshiftError, SourceChanged where it changes."""
    start = capture_start(resumption.connect, facts, resumption.migration.tables)
    require_no_prepared_xa(resumption.connect)
    found = resumption.look(start.file)
    if found.server != facts.identity or found.fingerprint is None:
        raise SourceChanged(Change.SERVER)
    return replace(start, fingerprint=found.fingerprint)


def require_no_prepared_xa(connect: Callable[[], Connection]) -> None:
    """Raise KeyshiftError where an XA transaction is prepared, asked after the start was chosen.

    Its rows may have been logged before the start, and its commit may come after the rows are dumped: lost to both. One
    that is not prepared any more has ended, and the dump, which begins later, sees what it did.
    """
    connection = connect()
    try:
        prepared = query(connection, "XA RECOVER")
    except MySQLError as error:
        if is_lost(error):
            raise
        return  # not permitted to ask: preflight has warned of it
    finally:
        connection.close()
    if prepared:
        message = f"{len(prepared)} XA transactions are prepared: their rows are in the binlog before their outcome"
        raise KeyshiftError(message, "End them (XA RECOVER lists them), and start the daemon again")
