"""The AWS services that Keyshift needs, as local servers that speak AWS's own protocol over plain HTTP.

One ministack process serves all three. The tests put a more faithful server in the place of a single service.
"""

import http.client
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from keyshift.cli.demo.child import HOST, Child, ServerError, ThrowAway, leashed

Service = Literal["dynamodb", "kinesis", "s3"]
SERVICES: tuple[Service, ...] = ("dynamodb", "kinesis", "s3")
_ANSWER_SECONDS_MAX = 5.0  # the first request may load half the server

# Any key will do; DynamoDB Local insists on letters and digits.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class HttpProgram:
    """How to run one server; {port} and {directory} are filled in. It is ready when it answers health at all."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = "/"


MINISTACK = HttpProgram(
    name="ministack",
    argv=(sys.executable, "-m", "ministack"),
    environment={
        "BIND_HOST": HOST,
        "GATEWAY_PORT": "{port}",
        "LOG_LEVEL": "WARNING",  # else a line in its log for every request
        "TMPDIR": "{directory}",
    },
    health="/_ministack/health",
)


class HttpServer:
    """One local server that keeps its port, though not its data, over kill() and start()."""

    def __init__(self, program: HttpProgram) -> None:
        self._program = program
        self._child = Child(program.name)
        self.url: Final = f"http://{HOST}:{self._child.port}"

    def __repr__(self) -> str:
        return f"<{self._program.name} at {self.url}>"

    def start(self) -> None:
        """Start, and return when it answers; raises ServerError with the end of its log otherwise."""
        environment = {name: self._fill(value) for name, value in self._program.environment.items()}
        argv = [self._fill(word) for word in self._program.argv]
        self._child.start(leashed(argv, self._child.directory), self._answers, environment)

    def stop(self) -> None:
        """End it cleanly."""
        self._child.stop()

    def kill(self) -> None:
        """End it without any warning to it (SIGKILL)."""
        self._child.kill()

    def close(self) -> None:
        """Stop it and remove all it wrote."""
        self._child.close()

    def _fill(self, word: str) -> str:
        return word.format(port=self._child.port, directory=self._child.directory)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._child.port, timeout=_ANSWER_SECONDS_MAX)
        try:
            connection.request("GET", self._program.health)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


class Endpoints(ThrowAway):
    """The three services at local addresses, served by ministack except for those handed in.

    As a context manager they are started, and in the end stopped and removed. Raises ServerError if one cannot start.
    """

    def __init__(self, others: Mapping[Service, HttpServer] | None = None) -> None:
        if not importlib.util.find_spec("ministack"):
            raise ServerError("the local AWS endpoints need ministack: pip install 'keyshift[demo]'")
        self._gateway = HttpServer(MINISTACK)
        self._servers: dict[Service, HttpServer] = dict.fromkeys(SERVICES, self._gateway) | dict(others or {})

    def __repr__(self) -> str:
        return f"<Endpoints {self.urls}>"

    @property
    def url(self) -> str:
        """The address of ministack."""
        return self._gateway.url

    @property
    def urls(self) -> dict[str, str]:
        """The address of each service."""
        return {service: server.url for service, server in self._servers.items()}

    def environment(self) -> dict[str, str]:
        """What to add to a child process's environment, so that any AWS client in it comes here."""
        return {f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in self.urls.items()} | CREDENTIALS

    def start(self) -> None:
        """Start all, and return when each answers."""
        for server in self._distinct():
            server.start()

    def stop(self) -> None:
        """End all cleanly."""
        for server in self._distinct():
            server.stop()

    def kill(self) -> None:
        """End all without any warning to them (SIGKILL)."""
        for server in self._distinct():
            server.kill()

    def close(self) -> None:
        """Stop all and remove what they wrote."""
        for server in self._distinct():
            server.close()

    def _distinct(self) -> list[HttpServer]:
        return list(dict.fromkeys([self._gateway, *self._servers.values()]))
