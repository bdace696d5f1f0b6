"""The log: one structured event per line, JSON where a machine reads it and colour where a person does.

Everything goes to standard error, so that a command's result on standard output can be piped. Every line has
`event`, `level`, `timestamp` (UTC) and `logger`, and whatever `configure` was told to add to all of them (`migration`).
Row contents and secrets never belong here; therefore tracebacks are plain ones too, without the texts of errors that
nobody foresaw (keyshift/process/crash.py): the pretty kinds of structlog and rich print local variables.
"""

import logging
import sys
from typing import cast

import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

from keyshift.process.crash import textless

Logger = FilteringBoundLogger


def configure(*, json: bool | None = None, level: int = logging.INFO, **always: str) -> None:
    """Set up the log of this process, once, at its entry point.

    `json` forces the form (None: JSON lines unless standard error is a terminal); `always` is added to every line.
    Warnings of the libraries that use Python's own logging appear in the same form; their chatter below does not, and
    must not: mysql-replication logs its connection settings at INFO.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    before = _preparing(always, as_json=as_json)
    renderer = _renderer(as_json=as_json)
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_name: structlog.WriteLogger(sys.stderr),  # standard error as it is at that moment
        cache_logger_on_first_use=False,
    )
    _configure_libraries(before, renderer)


def get_logger(name: str) -> Logger:
    """A logger whose lines carry `logger: name`. It may be made before configure() runs."""
    return cast("Logger", structlog.get_logger(logger_name=name))  # structlog keeps the word `logger` to itself


def _preparing(always: dict[str, str], *, as_json: bool) -> list[Processor]:
    def add_always(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record = event.get("_record")  # there for what came through Python's own logging
        name = record.name if isinstance(record, logging.LogRecord) else event.pop("logger_name", "")
        return {**always, "logger": name, **event}

    time_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    preparing: list[Processor] = [add_always, structlog.stdlib.add_log_level, time_stamp]
    return [*preparing, structlog.processors.ExceptionRenderer(_traceback)] if as_json else preparing


def _renderer(*, as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(exception_formatter=lambda out, info: print(_traceback(info), file=out))


def _traceback(exc_info: ExcInfo) -> str:
    return textless(exc_info[1])


def _configure_libraries(before: list[Processor], renderer: Processor) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
