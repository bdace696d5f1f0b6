"""Everything that can be wrong before a migration begins, found without changing anything, and all of it at once.

`keyshift init` refuses on what is found here, `keyshift doctor` shows it line by line.
"""

from collections.abc import Iterator
from functools import partial

from cdc.begin import captured_tables, source_problems
from keymap.errors import KeyshiftError
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.cli.checks_aws import AwsChecks
from keyshift.cli.checks_rows import rows_findings
from keyshift.cli.errors import SERVICE_ERRORS
from keyshift.cli.finding import Finding, attempt, failed
from keyshift.cli.wiring import Wiring
from keyshift.control import migration as migrations
from keyshift.mysql.connection import Connection
from keyshift.mysql.facts import read_facts
from keyshift.mysql.preflight import preflight


class Checks:
    """Looks at keymap, source and AWS for one migration."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def all(self) -> list[Finding]:
        """Every finding. What cannot be looked at, because something before it is wrong, is left out."""
        found = self.source()
        return found + AwsChecks(self._wiring).all(None if found[0].problems else self._wiring.keymap)

    def source(self) -> list[Finding]:
        """What concerns keymap and source only."""
        keymap = attempt("keymap", self._keymap)
        checked = None if keymap.problems else self._wiring.keymap
        rows = rows_findings(self._wiring.settings, () if checked is None else checked.tables)
        return [keymap, *self._source(checked), *rows]

    def _keymap(self) -> Finding:
        keymap = self._wiring.keymap
        evidence = f"{len(keymap.tables)} source tables into {len(keymap.targets)} DynamoDB tables"
        return Finding("keymap", f"{evidence}, digest {keymap.digest}")

    def _source(self, keymap: Keymap | None) -> Iterator[Finding]:
        settings = self._wiring.settings.source
        try:
            connection = self._wiring.connect()
        except KeyshiftError as error:
            yield failed("source", error)
            return
        try:
            place = f"{read_facts(connection).name} at {settings.host}:{settings.port}"
            yield Finding("source", f"{place}, as {settings.user}")
            yield attempt("source settings", partial(self._preflight, connection, keymap))
        finally:
            connection.close()

    def _preflight(self, connection: Connection, keymap: Keymap | None) -> Finding:
        settings = self._wiring.settings
        if keymap is None:  # the server alone can still be looked at
            found = preflight(
                connection,
                (),
                retention_hours=settings.stream.retention_hours,
                described=settings.capture.row_metadata == "full",
            )
            return Finding("source settings", "the server is as it must be", found.errors, found.warnings)
        errors, warnings, accepted = source_problems(connection, settings, keymap)
        if errors and (captured := captured_by(self._wiring, keymap)) is not None:
            errors, warnings, accepted = source_problems(connection, settings, keymap, captured)
        evidence = f"row binlog, grants and {len(keymap.tables)} tables are as they must be"
        return Finding("source settings", evidence, tuple(errors), tuple(warnings), accepted=tuple(accepted))


def captured_by(wiring: Wiring, keymap: Keymap) -> dict[str, TableSchema] | None:
    """The tables where capture of this very keymap goes on; None where it has not begun, or nobody can tell.

    A column that no rule looks at may have been dropped since, which would be a mistake before.
    """
    try:
        if migrations.load(wiring.store).digest == keymap.digest:
            return captured_tables(wiring.store, keymap.tables)
    except (KeyshiftError, *SERVICE_ERRORS):
        return None
    return None
