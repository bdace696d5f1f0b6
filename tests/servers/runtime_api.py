"""Lambda's runtime API, and an environment in which AWS's own runtime interface client (`awslambdaric`) runs a handler.

As in Lambda: a process is started when an event comes and there is none, it is given one event at a time, and it is
killed where it has not answered when its time is over. The next event finds a new one.
"""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Self

from keyshift.cli.demo.packages import locked, run
from tests.servers import CACHE
from tests.servers.http_server import Handler, Server, Serving

CLIENT: Final = "awslambdaric==3.1.1"
_API: Final = "/2018-06-01/runtime/"
_INIT_SECONDS_MAX: Final = 60.0
_ARN: Final = "arn:aws:lambda:us-east-1:000000000000:function:keyshift-shop-apply"


@dataclass(frozen=True, slots=True)
class Python:
    """The words of a command that runs a Python, and its version; `platform` as pip calls it, "" for this machine's."""

    command: tuple[str, ...]
    version: str
    platform: str = ""


OWN: Final = Python((sys.executable,), f"{sys.version_info.major}.{sys.version_info.minor}")


class FunctionError(Exception):
    """What Lambda counts as an error of the function. `kind` is the error's type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message


@dataclass(frozen=True, slots=True, eq=False)
class Invocation:
    """An event for the function, which has `seconds` once it was handed over."""

    body: bytes
    seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    handed_over: threading.Event = field(default_factory=threading.Event)


class RuntimeApi(Serving):
    """Hands events to one process, and takes its answers; a context manager. `address` is host and port."""

    def __init__(self) -> None:
        self._server = Server(self, _Handler)
        self.address: Final = self._server.address
        self.forget()

    def forget(self) -> None:
        """The process is gone: what it still asks, and answers, is nobody's."""
        if hasattr(self, "events"):
            self.events.put(None)
        self.events: Queue[Invocation | None] = Queue()
        self.answers: Queue[tuple[str, dict[str, Any]]] = Queue()


class _Handler(Handler):
    server: Server[RuntimeApi]

    def next_event(self) -> None:
        assert self.path == f"{_API}invocation/next", self.path
        one = self.server.owner.events.get()
        if one is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": one.id,
            "Lambda-Runtime-Deadline-Ms": str(round((time.time() + one.seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": _ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        one.handed_over.set()
        self._reply(200, one.body, headers)

    def answer(self) -> None:
        body = json.loads(self.body())
        id_, _, kind = self.path.removeprefix(_API).removeprefix("invocation/").partition("/")
        self.server.owner.answers.put((kind if id_ != "init" else "init", {"id": id_, "body": body}))
        self._reply(202, b'{"status":"OK"}\n', {})

    do_GET, do_POST = next_event, answer  # noqa: N815 - http.server's names

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Sandbox:
    """Runs `handler` from the unpacked archive in `task`, which has nothing but it and the runtime client to import.

    `starts` counts its cold starts. The log of all of them is in `log`.
    """

    def __init__(  # noqa: PLR0917 - what Lambda is told of a function
        self,
        api: RuntimeApi,
        task: Path,
        handler: str,
        environment: Mapping[str, str],
        log: Path,
        seconds: float,
        python: Python = OWN,
    ) -> None:
        self.starts = 0
        self._python = python
        self.seconds = seconds
        self.log = log
        self._api, self._task, self._handler, self._environment = api, task, handler, environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process, if there is one, without any warning to it."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._api.forget()

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """The handler's answer. Raises FunctionError for its error, its end, and one that does not come in time."""
        if self._process is None:
            self._start()
        one = Invocation(json.dumps(event).encode(), self.seconds)
        self._api.events.put(one)
        kind, body = self._await(one, _INIT_SECONDS_MAX, handed_over=True)
        if not kind:
            kind, body = self._await(one, self.seconds)
        if kind == "response":
            return body
        raise FunctionError(body["errorType"], body["errorMessage"])

    def _await(self, one: Invocation, seconds: float, *, handed_over: bool = False) -> tuple[str, Any]:
        """The answer; where `handed_over`, "" once the process has asked for the event."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if handed_over and one.handed_over.is_set():
                return "", None
            try:
                kind, told = self._api.answers.get(timeout=0.02)
            except Empty:
                if self._process is None or self._process.poll() is not None:
                    self.kill()
                    raise FunctionError("Runtime.ExitError", "the runtime exited without an answer") from None
                continue
            if kind == "init":
                self.kill()
                return "error", told["body"]
            if told["id"] == one.id:
                return kind, told["body"]
        self.kill()
        raise FunctionError("Sandbox.Timedout", f"task timed out after {seconds:.2f} seconds")

    def _start(self) -> None:
        self.starts += 1
        environment = {
            "PATH": os.defpath,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "keyshift-shop-apply",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "LAMBDA_TASK_ROOT": str(self._task),
            "PYTHONPATH": f"{self._task}{os.pathsep}{runtime_client(self._python)}",
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's file system cannot be written to
            **self._environment,
        }
        argv = [*self._python.command, "-S", "-m", "awslambdaric", self._handler]  # -S: no site-packages
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, env=environment, cwd=self._task, stdout=log, stderr=log)


def runtime_client(python: Python = OWN) -> Path:
    """The folder of AWS's runtime interface client, which is installed if it is not there yet."""
    place = CACHE / "-".join(filter(None, [CLIENT.replace("==", "-"), python.version, python.platform]))
    with locked(CACHE / "awslambdaric.lock"):
        if not (place / "complete").exists():
            argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), CLIENT]
            if python.platform:
                argv += ["--platform", python.platform, "--python-version", python.version, "--only-binary", ":all:"]
            run(argv, why=f"the tests need {CLIENT}")
            (place / "complete").touch()
    return place
