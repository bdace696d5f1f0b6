"""Mapping: canonical rows to patches by the keymap, beside what one would write by hand with boto3's serializer."""

from collections.abc import Callable
from functools import partial
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from bench import shape
from bench.measure import Result, compared, per_second
from keymap.rules import Keymap
from keymap.values import Json, Row

TIMES = 5  # the best of them counts: a run takes a tenth of a second, and the machine is shared


def _naive(rows: list[Row]) -> None:
    serialize = TypeSerializer().serialize
    for row in rows:
        item: dict[str, Any] = {"pk": f"ACCOUNT#{row['account']}", "sk": f"EVENT#{row['id']:012d}"}
        for name, value in row.items():
            if value is not None:
                item[name] = value.document() if isinstance(value, Json) else value
        {name: serialize(value) for name, value in item.items()}


def _ours(keymap: Keymap, rows: list[Row]) -> None:
    table = f"{shape.SCHEMA}.{shape.TABLE}"
    for row in rows:
        keymap.row_patches(table, row, "1")


def _best(rows: list[Row], work: Callable[[], None]) -> float:
    return max(per_second(len(rows), work) for _ in range(TIMES))


def measure(rows: int) -> list[Result]:
    """Rows per second and core: with the JSON column as a document, without that column, and with its text instead."""
    whole = list(shape.canonical_rows(rows))
    without = [{name: value for name, value in row.items() if name != "details"} for row in whole]
    plain = [{name: value.text if isinstance(value, Json) else value for name, value in row.items()} for row in whole]
    found: list[Result] = []
    for what, given, keymap in (
        ("12 columns with JSON", whole, shape.keymap()),
        ("11 columns without JSON", without, shape.keymap()),
        ("12 plain columns", plain, shape.plain_keymap()),
    ):
        found += compared(
            "mapping",
            (f"keymap, {what}", _best(given, partial(_ours, keymap, given))),
            (f"boto3's serializer, by hand, {what}", _best(given, partial(_naive, given))),
        )
    return found
