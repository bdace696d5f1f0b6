"""Dump: rows from MySQL to compressed files in S3, beside one SELECT of everything, written as JSON lines."""

import gzip
import json
from typing import Any

import pymysql.cursors

from bench import shape
from bench.measure import Result, compared, per_second
from bench.source import Begun, begun
from bulkload.dump import dump
from keyshift.process.stop import Stop


def _naive(source: Begun) -> None:
    with source.database.connect(shape.SCHEMA) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(f"SELECT * FROM {shape.TABLE}")
        rows: Any = cursor.fetchall()
    lines = "\n".join(json.dumps(row, default=str) for row in rows)
    source.clients.s3.put_object(Bucket=source.settings.bucket.name, Key="naive", Body=gzip.compress(lines.encode()))


def measure(rows: int) -> list[Result]:
    """Rows per second, read, compressed and stored."""
    with begun(rows) as source:
        naive = per_second(rows, lambda: _naive(source))
        ours = per_second(rows, lambda: dump(source.settings, source.keymap, source.clients, Stop()))
    return compared("dump", ("keyshift bulkload dump", ours), ("SELECT *, json, gzip, one put_object", naive))
