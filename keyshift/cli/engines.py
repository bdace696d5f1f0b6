"""Which engine loads: this machine, a Spark cluster, or DynamoDB's import from S3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bulkload.imports.allowed import IMPORT
from bulkload.imports.run import load as run_import
from bulkload.load.run import LoadReport
from bulkload.load.run import load as run_load
from keymap.errors import KeyshiftError
from keyshift.cli.wiring import Wiring


@contextmanager
def loader(wiring: Wiring) -> Iterator[Callable[..., LoadReport]]:
    """The load of the engine that the settings name, as bulkload.load.run.load. It may be called within the block."""
    engine = wiring.settings.bulkload.engine
    if engine != "spark":
        yield run_import if engine == IMPORT else run_load
        return
    try:
        from bulkload.spark.engine import spark  # noqa: PLC0415 - Spark is there where it was asked for only
    except ModuleNotFoundError as error:
        if error.name != "pyspark":
            raise
        message = "there is no Spark here: this Python has no module pyspark"
        raise KeyshiftError(message, "Start it by spark-submit (docs/bulkload.md), or install pyspark") from None
    with spark(f"keyshift {wiring.settings.migration}") as workers:
        wiring.stop.install()  # once more: Spark has a handler of its own for SIGINT
        yield partial(run_load, engine=workers)
