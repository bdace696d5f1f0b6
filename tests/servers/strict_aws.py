"""An endpoint that lets in as AWS does: known keys, botocore's own signature, a date of its own time, perhaps TLS.

The local servers look at none of that. It keeps nothing: calls are listed, and answered as if they were done.
"""

import datetime as dt
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers.http_server import Handler, Server, Serving

SKEW_SECONDS_MAX = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that was let in."""

    operation: str
    access_key: str
    headers: Mapping[str, str]
    body: Any


class StrictAws(Serving):
    """Listens at `url` as long as the block lasts. `keys`: secret and session token ("" for none) by access key."""

    def __init__(self, keys: Mapping[str, tuple[str, str]], certificates: Path | None = None) -> None:
        self.keys = dict(keys)
        self.clock_ahead_seconds = 0.0
        self.seen: list[Seen] = []
        self.refused: list[str] = []
        self.connections = 0
        self._server = Server(self, _Handler)
        scheme = "http"
        if certificates:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{scheme}://{self._server.address}"

    @property
    def now(self) -> float:
        """Its own time, in seconds since 1970."""
        return time.time() + self.clock_ahead_seconds

    def refusal(self, url: str, headers: Mapping[str, str], body: bytes) -> str:
        """The code of what is wrong with a request, "" for nothing."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if not found:
            return "IncompleteSignatureException"
        access_key, day, region, service, names, signature = found.groups()
        secret, token = self.keys.get(access_key, ("", ""))
        if not secret or headers.get("x-amz-security-token", "") != token:
            return "UnrecognizedClientException"
        stamp = headers["x-amz-date"]
        signed_at = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()
        if abs(signed_at - self.now) > SKEW_SECONDS_MAX:
            return "InvalidSignatureException"
        request = AWSRequest("POST", url, {n: headers[n] for n in names.split(";") if n != "host"}, body)
        request.context["timestamp"] = stamp
        signer: Any = SigV4Auth(Credentials(access_key, secret, token or None), service, region)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return "" if (signature, day) == (expected, stamp[:8]) else "InvalidSignatureException"


class _Handler(Handler):
    server: Server[StrictAws]

    def setup(self) -> None:
        super().setup()
        self.server.owner.connections += 1

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        aws = self.server.owner
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        code = aws.refusal(f"{aws.url.partition(':')[0]}://{headers['host']}{self.path}", headers, body)
        if code:
            aws.refused.append(code)
            self._reply(400, {"__type": f"com.amazon.coral.service#{code}", "message": "refused"})
            return
        operation = headers["x-amz-target"].partition(".")[2]
        access_key = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        document = json.loads(body)
        aws.seen.append(Seen(operation, access_key, headers, document))
        done = {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}
        self._reply(200, {"FailedRecordCount": 0, "Records": [done for _ in document.get("Records", ())]})

    def _reply(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.server.owner.now, usegmt=True))
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
