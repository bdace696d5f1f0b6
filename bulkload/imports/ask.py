"""Asking for imports so that each target table gets exactly one, however often a process dies before it hears of it."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from bulkload.imports.allowed import in_the_way
from bulkload.load.run import Tools
from keymap.errors import Problems
from keymap.targets import Target
from keyshift.aws import resources
from keyshift.aws.hold import steadily
from keyshift.aws.imports import Described, Source, describe_import, find_import, start_import
from keyshift.aws.items import scan
from keyshift.control.imports import Import, ImportState, record_again, record_step
from keyshift.control.migration import Resource, forget_created, record_created
from keyshift.process.log import get_logger

_log = get_logger(__name__)
LISTED_SECONDS_MAX: Final = 60.0  # until ListImports tells of an import that has made its table
_LOOK_SECONDS: Final = 1.0


class Asking:
    """Begins the imports of one migration, or finds them."""

    def __init__(self, tools: Tools, targets: Mapping[str, Target]) -> None:
        self._tools = tools
        self._targets = targets

    def begin(self, made: Import) -> Import:
        """The import as it is recorded when it runs, or has ended: asked for, unless it was before.

        A table without items is only made. Raises Problems where the table is somebody else's, KeyshiftError, Stopped.
        """
        there = self._is_there(made.table)
        if not there and self._is_over(made):
            _log.info("import_again", table=made.table, attempt=made.attempt + 1)
            made = steadily(partial(record_again, self._tools.lease, made), self._tools.stop)
        if made.state in {ImportState.RUNNING, ImportState.DONE}:
            return made
        if there and made.state is ImportState.WRITTEN:
            raise Problems([in_the_way(made.table)])
        # As `keyshift init` does: ours before it is made, so that `keyshift destroy` removes it whoever dies.
        lease, resource = self._tools.lease, Resource("table", made.table)
        steadily(partial(record_created, lease.store, resource, lease), self._tools.stop)
        asked_before = made.state is ImportState.ASKED
        made = self._step(made, ImportState.ASKED)
        return self._import(made) if made.items else self._make(made, asked_before=asked_before)

    def _is_there(self, table: str) -> bool:
        return resources.table_arn(self._tools.own.dynamodb, table) is not None

    def _is_over(self, made: Import) -> bool:
        """Whether an import has ended. Where its table is gone then, somebody wants it to be asked for again."""
        if made.state is ImportState.RUNNING:
            return describe_import(self._tools.own.dynamodb, made.arn, self._tools.stop).ended
        return made.state is ImportState.DONE

    def _import(self, made: Import) -> Import:
        client, stop = self._tools.own.dynamodb, self._tools.stop
        source = Source(self._tools.migration.bucket, made.prefix)
        token = made.token(self._tools.migration.id)
        described = start_import(client, self._targets[made.table], source, token, stop)
        if described is None:
            described = self._found(made, source, token)
        _log.info("import_started", table=made.table, items=made.items, objects=made.objects, arn=described.arn)
        return self._step(made, ImportState.RUNNING, described.arn)

    def _found(self, made: Import, source: Source, token: str) -> Described:
        """The import that made the table which is in the way of another. Raises Problems where it is none of ours."""
        client, stop, waited = self._tools.own.dynamodb, self._tools.stop, 0.0
        while (arn := resources.table_arn(client, made.table)) is not None:
            if (found := find_import(client, arn, source, token, stop)) is not None:
                return found
            if waited >= LISTED_SECONDS_MAX:
                break
            stop.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
        raise self._foreign(made)

    def _make(self, made: Import, *, asked_before: bool) -> Import:
        """A table that no row has an item in: of no files nothing can be imported.

        Where an endpoint keeps no tags, one that a process which died was about to make is taken for ours if it is
        empty.
        """
        client, stop, target = self._tools.own.dynamodb, self._tools.stop, self._targets[made.table]
        ours = resources.ensure_table(client, target, self._tools.migration.id, stop=stop) or asked_before
        if not ours or next(scan(client, made.table, stop=stop), None) is not None:
            raise self._foreign(made)
        return self._step(made, ImportState.DONE)

    def _foreign(self, made: Import) -> Problems:
        lease, resource = self._tools.lease, Resource("table", made.table)
        steadily(partial(forget_created, lease.store, resource, lease), self._tools.stop)
        return Problems([in_the_way(made.table)])

    def _step(self, made: Import, state: ImportState, arn: str = "") -> Import:
        return steadily(partial(record_step, self._tools.lease, made, state, arn), self._tools.stop)
