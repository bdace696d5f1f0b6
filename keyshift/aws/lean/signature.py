"""Signature Version 4 of AWS, for one shape of request: a POST of JSON whose action stands in X-Amz-Target.

What all requests have in common is written once, and the key is derived once a day. A test holds each signature to what
botocore's signer makes of the same request.
"""

import hashlib
import hmac
import time
from typing import Final, Protocol
from urllib.parse import quote

from botocore.utils import normalize_url_path

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(Protocol):
    """Frozen credentials as botocore gives them; `token` is None for those of a user."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Signs requests to one endpoint. For use by several threads."""

    def __init__(self, service: str, region: str, host: str, path: str, content_type: str) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._parts = (region, service, "aws4_request")
        canonical_path = quote(normalize_url_path(path), safe="/~")
        self._canonical = f"POST\n{canonical_path}\n\ncontent-type:{content_type}\nhost:{host}\nx-amz-date:"
        self._derived: tuple[tuple[str, str], bytes] = (("", ""), b"")
        self._stamped: tuple[int, str] = (-1, "")

    def headers(self, credentials: Credentials, target: str, body: bytes, at: float) -> str:
        """The header lines that sign the request; `at` is the moment in seconds since 1970."""
        stamp = self._stamp(int(at))
        token = credentials.token
        secret_line, secret_name, header = "", "", ""
        if token:
            secret_line, secret_name = f"x-amz-security-token:{token}\n", "x-amz-security-token;"
            header = f"X-Amz-Security-Token: {token}\r\n"
        names = f"content-type;host;x-amz-date;{secret_name}x-amz-target"
        digest = hashlib.sha256(body).hexdigest()
        canonical = f"{self._canonical}{stamp}\n{secret_line}x-amz-target:{target}\n\n{names}\n{digest}"
        scope = f"{stamp[:8]}/{self._scope}"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        key = self._key(credentials.secret_key, stamp[:8])
        signature = hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
        return (
            f"X-Amz-Date: {stamp}\r\n{header}Authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}\r\n"
        )

    def _stamp(self, second: int) -> str:
        stamped, stamp = self._stamped
        if stamped != second:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._stamped = (second, stamp)
        return stamp

    def _key(self, secret: str, day: str) -> bytes:
        made_for, key = self._derived
        if made_for != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._parts):
                key = hmac.digest(key, part.encode(), "sha256")
            self._derived = ((secret, day), key)
        return key
