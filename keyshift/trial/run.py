"""The trial: scan the rows, add up, look again at what needs a name, and tell."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from keymap.errors import KeyshiftError, Problem
from keymap.rules import Keymap
from keymap.schema import TableSchema
from keyshift.trial.figures import target_report
from keyshift.trial.findings import Findings
from keyshift.trial.mapping import Mapper
from keyshift.trial.report import Report
from keyshift.trial.scan import Scan
from keyshift.trial.sightings import Looker
from keyshift.trial.sums import add_up
from keyshift.trial.walk import Progress, Rows, Walk


class Trial:
    """Tries a keymap on the rows of its tables; `schemas` has those that are there and have a primary key.

    `rows_max` are the rows of each table, None for all. `migration` is an id as long as the real one.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        keymap: Keymap,
        schemas: Mapping[str, TableSchema],
        source: Rows,
        *,
        migration: str,
        rows_max: int | None,
        progress: Progress,
    ) -> None:
        self._keymap, self._schemas, self._migration = keymap, schemas, migration
        self._walk = Walk(source, schemas, rows_max, progress)
        self._mapper = Mapper(keymap, schemas)

    def run(self) -> Report:
        """Read and tell. Raises Stopped. A table that cannot be read is an error of the report."""
        with tempfile.TemporaryDirectory(prefix="keyshift-check-") as directory:
            return self._run(Path(directory))

    def _run(self, directory: Path) -> Report:
        scan = Scan(self._keymap, self._schemas, self._mapper, self._migration, directory)
        unread = [problem for table in self._schemas for problem in self._scan(scan, table)]
        sums = add_up(scan, directory)
        looker = Looker(self._walk, self._mapper, scan.folder)
        seen = looker.look(sums.pieces(), sums.wanted())
        confirmed = looker.collisions(sums.suspects, seen)
        rules, walked = self._mapper.rules, self._walk.walked
        targets = tuple(
            target_report(self._keymap.targets[name], one, seen, rules, walked) for name, one in sums.targets.items()
        )
        found = Findings(self._keymap, rules, sums, seen)
        return Report(
            tables=tuple(walked.values()),
            targets=targets,
            errors=(*unread, *self._mapper.problems(), *found.collisions(confirmed), *found.too_large()),
            notes=(
                *found.unconfirmed(confirmed),
                *found.spellings(),
                *found.wide_numbers(scan.wide),
                *(problem for target in targets for problem in found.hot(target)),
            ),
        )

    def _scan(self, scan: Scan, table: str) -> list[Problem]:
        try:
            for piece, rows in self._walk.pieces(table):
                scan.take(table, piece, rows)
        except KeyshiftError as error:
            return [Problem(f"table {table}", error.message, error.remedy)]
        return []
