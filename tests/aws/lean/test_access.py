"""How a client gets in, with either client: whatever botocore knows of credentials, endpoints, proxies and TLS holds.

The endpoint checks as AWS does (tests/servers/strict_aws.py).
"""

import base64
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)

from keymap.errors import KeyshiftError
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, Kind, error_code, is_transient, make_clients
from keyshift.aws.lean.client import LeanClient
from keyshift.aws.stream import Entry, put_records
from tests.servers.certificates import make_certificates
from tests.servers.http_proxy import HttpProxy
from tests.servers.strict_aws import StrictAws

REGION = "eu-central-1"
Make = Callable[..., Clients]
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _access(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known keys, no other settings; two tries, since what fails here fails for good."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDKNOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "known/secret+key")
    for name in ("AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", *_PROXIES, *map(str.upper, _PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("keyshift.aws.clients.ATTEMPTS_MAX", 2)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def aws() -> Iterator[StrictAws]:
    with StrictAws({"AKIDKNOWN": ("known/secret+key", "")}) as aws:
        yield aws


@pytest.fixture
def secure(ca: Path) -> Iterator[StrictAws]:
    with StrictAws({"AKIDKNOWN": ("known/secret+key", "")}, ca.parent) as aws:
        yield aws


@pytest.fixture
def make(kind: Kind) -> Iterator[Make]:
    """Clients of the kind, closed in the end."""
    made: list[Clients] = []

    def make(endpoint: str | None) -> Clients:
        urls = dict.fromkeys(("dynamodb", "kinesis"), endpoint) if endpoint else {}
        made.append(make_clients(REGION, urls, kind=kind))
        return made[-1]

    yield make
    for clients in made:
        clients.close()


def put(clients: Clients) -> None:
    clients.dynamodb.put_item(TableName="t", Item={"pk": {"S": "ü"}, "b": {"B": b"\x00\xff"}})


def test_what_is_signed_is_let_in(aws: StrictAws, make: Make) -> None:
    clients = make(aws.url)
    put(clients)
    (result,) = put_records(clients.kinesis, "s", [Entry(b"\x00\xff", "k")])
    assert result.accepted
    assert [seen.body for seen in aws.seen] == [
        {"TableName": "t", "Item": {"pk": {"S": "ü"}, "b": {"B": "AP8="}}},
        {"StreamName": "s", "Records": [{"Data": "AP8=", "PartitionKey": "k"}]},
    ]
    assert all(seen.headers["user-agent"].endswith("keyshift") for seen in aws.seen)


def test_an_endpoint_may_lie_below_a_path(aws: StrictAws, make: Make) -> None:
    put(make(f"{aws.url}/a/b"))
    assert not aws.refused


def test_calls_share_a_connection(aws: StrictAws, make: Make) -> None:
    clients = make(aws.url)
    for _ in range(5):
        put(clients)
    assert aws.connections == 1


def test_unknown_keys_are_refused_at_once(aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    with pytest.raises(ClientError) as caught:
        put(make(aws.url))
    assert error_code(caught.value) == "UnrecognizedClientException"
    assert len(aws.refused) == 1


def test_without_keys_it_says_so(aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoCredentialsError):
        put(make(aws.url))


def test_a_session_token_is_sent_and_signed(aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.keys["AKIDKNOWN"] = ("known/secret+key", "to/ken==")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "to/ken==")
    put(make(aws.url))
    assert not aws.refused


def test_credentials_that_expire_are_fetched_again_in_time(
    aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that gives keys, one of the sources that botocore refreshes: here they have run out when they come."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "count").write_text("")
    script = tmp_path / "keys.py"
    script.write_text(
        "import datetime as dt, json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "count.write_text(count.read_text() + 'x')\n"
        "n = len(count.read_text())\n"
        # good for ten minutes, which is within botocore's mandatory refresh
        "expires = dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=9)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{n}', 'SecretAccessKey': f's{n}',"
        " 'SessionToken': f't{n}', 'Expiration': expires.isoformat()}))\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[profile shop]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    for number in range(1, 10):
        aws.keys[f"AKID{number}"] = (f"s{number}", f"t{number}")
    clients = make(aws.url)
    put(clients)
    put(clients)
    first, second = (seen.access_key for seen in aws.seen)
    assert first != second
    assert not aws.refused


def test_endpoints_may_come_from_the_environment_and_from_a_profile(
    aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    put(make(None))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.url)
    put(make(None))
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB")
    config = tmp_path / "config"
    config.write_text(f"[profile shop]\nservices = s\n[services s]\ndynamodb =\n  endpoint_url = {aws.url}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    put(make(None))
    assert [seen.operation for seen in aws.seen] == ["PutItem"] * 3


@pytest.mark.parametrize(
    ("setting", "host"),
    [
        ("", "dynamodb.eu-central-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "dynamodb.eu-central-1.api.aws"),
        ("AWS_USE_FIPS_ENDPOINT", "dynamodb-fips.eu-central-1.amazonaws.com"),
        ("AWS_ACCOUNT_ID", "111122223333.ddb.eu-central-1.amazonaws.com"),
    ],
)
def test_the_endpoint_is_the_one_that_botocore_resolves(
    monkeypatch: pytest.MonkeyPatch, setting: str, host: str
) -> None:
    """Nothing is sent: this is where it would go."""
    if setting:
        monkeypatch.setenv(setting, "111122223333" if setting == "AWS_ACCOUNT_ID" else "true")
    clients = make_clients(REGION)
    assert isinstance(clients.dynamodb, LeanClient)
    sender = clients.dynamodb._sender_for("any")
    assert sender
    assert sender._way.route.url.removesuffix("/") == f"https://{host}"
    assert sender._way.signer._scope == "eu-central-1/dynamodb/aws4_request"
    assert clients.dynamodb._sender_for("any") is sender
    assert clients.dynamodb._sender_for("another account") is not sender
    clients.close()


def test_tls_is_verified_by_the_bundle_that_is_named(
    secure: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, ca: Path
) -> None:
    with pytest.raises(SSLError) as caught:
        put(make(secure.url))
    assert not is_transient(caught.value)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ca))
        put(make(secure.url))
        monkeypatch.delenv(name)
    assert len(secure.seen) == 2


def test_a_certificate_for_another_name_is_refused(
    secure: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, ca: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca))
    with pytest.raises(SSLError):
        put(make(secure.url.replace("127.0.0.1", "localhost")))
    assert not secure.seen


def test_a_bundle_that_is_not_there_is_an_error_that_names_it(
    secure: StrictAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    clients = make_clients(REGION, {"dynamodb": secure.url})
    with pytest.raises(BotoCoreError, match=r"/no/such/bundle\.pem") as caught:
        put(clients)
    assert not is_transient(caught.value)
    clients.close()


@pytest.mark.parametrize("names", [("HTTP_PROXY",), ("http_proxy",)])
def test_what_is_plain_is_forwarded_by_the_proxy(
    aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, names: tuple[str]
) -> None:
    with HttpProxy() as proxy:
        monkeypatch.setenv(names[0], proxy.url)
        put(make(aws.url))
        assert proxy.forwarded == [f"{aws.url}/"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        put(make(aws.url))
    assert proxy.forwarded == [f"{aws.url}/"]
    assert len(aws.seen) == 2


def test_tls_goes_through_a_tunnel_that_knows_the_password(
    secure: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch, ca: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca))
    with HttpProxy(f"Basic {base64.b64encode(b'me:p@ss').decode()}") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@{proxy.address}")
        clients = make(secure.url)
        put(clients)
        put(clients)
        assert proxy.tunnels == [secure.url.removeprefix("https://")]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:wrong@{proxy.address}")
        with pytest.raises(ProxyConnectionError) as caught:
            put(make(secure.url))
    assert "wrong" not in str(caught.value)
    assert not secure.refused
    assert len(secure.seen) == 2


def test_a_proxy_that_is_down_is_named(aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpProxy() as proxy:
        pass
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with pytest.raises(ProxyConnectionError, match=proxy.address):
        put(make(aws.url))
    assert not aws.seen


def test_a_proxy_that_wants_tls_is_left_to_boto3(secure: StrictAws, monkeypatch: pytest.MonkeyPatch, ca: Path) -> None:
    """The tunnel is asked for within TLS: boto3 speaks that, and the call goes its way."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca))
    monkeypatch.setenv("HTTPS_PROXY", "https://127.0.0.1:9")
    clients = make_clients(REGION, {"dynamodb": secure.url})
    with pytest.raises(ProxyConnectionError):
        put(clients)
    clients.close()


def test_an_endpoint_that_is_not_there_is_told_and_may_come_back(make: Make) -> None:
    with StrictAws({}) as aws:
        pass
    with pytest.raises(EndpointConnectionError) as caught:
        put(make(aws.url))
    assert is_transient(caught.value)


@pytest.mark.parametrize("ahead_seconds", [-900.0, 900.0, 86_400.0])
def test_a_clock_that_is_wrong_is_corrected_by_the_services_own(aws: StrictAws, ahead_seconds: float) -> None:
    """Once for the client, not once for each call."""
    aws.clock_ahead_seconds = ahead_seconds
    clients = make_clients(REGION, {"dynamodb": aws.url})
    for _ in range(3):
        put(clients)
    assert aws.refused == ["InvalidSignatureException"]
    assert len(aws.seen) == 3
    aws.clock_ahead_seconds = 0.0
    put(clients)
    assert len(aws.refused) == 2
    clients.close()


def test_a_wrong_secret_is_no_wrong_clock(aws: StrictAws, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(ClientError):
        put(make(aws.url))
    assert len(aws.refused) == 1


def test_what_connects_to_nowhere_is_given_up(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    """A blocked route drops packets: 192.0.2.1 is nobody's address, and a machine may refuse it at once."""
    monkeypatch.setattr("keyshift.aws.clients.CONNECT_SECONDS_MAX", 0.05)
    began = time.monotonic()
    with pytest.raises((ConnectTimeoutError, EndpointConnectionError)):
        put(make("http://192.0.2.1:9"))
    assert time.monotonic() - began < 60


def test_the_settings_choose_the_client(kind: Kind, make: Make, aws: StrictAws) -> None:
    clients: Any = make(aws.url)
    assert isinstance(clients.dynamodb, LeanClient) == isinstance(clients.kinesis, LeanClient) == (kind == "lean")
    assert not isinstance(clients.s3, LeanClient)


def test_an_endpoint_that_is_no_url_is_a_clear_error(make: Make) -> None:
    with pytest.raises(KeyshiftError, match=r"aws\.endpoints"):
        put(make("127.0.0.1:4566"))
