"""The source's password from Secrets Manager, the Parameter Store, or as a token of RDS; read again at each connect."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from keymap.errors import KeyshiftError
from keyshift.aws.clients import Clients, make_clients
from keyshift.aws.passwords import fetch_password
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.mysql.connection import Unreachable, connect, query
from keyshift.process.source import PasswordUnavailable, SourceSettings
from tests.aws.conftest import REGION
from tests.mysql.sources import execute
from tests.servers.aws import unique

RDS = "shop.abc123xyz.eu-central-1.rds.amazonaws.com"


@pytest.fixture
def clients(endpoints: Endpoints) -> Iterator[Clients]:
    clients = make_clients(REGION, {"secretsmanager": endpoints.url, "ssm": endpoints.url})
    yield clients
    clients.close()


def settings(**changed: Any) -> SourceSettings:
    return SourceSettings(**({"host": "db.example", "user": "keyshift"} | changed))


def secret(clients: Clients, text: str) -> str:
    name = unique("keyshift/source")
    clients.secretsmanager.create_secret(Name=name, SecretString=text)
    return name


def refused(clients: Clients, source: SourceSettings) -> KeyshiftError:
    with pytest.raises(KeyshiftError) as caught:
        fetch_password(clients, source)
    assert caught.value.remedy
    assert "s3cret" not in f"{caught.value} {caught.value!r}"
    return caught.value


def test_a_secret_of_text_is_the_password(clients: Clients) -> None:
    assert fetch_password(clients, settings(password_secret=secret(clients, 's3cret-é"'))) == 's3cret-é"'


def test_of_a_secret_of_json_the_key_says_which(clients: Clients) -> None:
    name = secret(clients, '{"username": "keyshift", "password": "s3cret"}')  # as RDS itself keeps it
    arn = clients.secretsmanager.describe_secret(SecretId=name)["ARN"]
    for named in (name, arn):
        assert fetch_password(clients, settings(password_secret=f"{named}#password")) == "s3cret"


def test_a_key_that_is_not_there_or_not_given_is_told_with_the_keys_that_are(clients: Clients) -> None:
    name = secret(clients, '{"username": "keyshift", "password": "s3cret"}')
    assert "password, username" in refused(clients, settings(password_secret=f"{name}#pass")).remedy
    assert f"{name}#KEY" in refused(clients, settings(password_secret=name)).remedy
    text = secret(clients, "s3cret")
    assert "it is not a JSON object" in refused(clients, settings(password_secret=f"{text}#password")).remedy


def test_a_parameter_is_decrypted(clients: Clients) -> None:
    name = f"/{unique('keyshift')}/password"
    clients.ssm.put_parameter(Name=name, Value="s3cret", Type="SecureString")
    assert fetch_password(clients, settings(password_parameter=name)) == "s3cret"


def test_what_is_not_there_is_told_by_its_name(clients: Clients) -> None:
    assert "reading secret gone" in refused(clients, settings(password_secret="gone")).message
    assert "reading parameter /gone" in refused(clients, settings(password_parameter="/gone")).message


def test_a_service_that_does_not_answer_may_be_asked_again_later() -> None:
    nowhere = make_clients(REGION, {"secretsmanager": "http://127.0.0.1:9"})
    source = settings(password_secret="shop")
    with closing(nowhere):
        assert isinstance(refused(nowhere, source), PasswordUnavailable)
        with pytest.raises(Unreachable, match="reading secret shop"):
            connect(source.fetching(partial(fetch_password, nowhere)))


@pytest.mark.parametrize("kind", ["secret", "parameter"])
def test_a_password_that_was_rotated_is_picked_up_at_the_next_connect(
    clients: Clients, database: Database, kind: str
) -> None:
    user, first, second = f"u{secrets.token_hex(4)}", "first-s3cret", "second-s3cret"
    name = unique("keyshift-source")
    if kind == "secret":
        clients.secretsmanager.create_secret(Name=name, SecretString=first)
    else:
        clients.ssm.put_parameter(Name=name, Value=first, Type="SecureString")
    source = settings(
        host=database.host, port=database.port, user=user, tls={"mode": "off"}, **{f"password_{kind}": name}
    ).fetching(partial(fetch_password, clients))
    execute(database, f"CREATE USER '{user}'@'%' IDENTIFIED BY '{first}'")
    try:
        with connect(source) as before:
            assert query(before, "SELECT 1") == [(1,)]
            execute(database, f"ALTER USER '{user}'@'%' IDENTIFIED BY '{second}'")
            with pytest.raises(KeyshiftError, match="refuses the user") as refusal:
                connect(source)
            assert first not in str(refusal.value)
            if kind == "secret":
                clients.secretsmanager.put_secret_value(SecretId=name, SecretString=second)
            else:
                clients.ssm.put_parameter(Name=name, Value=second, Type="SecureString", Overwrite=True)
            with connect(source) as after:
                assert query(after, "SELECT 1") == [(1,)]
    finally:
        execute(database, f"DROP USER '{user}'@'%'")


@pytest.mark.parametrize(
    ("host", "region"),
    [(RDS, "eu-central-1"), ("db.x.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"), ("db.x", REGION)],
)
def test_a_token_is_a_signed_wish_to_connect_as_this_user_to_this_server(
    clients: Clients, host: str, region: str
) -> None:
    """As RDS reads it: no scheme, the action and the user, a signature for `rds-db` in the server's region."""
    token = fetch_password(clients, settings(host=host, port=3307, auth="iam"))
    url = urlsplit(f"https://{token}")
    fields = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.netloc, url.path) == (f"{host}:3307", "/")
    assert (fields["Action"], fields["DBUser"], fields["X-Amz-Expires"]) == ("connect", "keyshift", "900")
    key, _, *scope = fields["X-Amz-Credential"].split("/")
    assert (key, scope) == ("demo", [region, "rds-db", "aws4_request"])
    assert len(fields["X-Amz-Signature"]) == 64


def test_no_token_can_be_signed_without_credentials(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = refused(clients, settings(auth="iam"))
    assert "signing a token" in error.message
    assert not isinstance(error, PasswordUnavailable)
