"""What one would pick instead of the daemon: loops over python-mysql-replication, and what each does with a row."""

import json
from itertools import islice

import boto3

from bench.decode import Stretch, library_rows
from keyshift.cli.demo.database import Database


def bare(database: Database, stretch: Stretch, rows: int) -> None:
    """Nothing: the measure of every reader that is built on the library."""
    count = 0
    for event in library_rows(database, stretch):
        count += len(event)
        if count >= rows:
            return


def naive(database: Database, stretch: Stretch, rows: int, url: str) -> None:
    """One put_record for each, as a first version would."""
    client = boto3.client("kinesis", endpoint_url=url)
    every = (row["values"] for event in library_rows(database, stretch) for row in event)
    for values in islice(every, rows):
        data = json.dumps(values, default=str).encode()
        client.put_record(StreamName="naive", Data=data, PartitionKey=str(values["id"]))
