"""What the stream holds already: read once, from its beginning or from a moment on, before anything is sent."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from keyshift.aws import stream as kinesis
from keyshift.aws.clients import KinesisClient
from keyshift.aws.retry import retried
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

_READ_PAUSE_SECONDS: Final = 0.2  # Kinesis allows five reads per second and shard


def records(client: KinesisClient, name: str, shard: str, stop: Stop, since_ms: int | None = None) -> Iterator[bytes]:
    """The records of a shard up to its present end: all, or those that arrived since a moment (ms since 1970).

    Raises Stopped, and ClientError or BotoCoreError for what no repetition mends.
    """
    doing = f"reading stream {name}"
    if since_ms is None:
        begin = partial(kinesis.iterator_for, client, name, shard, None)
    else:
        begin = partial(kinesis.iterator_at, client, name, shard, since_ms)
    iterator: str | None = retried(begin, Backoff(), stop, doing)
    while iterator is not None:
        page = retried(partial(kinesis.get_records, client, iterator), Backoff(), stop, doing)
        yield from (record.data for record in page.records)
        iterator = page.next_iterator if page.records or page.behind_ms else None
        if iterator is not None:
            stop.sleep(_READ_PAUSE_SECONDS)
