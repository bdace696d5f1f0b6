"""A migration whose daemon and consumer run, as processes of their own, while a test goes on."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from keyshift.cli.demo.commands import Commands
from tests.cli.conftest import Project
from tests.cli.steps import answer_of


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Migration:
    """A project with its long-running commands as processes of their own."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self.project, self._stack = project, stack
        environment = {**project.endpoints.environment(), "TEST_PASSWORD": project.database.password}
        self.commands = Commands(project.folder, environment)
        self._said_before: dict[Path, str] = {}

    def start(self, *arguments: str) -> None:
        log = self._log(arguments)
        self._said_before[log] = log.read_text() if log.exists() else ""
        self._stack.enter_context(self.commands.background(*arguments))

    def wait_for(self, event: str, *arguments: str) -> None:
        """Until a started command's log tells of the event. To ask `status` all the time would slow the command."""
        log = self._log(arguments)
        until(lambda: event in log.read_text().removeprefix(self._said_before[log]))

    def _log(self, arguments: tuple[str, ...]) -> Path:
        return self.project.folder / ("-".join(arguments) + ".log")

    def capture(self) -> None:
        assert self.project.keyshift("init").code == 0
        self.start("cdc", "run")
        self.wait_for("barrier_sent", "cdc", "run")
        assert answer_of(self.project, "status")["capture"]["started"]

    def load(self) -> None:
        self.capture()
        answer = self.project.keyshift("bulkload", "run")
        assert answer.code == 0, answer.err

    def run(self) -> None:
        self.load()
        self.start("apply", "run")
