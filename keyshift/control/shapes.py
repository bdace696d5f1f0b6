"""What the captured tables looked like, from which place of the binlog on.

The server tells only what its tables look like now, and a daemon that comes back reads its binlog from where it was. So
what a table looked like where capture began is recorded, and, for each statement that changed it and was followed, what
it looked like from there on. The entries are made of the binlog alone: whoever reads the same statement writes the same
entry, so that writing may be repeated, and come late.

Places order within an epoch. One that is raised begins with the shapes of where the one before was left, which are not
always the newest: what had been read beyond the checkpoint is read again, at another place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from keymap.position import Position, file_number
from keymap.schema import Column, Shape, TableSchema
from keymap.version import floor, parse, version
from keymap.wire import dumps, loads
from keyshift.control.lease import Lease
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import Store
from keyshift.control.tables import escape

SHAPES_MAX: Final = 20  # of one table are kept: more than are followed between two checkpoints
_ATTEMPTS_MAX: Final = 20  # two daemons at most write here, and only while one loses its lease


@dataclass(frozen=True, slots=True)
class Since:
    """From `version`, the statement's end, on the table has this shape."""

    version: str
    shape: Shape


History = Mapping[str, Sequence[Since]]  # by table, in the binlog's order
Change = Callable[[tuple[Since, ...]], tuple[Since, ...]]


def current(history: Sequence[Since], at: str) -> Shape | None:
    """The shape at a place of the binlog, given as the version that it would have; None where nothing is known."""
    return next((since.shape for since in reversed(history) if since.version <= at), None)


def place(epoch: int, position: Position) -> str:
    """A place of the binlog, as the version that a first row there would have."""
    return version(epoch, file_number(position.file), position.offset, 0)


def with_shape(history: Iterable[Since], added: Since) -> tuple[Since, ...]:
    """The history with one entry more, or another in its place."""
    kept = [since for since in history if since.version != added.version]
    return tuple(sorted([*kept, added], key=lambda since: since.version)[-SHAPES_MAX:])


def carried(history: Sequence[Since], left: str, begins: str) -> tuple[Since, ...]:
    """The history where an epoch begins at `begins`, and the one before was left at `left`.

    What is recorded of the new epoch goes: a process that was killed before it began had got to another server.
    """
    kept = tuple(since for since in history if since.version < floor(parse(begins).epoch))
    shape = current(kept, left)
    return kept if shape is None else with_shape(kept, Since(begins, shape))


def read_histories(store: Store, tables: Iterable[str]) -> dict[str, tuple[Since, ...]]:
    """What is recorded; a table that nothing was recorded of is absent. Raises NotInitialised."""
    found = {}
    for table in tables:
        record = store.get(_item(table))
        if record is not None:
            found[table] = tuple(_decoded(table, text) for text in record.texts("shapes"))
    return found


def begin_history(store: Store, table: str, since: Since, lease: Lease | None = None) -> None:
    """Record what a table looks like where its capture begins; what was recorded before goes.

    Where a lease is given, only while it is held. Raises LeaseLost.
    """
    _swap(store, table, lambda _: (since,), lease)


def record_shape(store: Store, table: str, since: Since) -> None:
    """Record what a table looks like from a statement on."""
    _swap(store, table, lambda history: with_shape(history, since))


def carry_over(lease: Lease, tables: Iterable[str], left: str, begins: str) -> None:
    """Record what the tables look like where a raised epoch begins, before anything is followed in it.

    `left` and `begins` are as in `carried`; `lease` is the one on "capture". Raises LeaseLost.
    """
    for table in tables:
        _swap(lease.store, table, lambda history: carried(history, left, begins), lease)


def _swap(store: Store, table: str, change: Change, lease: Lease | None = None) -> None:
    """Write what `change` makes of the history; where a lease is given, only while it is held."""

    def changes(record: Record | None) -> Changes | None:
        history = tuple(_decoded(table, text) for text in record.texts("shapes")) if record else ()
        changed = change(history)
        return None if changed == history else {"shapes": tuple(map(_encoded, changed))}

    revise(store, _item(table), changes, lease=lease, attempts_max=_ATTEMPTS_MAX)


def _item(table: str) -> str:
    return f"schema#{escape(table)}"


def _encoded(since: Since) -> str:
    schema = since.shape.schema
    fields = {
        "since": since.version,
        "engine": schema.engine,
        "columns": [asdict(column) for column in schema.columns],
        "primary_key": schema.primary_key,
        "charset": since.shape.charset,
        "counter": since.shape.counter,
    }
    return dumps(fields).decode()


def _decoded(table: str, text: str) -> Since:
    fields = loads(text.encode())
    database, _, name = table.partition(".")
    columns = tuple(Column(**column) for column in fields["columns"])
    schema = TableSchema(database, name, columns, tuple(fields["primary_key"]), fields["engine"])
    return Since(fields["since"], Shape(schema, fields["charset"], fields["counter"]))
