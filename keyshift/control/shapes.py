"""What the captured tables looked like, from which place of the binlog on.

The server tells only what its tables look like now, and a daemon that comes back reads its binlog from where it was. So
what a table looked like where capture began is recorded, and, for each statement that changed it and was followed, what
it looked like from there on. The entries are made of the binlog alone: whoever reads the same statement writes the same
entry, so that writing may be repeated, and come late.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from keymap.schema import Column, Shape, TableSchema
from keymap.wire import dumps, loads
from keyshift.control.chunks import escape
from keyshift.control.store import Conflict, Store

SHAPES_MAX: Final = 20  # of one table are kept: more than are followed between two checkpoints
_ATTEMPTS_MAX: Final = 20  # two daemons at most write here, and only while one loses its lease


@dataclass(frozen=True, slots=True)
class Since:
    """From `version`, the statement's end, on the table has this shape."""

    version: str
    shape: Shape


History = Mapping[str, Sequence[Since]]  # by table, in the binlog's order


def current(history: Sequence[Since], version: str) -> Shape | None:
    """The shape at a place of the binlog, given as the version that it would have; None where nothing is known."""
    return next((since.shape for since in reversed(history) if since.version <= version), None)


def with_shape(history: Iterable[Since], added: Since) -> tuple[Since, ...]:
    """The history with one entry more, or another in its place."""
    kept = [since for since in history if since.version != added.version]
    return tuple(sorted([*kept, added], key=lambda since: since.version)[-SHAPES_MAX:])


def read_histories(store: Store, tables: Iterable[str]) -> dict[str, tuple[Since, ...]]:
    """What is recorded; a table that nothing was recorded of is absent. Raises NotInitialised."""
    found = {}
    for table in tables:
        record = store.get(_item(table))
        if record is not None:
            found[table] = tuple(_decoded(table, text) for text in record.texts("shapes"))
    return found


def begin_history(store: Store, table: str, since: Since) -> None:
    """Record what a table looks like where capture begins; what an earlier try recorded goes."""
    _swap(store, table, lambda _: (since,))


def record_shape(store: Store, table: str, since: Since) -> None:
    """Record what a table looks like from a statement on."""
    _swap(store, table, lambda history: with_shape(history, since))


def _swap(store: Store, table: str, change: Any) -> None:  # noqa: ANN401 - a function of this module's
    for _ in range(_ATTEMPTS_MAX):
        record = store.get(_item(table))
        history = tuple(_decoded(table, text) for text in record.texts("shapes")) if record else ()
        changed = change(history)
        if changed == history:
            return
        try:
            store.swap(_item(table), record, {"shapes": tuple(map(_encoded, changed))})
        except Conflict:
            continue
        return
    raise Conflict(_item(table))


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
