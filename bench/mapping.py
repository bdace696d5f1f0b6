"""Mapping: canonical rows to patches by the keymap, beside what one would write by hand with boto3's serializer."""

from typing import Any

from boto3.dynamodb.types import TypeSerializer

from bench import shape
from bench.measure import Result, compared, per_second
from keymap.values import Json, Row

TIMES = 5  # the other groups' rows


def _naive(rows: list[Row]) -> None:
    serialize = TypeSerializer().serialize
    for row in rows:
        item: dict[str, Any] = {"pk": f"ACCOUNT#{row['account']}", "sk": f"EVENT#{row['id']:012d}"}
        for name, value in row.items():
            if value is not None:
                item[name] = value.document() if isinstance(value, Json) else value
        {name: serialize(value) for name, value in item.items()}


def measure(rows: int) -> list[Result]:
    """Rows per second and core, with the JSON column as a document, and without that column."""
    keymap, table = shape.keymap(), f"{shape.SCHEMA}.{shape.TABLE}"
    whole = list(shape.canonical_rows(rows * TIMES))
    plain = [{name: value for name, value in row.items() if name != "details"} for row in whole]
    found: list[Result] = []
    for what, given in (("12 columns with JSON", whole), ("11 columns without JSON", plain)):

        def ours(given: list[Row] = given) -> None:
            for row in given:
                keymap.row_patches(table, row, "1")

        naive = per_second(len(given), lambda given=given: _naive(given))
        found += compared(
            "mapping",
            (f"keymap, {what}", per_second(len(given), ours)),
            (f"boto3's serializer, by hand, {what}", naive),
        )
    return found
