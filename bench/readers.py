"""What one would pick instead of the daemon: loops over python-mysql-replication, and what each does with a row."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import boto3
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from bench.decode import Stretch
from keyshift.cli.demo.database import Database

SERVER_ID = 4_242


def bare(database: Database, stretch: Stretch, rows: int) -> None:
    """Nothing: the measure of every reader that is built on the library."""
    count = 0
    for event in _events(database, stretch):
        count += len(event)
        if count >= rows:
            return


def naive(database: Database, stretch: Stretch, rows: int, url: str) -> None:
    """One put_record for each, as a first version would."""
    client = boto3.client("kinesis", endpoint_url=url)
    every = (row["values"] for event in _events(database, stretch) for row in event)
    for values in islice(every, rows):
        data = json.dumps(values, default=str).encode()
        client.put_record(StreamName="naive", Data=data, PartitionKey=str(values["id"]))


def _events(database: Database, stretch: Stretch) -> Iterator[Any]:
    """The rows of each event, from the stretch's beginning to the binlog's present end."""
    reader = BinLogStreamReader(
        {"host": database.host, "port": database.port, "user": database.user, "passwd": database.password},
        server_id=SERVER_ID,
        log_file=stretch.file,
        log_pos=stretch.begin,
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
