"""`keyshift` commands as processes of their own, as an operator runs them. The acceptance tests use them too."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from keymap.errors import KeyshiftError

COMMAND_SECONDS_MAX = 900.0  # the longest single step; the demo is minutes at most
STOP_SECONDS_MAX = 30.0  # a daemon flushes what it holds and saves its checkpoint well within


class Commands:
    """Runs `keyshift` commands as processes of their own, each with a log in the demo's folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment, "KEYSHIFT_CONFIG": str(folder / "keyshift.yaml")}

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed. Raises KeyshiftError with its last lines if it fails."""
        with self._log(arguments) as log:
            result = subprocess.run(  # noqa: S603 - our own command
                self._argv(arguments),
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=COMMAND_SECONDS_MAX,
                check=False,
                text=True,
            )
        if result.returncode != 0:
            raise KeyshiftError(
                f"`keyshift {' '.join(arguments)}` ended with {result.returncode}", self._tail(arguments, result.stdout)
            )
        return result.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json and return its answer."""
        answer: dict[str, Any] = json.loads(self.run(*arguments, "--json"))
        return answer

    @contextmanager
    def background(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a command running within the block; then ask it to stop (SIGTERM), as systemd would."""
        with self._log(arguments) as log:
            process = self._spawn(arguments, log)
            try:
                yield process
            finally:
                end(process)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command and leave it running; whoever started it ends it."""
        with self._log(arguments) as log:
            return self._spawn(arguments, log)

    def _spawn(self, arguments: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        argv = self._argv(arguments)
        return subprocess.Popen(argv, env=self._environment, stdout=log, stderr=log)  # noqa: S603 - our own command

    def require_running(self, process: subprocess.Popen[bytes], *arguments: str) -> None:
        """Raise KeyshiftError, with the last lines of its log, where a background command has ended."""
        if process.poll() is not None:
            raise KeyshiftError(
                f"`keyshift {' '.join(arguments)}` ended with {process.returncode}", self._tail(arguments, "")
            )

    @staticmethod
    def _argv(arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "keyshift.cli.main", *arguments]

    def _path(self, arguments: Sequence[str]) -> Path:
        return self._folder / ("-".join(arguments[:2]) + ".log")

    def _log(self, arguments: Sequence[str]) -> IO[bytes]:
        return self._path(arguments).open("ab")

    def _tail(self, arguments: Sequence[str], printed: str) -> str:
        lines = printed.splitlines()[-20:] + self._path(arguments).read_text(errors="replace").splitlines()[-20:]
        return "It said last:\n" + "\n".join(lines)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a command to stop, and insist where it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
