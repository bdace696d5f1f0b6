"""An HTTP proxy before a local AWS endpoint that does to a client what AWS does on a bad day.

None of the local servers throttles, answers for a part of a batch, or loses an answer. So a rule names calls and a
fault (faults.py); the first rule that fires decides what happens to a call, and a call that no rule wants is passed
on. Chance is seeded, so that a failing test fails again.
"""

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from keyshift.cli.demo.child import HOST
from tests.servers.faults import Answer, Call, Fault
from tests.servers.http_server import Handler, Server, Serving

_ANSWER_SECONDS_MAX = 60.0
_OURS_TO_SET = {"connection", "content-length", "date", "server", "transfer-encoding"}


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Do this to these calls: with this probability, after leaving the first `skip` alone, `times` times at most."""

    fault: Fault
    operations: tuple[str, ...] = ()  # such as "BatchWriteItem"; none means every call
    probability: float = 1.0
    skip: int = 0
    times: int | None = None

    @property
    def name(self) -> str:
        """The fault's name, under which it is counted: "throttle", "delay", "partial"."""
        return self.fault.__qualname__.partition(".")[0]


class FaultProxy(Serving):
    """Stands at `url` before `upstream`; a context manager. `rules` may be changed at any time."""

    def __init__(self, upstream: str, *rules: Rule, seed: int = 0) -> None:
        self.upstream: Final = urlsplit(upstream)
        self.rules: tuple[Rule, ...] = rules
        self.calls: Counter[str] = Counter()  # what clients asked, by operation
        self.faults: Counter[str] = Counter()  # what was done to them, by name of the fault
        self.chance: Final = random.Random(seed)
        self._seen: Counter[Rule] = Counter()
        self._fired: Counter[Rule] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self, _Handler)
        self.url: Final = f"http://{self._server.address}"

    def answer(self, call: Call) -> Answer | None:
        """What the call's client gets; None means that its connection is lost."""
        with self._lock:
            self.calls[call.operation] += 1
            rule = next((rule for rule in self.rules if self._fires(rule, call)), None)
            if rule:
                self._fired[rule] += 1
                self.faults[rule.name] += 1
        return rule.fault(call) if rule else call.forward(call.body)

    def _fires(self, rule: Rule, call: Call) -> bool:
        if rule.operations and call.operation not in rule.operations:
            return False
        self._seen[rule] += 1
        if self._seen[rule] <= rule.skip or (rule.times is not None and self._fired[rule] >= rule.times):
            return False
        return self.chance.random() < rule.probability


class _Server(Server[FaultProxy]):
    def shutdown_request(self, request: Any) -> None:
        """Close at once: the usual shutdown before would turn a reset into an orderly end."""
        self.close_request(request)


class _Handler(Handler):
    """One client connection, with one connection to the endpoint behind it."""

    server: _Server

    def setup(self) -> None:
        super().setup()
        upstream = self.server.owner.upstream
        self.behind = http.client.HTTPConnection(upstream.hostname or HOST, upstream.port, timeout=_ANSWER_SECONDS_MAX)

    def finish(self) -> None:
        self.behind.close()
        super().finish()

    def relay(self) -> None:
        """Every method comes here."""
        body = self.body()
        service, _, operation = self.headers.get("X-Amz-Target", "").rpartition(".")
        proxy = self.server.owner
        try:
            answer = proxy.answer(Call(operation or self.command, service, body, proxy.chance, self.forward))
        except (OSError, http.client.HTTPException):
            answer = None  # the endpoint behind is down
        if answer:
            self.reply(answer)
        else:
            self.reset()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay  # noqa: N815 - http.server's names

    def forward(self, body: bytes) -> Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OURS_TO_SET}
        self.behind.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        response = self.behind.getresponse()
        return Answer(response.status, response.read(), {name.lower(): value for name, value in response.getheaders()})

    def reply(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name not in _OURS_TO_SET:
                self.send_header(name, value)
        length = answer.headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def reset(self) -> None:
        """Close without lingering: the client sees its connection reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
