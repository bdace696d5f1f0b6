"""A column as Hypothesis draws it, with values in both forms: stored and canonical."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from hypothesis import strategies as st

from keymap.schema import Column as Known
from keymap.values import Canonical
from tests.binlog.encode import Column
from tests.binlog.generate_text import Charset


class Value(NamedTuple):
    """One value, None for NULL, as it is stored and as both our readers must give it."""

    data: bytes | None
    canonical: Canonical


Values = st.SearchStrategy[Value]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A column as the log describes it, as information_schema does, and what it may hold."""

    column: Column
    known: Known
    values: Values


Maker = Callable[[st.DrawFn, str], Drawn]


def of_column(column: Column, data_type: str, full_type: str, values: Values, charset: Charset | None = None) -> Drawn:
    known = Known(column.name, data_type, full_type, column.nullable)
    if charset:
        known = replace(known, charset=charset.name, collation=charset.collation)
    return Drawn(column, known, values)
