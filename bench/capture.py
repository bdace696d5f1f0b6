"""Capture: binlog to Kinesis (a sink faster than the client), beside a loop that sends one put_record per row.

The third way, a bare loop over the library's events that does nothing with them, is the measure of every Python peer.
The daemon's start counts in its figures; it is given so many rows that it fades.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import boto3
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from bench import shape
from bench.measure import Result, per_second
from bench.sink import sink
from bench.source import Begun, begun
from cdc.daemon import run
from keyshift.aws.clients import make_clients
from keyshift.control.checkpoint import read_checkpoint
from keyshift.process.stop import Stop

FIRST_ROWS = 10
TIMES_MANY, TIMES_ONE = 15, 5  # as many rows for the two readers as for the naive daemon, which is slow
WAIT_SECONDS_MAX = 300.0


def _events(source: Begun, file: str, offset: int) -> Iterator[Any]:
    """The rows events from a position to the binlog's present end, as the library gives them."""
    database = source.database
    reader = BinLogStreamReader(
        {"host": database.host, "port": database.port, "user": database.user, "passwd": database.password},
        server_id=4242,
        log_file=file,
        log_pos=offset,
        resume_stream=True,
        blocking=False,
        only_events=[WriteRowsEvent],
        enable_logging=False,
    )
    try:
        for event in reader:
            yield event.rows
    finally:
        reader.close()


def _naive(source: Begun, file: str, offset: int, url: str, rows: int) -> None:
    client = boto3.client("kinesis", endpoint_url=url)
    every = (row["values"] for found in _events(source, file, offset) for row in found)
    for values in islice(every, rows):
        data = json.dumps(values, default=str).encode()
        client.put_record(StreamName="naive", Data=data, PartitionKey=str(values["id"]))


def _bare(source: Begun, file: str, offset: int) -> None:
    for rows in _events(source, file, offset):
        len(rows)


def _daemon(source: Begun, url: str, expected: int) -> None:
    """Run the daemon until its checkpoint is past `expected` changes in all."""
    stop = Stop()
    clients = make_clients("us-east-1", {"dynamodb": source.url, "kinesis": url, "s3": source.url})
    thread = threading.Thread(target=run, args=(source.settings, source.keymap, clients, stop))
    thread.start()
    try:
        _wait(lambda: (found := read_checkpoint(source.store)) is not None and found.changes >= expected)
    finally:
        stop.set()
        thread.join()
        clients.close()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon did not catch up")
        time.sleep(0.02)


def _one(source: Begun, url: str, naive_rows: int, times: int, per_transaction: int) -> list[Result]:
    rows = naive_rows * times
    before = read_checkpoint(source.store)
    captured = before.changes if before else 0
    first = FIRST_ROWS + captured + 1
    database = source.database
    with database.connect(shape.SCHEMA) as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
        cursor.execute("SHOW MASTER STATUS" if database.flavour == "mariadb" else "SHOW BINARY LOG STATUS")
        file, offset = (cursor.fetchone() or ("", 0))[:2]
        shape.fill(cursor, first, rows, per_transaction)
    bare = per_second(rows, lambda: _bare(source, str(file), int(offset)))
    naive = per_second(naive_rows, lambda: _naive(source, str(file), int(offset), url, naive_rows))
    ours = per_second(rows, lambda: _daemon(source, url, captured + rows))
    size = f"{per_transaction} rows a transaction"
    naive_name, bare_name = f"one put_record per row, {size}", f"bare loop over the library, {size}"
    return [
        Result("capture", naive_name, naive, naive_name, 1.0),
        Result("capture", f"keyshift cdc run, {size}", ours, naive_name, ours / naive),
        Result("capture", bare_name, bare, bare_name, 1.0),
        Result("capture", f"keyshift cdc run, {size}", ours, bare_name, ours / bare),
    ]


def measure(rows: int) -> list[Result]:
    """Rows per second with many rows to a transaction, and with one. The daemon's start counts too."""
    with begun(FIRST_ROWS) as source, sink(source.url) as url:
        many = _one(source, url, rows, TIMES_MANY, per_transaction=1_000)
        return many + _one(source, url, rows // 2, TIMES_ONE, per_transaction=1)
