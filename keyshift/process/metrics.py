"""What a process that runs for long shows of itself: figures and health over HTTP, and in the log for CloudWatch.

The threads that work leave their figures on a board; whoever asks is answered from it, in a thread of its own, so that
a scrape never holds up the work. The text is Prometheus' exposition format 0.0.4, the lines in the log are CloudWatch's
embedded metric format (keyshift.process.metric). Both are a few lines; prometheus-client would add 4 MB to every
process, and a registry that is global. The server listens only where the settings name a port: one settings file serves
several processes, often on one host, and a health check that another process answers is worse than none.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from keymap.errors import KeyshiftError
from keyshift.process.beside import beside
from keyshift.process.clock import now_ms
from keyshift.process.log import get_logger
from keyshift.process.metric import Metric, embedded
from keyshift.process.tasks import MetricsSettings

# Of one round of a loop. The longest honest one waits for a service that throttles; a loop that has hung never ends.
LOOP_SECONDS_MAX: Final = 60.0
EMF_SECONDS: Final = 60.0  # between two lines for CloudWatch, whose own resolution is a minute
REQUEST_SECONDS_MAX: Final = 5.0  # of a client that sends no request
_log = get_logger("metrics")


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the process does its work, or waits for it as it should; `loops` are seconds since each last moved."""

    state: str
    loops: Mapping[str, float]

    @property
    def stalled(self) -> list[str]:
        """The loops that have not moved for too long."""
        return [name for name, age in self.loops.items() if age > LOOP_SECONDS_MAX]

    @property
    def is_good(self) -> bool:
        """Whether nothing is stalled."""
        return not self.stalled


class Board:
    """The figures and the health of one process. Every method may be called from any thread.

    `also` gives figures that are asked for when somebody looks, such as ages.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        *,
        migration: str,
        owner: str,
        also: Callable[[], Mapping[str, float | None]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics = tuple(metrics)
        self.migration = migration
        self.owner = owner
        self._also = also
        self._clock = clock
        self._lock = threading.Lock()
        self._state = "starting"
        self._values: dict[str, float | None] = {}
        self._moved: dict[str, float] = {}

    def enter(self, state: str, **values: float) -> None:
        """What the process does from now on. The figures begin anew, and loops count from their next round."""
        with self._lock:
            self._state, self._values, self._moved = state, dict(values), {}

    def show(self, values: Mapping[str, float | None]) -> None:
        """New figures, by the metrics' names; None where nothing is known."""
        with self._lock:
            self._values.update(values)

    def moved(self, loop: str) -> None:
        """This loop has begun another round."""
        with self._lock:
            self._moved[loop] = self._clock()

    def over(self, loop: str) -> None:
        """This loop has ended as it should, and moves no more."""
        with self._lock:
            self._moved.pop(loop, None)

    def values(self) -> dict[str, float]:
        """The figures that are known."""
        with self._lock:
            shown = {**self._values, **self._also()}
        return {name: value for name, value in shown.items() if value is not None}

    def health(self) -> Health:
        """The health at this moment."""
        with self._lock:
            now = self._clock()
            return Health(self._state, {name: round(now - at, 1) for name, at in self._moved.items()})


def exposition(board: Board) -> str:
    """The figures as Prometheus reads them."""
    values, lines = board.values(), []
    for metric in board.metrics:
        lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}"]
        if metric.name in values:
            lines.append(f'{metric.name}{{migration="{board.migration}"}} {values[metric.name]:.15g}')
    return "\n".join(lines) + "\n"


class Increases:
    """The board's figures as CloudWatch wants them: gauges as they are, counters by what they grew since last time."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._counters = [metric.name for metric in board.metrics if metric.kind == "counter"]
        self._before: dict[str, float] = {}

    def event(self, timestamp_ms: int) -> dict[str, Any]:
        """One event of the log, from which CloudWatch makes metrics of the same names."""
        values = self._board.values()
        counters = {name: values[name] for name in self._counters if name in values}
        for name, value in counters.items():
            before = self._before.get(name, 0)
            values[name] = value - before if value >= before else value  # less: it has begun anew
        self._before |= counters
        return embedded(self._board.metrics, values, timestamp_ms, {"migration": self._board.migration})


@contextmanager
def reported(board: Board, settings: MetricsSettings) -> Iterator[None]:
    """Show the board as the settings say, while the block runs. Raises KeyshiftError where the port cannot be had."""
    with ExitStack() as stack:
        if settings.port is not None:
            stack.enter_context(_served(board, settings.host, settings.port))
        if settings.emf:
            stack.enter_context(beside(partial(_log_until, board), "emf"))
        yield


@contextmanager
def _served(board: Board, host: str, port: int) -> Iterator[None]:
    handler = type("Handler", (_Handler,), {"board": board})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        message = f"metrics cannot be served at {host}:{port}: {error.strerror or error}"
        remedy = "Give each process on this host a port of its own: metrics.port, or KEYSHIFT_METRICS__PORT"
        raise KeyshiftError(message, remedy) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    board: Board
    timeout = REQUEST_SECONDS_MAX
    server_version, sys_version = "Keyshift", ""

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", exposition(self.board))
        elif self.path == "/healthz":
            health = self.board.health()
            status = HTTPStatus.OK if health.is_good else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", _document(self.board, health))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "/metrics and /healthz are here\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: a probe every few seconds is no event."""


def _document(board: Board, health: Health) -> str:
    answer = {"state": health.state, "healthy": health.is_good, "stalled": health.stalled}
    return json.dumps({**answer, "loops": health.loops, "migration": board.migration, "owner": board.owner}) + "\n"


def _log_until(board: Board, done: threading.Event) -> None:
    increases = Increases(board)
    while not done.wait(EMF_SECONDS):
        _log.info("metrics", **increases.event(now_ms()))
    _log.info("metrics", **increases.event(now_ms()))
