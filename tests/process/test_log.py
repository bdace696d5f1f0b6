"""One event is one line, the same keys everywhere, and neither secrets nor local variables are in it."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from keymap.errors import KeyshiftError
from keyshift.process.log import configure, get_logger


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.fixture
def err(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    return _become_stderr(io.StringIO(), monkeypatch)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    return _become_stderr(_Terminal(), monkeypatch)


def _become_stderr(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    # sys.stderr itself is exchanged by pytest between a fixture and its test.
    monkeypatch.setattr("keyshift.process.log.sys", SimpleNamespace(stderr=stream))
    return stream


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_where_a_machine_reads_every_event_is_one_json_line_with_the_same_keys(err: io.StringIO) -> None:
    configure(migration="shop.1234abcd")
    get_logger("cdc").info("status", rows=3)
    get_logger("load").warning("slow", chunk=7)
    first, second = _lines(err)
    assert {"event", "level", "timestamp", "logger", "migration"} <= first.keys() & second.keys()
    assert (first["event"], first["rows"], first["logger"]) == ("status", 3, "cdc")
    assert (second["level"], second["migration"]) == ("warning", "shop.1234abcd")
    assert first["timestamp"].endswith("Z")


def test_at_a_terminal_it_is_text_in_colour(terminal: io.StringIO) -> None:
    configure()
    get_logger("cdc").info("status", rows=3)
    assert "status" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_the_form_can_be_forced(terminal: io.StringIO) -> None:
    configure(json=True)
    get_logger("cdc").info("status")
    assert _lines(terminal)[0]["event"] == "status"


def test_debug_lines_are_left_out(err: io.StringIO) -> None:
    configure()
    get_logger("cdc").debug("detail")
    assert err.getvalue() == ""


def _fail() -> None:
    secret = "hunter2"  # a local variable
    raise ValueError(len(secret))


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_local_variables(err: io.StringIO, json_lines: bool) -> None:
    configure(json=json_lines)
    try:
        _fail()
    except ValueError:
        get_logger("cdc").exception("failed")
    text = err.getvalue()
    assert "ValueError" in text
    assert "_fail" in text
    assert text.count("hunter2") == text.count('secret = "hunter2"')  # the source line may be shown, the value not


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_text_of_an_error_that_nobody_foresaw(err: io.StringIO, json_lines: bool) -> None:
    """It may hold what rows hold; ours, which was written with that in mind, is told with what led to it."""
    configure(json=json_lines)
    row = {"name": "Al" + "ice"}  # which no line of code shows
    try:
        try:
            int(row["name"])
        except ValueError as error:
            raise KeyshiftError("the row cannot be read") from error
    except KeyshiftError as error:
        get_logger("load").error("worker_failed", exc_info=error)
    text = err.getvalue()
    assert "ValueError" in text
    assert "KeyshiftError: the row cannot be read" in text
    assert "Alice" not in text


def test_a_process_and_a_thread_that_end_by_one_do_not_print_its_text_either() -> None:
    script = """
import threading
from keyshift.process.crash import tell_textless
row = {"name": "A" + "lice"}
def fail():
    int(row["name"])
tell_textless()
thread = threading.Thread(target=fail, name="tidy")
thread.start()
thread.join()
fail()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("ValueError") == 2
    assert "in thread tidy" in done.stderr
    assert "Alice" not in done.stderr


def test_warnings_of_libraries_have_the_same_form_and_their_chatter_is_left_out(err: io.StringIO) -> None:
    configure(migration="shop.1234abcd")
    library = logging.getLogger("pymysqlreplication")
    library.info("settings: {'password': 'hunter2'}")
    library.warning("connection lost: %s", "reset")
    (line,) = _lines(err)
    assert line["event"] == "connection lost: reset"
    assert (line["logger"], line["level"], line["migration"]) == ("pymysqlreplication", "warning", "shop.1234abcd")


def test_configuring_again_replaces_what_was(err: io.StringIO) -> None:
    configure(migration="first")
    configure(migration="second")
    logging.getLogger("library").warning("once")
    get_logger("cdc").info("once")
    assert [line["migration"] for line in _lines(err)] == ["second", "second"]
