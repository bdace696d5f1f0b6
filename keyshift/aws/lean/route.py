"""Where requests go: the endpoint, directly or through a proxy, as botocore would send them. Pure."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is spoken to without TLS. `authorization` is a header line, "" where none is needed."""

    url: str  # without its user and password: for messages
    host: str
    port: int
    authorization: str


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an endpoint. `authority` is what the Host header says, `path` where the endpoint's URL leads to."""

    url: str
    tls: bool
    host: str
    port: int
    authority: str
    path: str
    proxy: Proxy | None

    @property
    def head(self) -> str:
        """How each request begins. A proxy is told the whole URL, unless it only passes TLS on."""
        forwarded = self.proxy is not None and not self.tls
        target = f"http://{self.authority}{self.path}" if forwarded else self.path
        line = self.proxy.authorization if self.proxy and forwarded else ""
        return f"POST {target} HTTP/1.1\r\nHost: {self.authority}\r\n{line}"


def route_to(url: str, proxies: Mapping[str, str]) -> Route | None:
    """The way to a URL, with the proxies by scheme of the URL. None for a proxy that itself wants TLS."""
    parts = urlsplit(url)
    proxy = _proxy(proxies.get(parts.scheme) or "")
    if proxy == "tls":
        return None
    host, port = _address(parts)
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"
    tls = parts.scheme == "https"
    return Route(url, tls, host, port, authority, parts.path or "/", proxy if isinstance(proxy, Proxy) else None)


def _proxy(url: str) -> Proxy | str | None:
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url.removeprefix('//')}")
    if parts.scheme != "http":
        return "tls"
    host, port = _address(parts)
    authorization = ""
    if parts.username and parts.password:
        pair = f"{unquote(parts.username)}:{unquote(parts.password)}"
        authorization = f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
    return Proxy(f"http://{host}:{port}", host, port, authorization)


def _address(parts: SplitResult) -> tuple[str, int]:
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]
