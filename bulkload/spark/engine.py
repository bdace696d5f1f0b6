"""The engine: a Spark application, and the workers that it gives to a load."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bulkload.load.run import Engine
from bulkload.spark.cluster import cluster
from bulkload.spark.workers import SparkWorkers


@contextmanager
def spark(name: str) -> Iterator[Engine]:
    """Makes the workers of a load from the cluster that this process was started for. It ends with the block."""
    with cluster(name) as found:
        yield partial(SparkWorkers, found)
