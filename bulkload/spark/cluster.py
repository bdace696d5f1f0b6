"""The one door to Apache Spark: a context, how many tasks it runs at once, and jobs that are over as soon as possible.

Many jobs of few tasks, rather than one for all: what is done is known soon, a chunk that fails takes few others along,
and what is left to be done is the driver's to decide. Spark tries a task again where an executor or its Python was
lost, up to `spark.task.maxFailures` times. It must not run copies of tasks that take long (`spark.speculation`): each
copy would write the same, at the cost of what it writes.
"""

import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from pyspark import SparkConf, SparkContext, TaskContext

from bulkload.spark.workers import TaskFailed
from keymap.errors import KeyshiftError
from keyshift.process.log import get_logger

_log = get_logger(__name__)
_SPECULATION: Final = "spark.speculation"
_ERROR: Final = re.compile(r"[\w.]+(Error|Exception)\b")
_REMEDY: Final = (
    "Look at the executors' logs. Each needs the packed environment (`keyshift bulkload pack`, spark.archives, "
    "PYSPARK_PYTHON), memory, and a way to DynamoDB and S3; then run the load again"
)


class SparkCluster:
    """The executors of one application, as a Cluster."""

    def __init__(self, context: SparkContext) -> None:
        self._context = context
        self._cores_per_task = int(context.getConf().get("spark.task.cpus") or 1)

    @property
    def slots(self) -> int:
        """As Cluster."""
        try:
            cores: int = self._context.defaultParallelism
        except Exception as error:
            raise TaskFailed(f"Spark does not answer: {_reason(error)}", _REMEDY) from error
        return max(1, cores // self._cores_per_task)

    def run(self, call: Callable[[Any], Any], arguments: Sequence[object], name: str) -> list[tuple[Any, int]]:
        """As Cluster. One task each."""
        try:
            self._context.setJobDescription(name)
            data = self._context.parallelize([pickle.dumps((call, one)) for one in arguments], len(arguments))
            answers: list[tuple[Any, int]] = data.map(_perform).collect()
        except Exception as error:  # whatever Py4J and Spark raise, and they are many kinds
            raise TaskFailed(f"{name} failed on Spark: {_reason(error)}", _REMEDY) from error
        return answers

    def cancel(self) -> None:
        """As Cluster."""
        with suppress(Exception):  # there may be no Spark any more
            self._context.cancelAllJobs()


def _perform(data: bytes) -> tuple[Any, int]:
    call, argument = pickle.loads(data)  # noqa: S301 - from the driver
    context = TaskContext.get()
    return call(argument), context.attemptNumber() if context else 0


@contextmanager
def cluster(name: str) -> Iterator[SparkCluster]:
    """The Spark that this process was started for (spark-submit, PYSPARK_SUBMIT_ARGS, or its own defaults)."""
    configuration = SparkConf()
    if configuration.get(_SPECULATION, "false") == "true":
        _log.warning("speculation_is_off", reason="each copy of a task would write the same items once more")
    configuration.set(_SPECULATION, "false").set("spark.ui.showConsoleProgress", "false").setAppName(name)
    try:
        context = SparkContext.getOrCreate(configuration)
    except Exception as error:  # no Java, no cluster, another Python
        raise KeyshiftError(f"Spark cannot be begun: {_reason(error)}", "Look at what it said before this") from error
    if context.getConf().get(_SPECULATION, "false") == "true":
        raise KeyshiftError("this Spark application has spark.speculation on", "Begin one without")
    try:
        yield SparkCluster(context)
    finally:
        with suppress(Exception):  # there may be no Spark any more
            context.stop()


def _reason(error: Exception) -> str:
    """The last line that says what is wrong: of the Python in the executor, if it came so far."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "...", "Driver stacktrace", "Traceback"))]
    named = [line for line in told if _ERROR.match(line)]
    return (named or told or [type(error).__name__])[-1][:500]
