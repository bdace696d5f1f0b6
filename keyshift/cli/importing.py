"""What commands need to know of imports from S3: which tables they are yet to make, and how far those are that run."""

from dataclasses import asdict, dataclass
from typing import Final

import click

from bulkload.imports.allowed import IMPORT
from keymap.errors import KeyshiftError
from keyshift.aws import resources
from keyshift.aws.imports import Described, Source, describe_import, find_import
from keyshift.cli.wiring import Wiring
from keyshift.control.imports import Import, ImportState, read_imports
from keyshift.control.phase import Phase, read_phase
from keyshift.control.store import NotInitialised

TO_COME: Final = "not there yet: the import of `keyshift bulkload load` makes it"


@dataclass(frozen=True, slots=True)
class Standing:
    """An import as it is recorded, and as AWS tells of it (`status` "" where that is not asked or not told)."""

    table: str
    state: str
    items: int
    objects: int
    bytes: int
    status: str
    processed: int
    imported: int
    errors: int


def imports_tables(wiring: Wiring) -> bool:
    """Whether the target tables are made by imports, and not all of it is done: replay has not been opened yet."""
    if wiring.settings.bulkload.engine != IMPORT:
        return False
    try:
        return read_phase(wiring.store) is Phase.LOAD
    except NotInitialised:
        return True


def recorded_imports(wiring: Wiring) -> dict[str, Import]:
    """What is recorded of imports, by target table; nothing where the migration is not."""
    try:
        return read_imports(wiring.store)
    except NotInitialised:
        return {}


def require_imported(wiring: Wiring) -> None:
    """Raise KeyshiftError where target tables are yet to be made: nothing can be compared with them."""
    if not imports_tables(wiring):
        return
    made = recorded_imports(wiring)
    missing = [name for name in wiring.keymap.targets if name not in made or made[name].state is not ImportState.DONE]
    if missing:
        message = f"{', '.join(missing)}: {TO_COME}"
        raise KeyshiftError(message, "Run `keyshift bulkload run` to its end first")


def require_none_running(wiring: Wiring) -> None:
    """Raise KeyshiftError where an import may be running: AWS removes no table then, and no call ends an import."""
    for one in read_imports(wiring.store).values():
        described = _described(wiring, one)
        if described is not None and not described.ended:
            message = f"an import into table {one.table} is running, and cannot be ended"
            raise KeyshiftError(message, "Wait for its end (`keyshift bulkload status`), then run the command again")


def _described(wiring: Wiring, one: Import) -> Described | None:
    """What AWS tells of an import that is not done; None where it knows none."""
    client, stop = wiring.clients.dynamodb, wiring.stop
    if one.state is ImportState.RUNNING:
        return describe_import(client, one.arn, stop)
    if one.state is ImportState.ASKED and (arn := resources.table_arn(client, one.table)) is not None:
        migration = wiring.migration
        return find_import(client, arn, Source(migration.bucket, one.prefix), one.token(migration.id), stop)
    return None


def standings(wiring: Wiring) -> list[Standing]:
    """All imports. Where AWS may not be asked, what is recorded."""
    return [_standing(wiring, one) for one in read_imports(wiring.store).values()]


def _standing(wiring: Wiring, one: Import) -> Standing:
    try:
        told = _described(wiring, one)
    except KeyshiftError:
        told = None
    done = one.items if one.state is ImportState.DONE else 0
    return Standing(
        one.table,
        one.state.value,
        one.items,
        one.objects,
        one.bytes,
        told.status if told else "",
        told.processed if told else done,
        told.imported if told else done,
        told.errors if told else 0,
    )


def tell(found: list[Standing]) -> None:
    """As text, a line for each."""
    for one in found:
        status = f" ({one.status})" if one.status else ""
        errors = f", {one.errors:,} errors" if one.errors else ""
        what = f"{one.imported:,} of {one.items:,} items, from {one.objects:,} files of {one.bytes:,} bytes"
        click.echo(f"import     into {one.table}: {one.state}{status}, {what}{errors}")


def document(found: list[Standing]) -> list[dict[str, object]]:
    """As JSON."""
    return [asdict(one) for one in found]
