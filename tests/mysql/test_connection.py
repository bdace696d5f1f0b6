"""Connections: what a session is set to, and what a person is told when there is none."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from pydantic import SecretStr

from keymap.errors import KeyshiftError
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import (
    Connection,
    MySQLError,
    Unreachable,
    Untrusted,
    _refusal,
    connect,
    connection_settings,
    denials_named,
    error_number,
    is_lost,
    query,
)
from keyshift.process.source import SourceSettings, TlsSettings
from tests.mysql.fake_rds import FakeRds
from tests.mysql.sources import execute, source_of
from tests.mysql.test_preflight_live import server
from tests.servers.certificates import make_certificates

SECRET = "s3cr3t-&'\"-é密"


def test_a_session_is_set_as_reading_needs_it(connection: Connection) -> None:
    ((zone, charset, mode),) = query(connection, "SELECT @@time_zone, @@character_set_results, @@sql_mode")
    assert (zone, charset) == ("+00:00", "utf8mb4")
    assert set(mode.split(",")) == {"NO_ENGINE_SUBSTITUTION", "ALLOW_INVALID_DATES"}
    names = "'transaction_isolation', 'tx_isolation'"  # the second is MariaDB's
    variables = query(connection, f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
    assert {value for _, value in variables} == {"READ-COMMITTED"}
    assert query(connection, "SELECT @@autocommit") == [(1,)]


def test_dates_and_times_come_as_text(connection: Connection) -> None:
    statement = "SELECT CAST('2024-02-29' AS DATE), CAST('2024-01-01' AS DATETIME(3)), CAST('-25:00:01' AS TIME)"
    assert query(connection, statement) == [("2024-02-29", "2024-01-01 00:00:00.000", "-25:00:01")]


def test_a_percent_sign_is_itself_unless_there_are_arguments(connection: Connection) -> None:
    assert query(connection, "SELECT '%s'") == [("%s",)]
    assert query(connection, "SELECT %s, '%%'", ["x%"]) == [("x%", "%")]


def refused(source: SourceSettings) -> KeyshiftError:
    with pytest.raises(KeyshiftError) as caught:
        connect(source)
    assert SECRET not in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_wrong_credentials_are_told_with_the_place_and_never_with_the_password(database: Database) -> None:
    error = refused(source_of(database, password=SecretStr(SECRET)))
    assert f"127.0.0.1:{database.port} refuses the user 'root'" in error.message
    assert not isinstance(error, Unreachable)


def test_a_host_where_nobody_listens_may_be_tried_again(database: Database) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = refused(source_of(database, port=unused.getsockname()[1]))
    assert isinstance(error, Unreachable)
    assert "cannot be reached" in error.message


def test_an_unknown_host_and_an_unknown_database_are_told(database: Database) -> None:
    assert "no-such-host.invalid:" in refused(source_of(database, host="no-such-host.invalid")).message
    with pytest.raises(KeyshiftError, match="has no such database"):
        connect(source_of(database), database="gone")


def test_any_password_is_understood(database: Database, schema: str) -> None:
    user = f"u{schema[-8:]}"
    with database.connect() as root, root.cursor() as cursor:
        cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (user, SECRET))
    connect(source_of(database, user=user, password=SecretStr(SECRET))).close()
    execute(database, f"DROP USER '{user}'@'%'")


def test_a_lost_connection_is_told_from_a_wrong_statement(database: Database, source: SourceSettings) -> None:
    connection = connect(source)
    with pytest.raises(MySQLError) as wrong:
        query(connection, "SELECT nonsense")
    assert (error_number(wrong.value), is_lost(wrong.value)) == (1054, False)
    ((number,),) = query(connection, "SELECT CONNECTION_ID()")
    execute(database, f"KILL {number}")
    for _ in range(2):  # the loss itself, then the use of what is lost
        with pytest.raises(MySQLError) as lost:
            query(connection, "SELECT 1")
        assert is_lost(lost.value)


def test_the_binlog_readers_settings_are_a_dict_of_its_own(source: SourceSettings) -> None:
    first = connection_settings(source)
    first.clear()
    assert connection_settings(source)["user"] == source.user


# TLS. A server of its own, with a certificate for 127.0.0.1 that our own authority signed.


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of our authority; beside it lie the server's key and certificate."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(servers: str, ca: Path) -> Iterator[Database]:
    """A server with TLS."""
    options = (f"--ssl-ca={ca}", f"--ssl-cert={ca.parent / 'cert.pem'}", f"--ssl-key={ca.parent / 'key.pem'}")
    with server(servers.partition("+")[0], *options) as database:
        yield database


def cipher(source: SourceSettings) -> str:
    connection = connect(source)
    ((_, name),) = query(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    connection.close()
    return str(name)


def test_a_certificate_of_a_trusted_authority_is_accepted(secure: Database, ca: Path) -> None:
    assert cipher(source_of(secure, tls=TlsSettings(mode="verify", ca=ca)))


def test_required_encrypts_without_trust_and_off_does_not(secure: Database) -> None:
    assert cipher(source_of(secure, tls=TlsSettings(mode="required")))
    assert not cipher(source_of(secure, tls=TlsSettings(mode="off")))


def test_an_unknown_authority_is_refused(secure: Database) -> None:
    error = refused(source_of(secure, tls=TlsSettings(mode="verify")))
    assert "is not trusted" in error.message
    assert "source.tls.ca" in error.remedy
    assert not isinstance(error, Unreachable)


def test_a_replicas_connection_is_told_of_it_in_the_same_words(secure: Database) -> None:
    """Where a certificate is changed while capture runs, its next connection is the first to see that."""
    source = source_of(secure, tls=TlsSettings(mode="verify"))
    with pytest.raises(Untrusted) as named, denials_named(source):
        pymysql.connect(**connection_settings(source))
    first = refused(source)
    assert (named.value.message, named.value.remedy) == (first.message, first.remedy)


def test_a_handshake_that_is_cut_off_is_a_lost_connection_and_no_matter_of_trust(secure: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=lambda: listener.accept()[0].close())  # noqa: PLW0108 - accept waits
        closing.start()
        source = source_of(secure, port=listener.getsockname()[1], tls=TlsSettings(mode="verify"))
        with pytest.raises(MySQLError) as lost, denials_named(source):
            pymysql.connect(**connection_settings(source))
        closing.join()
    assert is_lost(lost.value)


def test_a_certificate_for_another_name_is_refused(secure: Database, ca: Path) -> None:
    assert "is not trusted" in refused(source_of(secure, host="localhost", tls=TlsSettings(ca=ca))).message


def test_a_ca_file_that_is_none_is_told(secure: Database, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "absent.pem"):
        error = refused(source_of(secure, tls=TlsSettings(ca=tmp_path / name)))
        assert f"{name} (source.tls.ca) cannot be used" in error.message


def test_a_server_without_tls_is_refused_before_the_password_is_sent(servers: str) -> None:
    options = ("--skip-ssl",) if servers.startswith("mariadb") else ("--tls-version=",)
    with server(servers.partition("+")[0], *options) as database:
        for mode in ("required", "verify"):
            error = refused(source_of(database, tls={"mode": mode}))
            assert f"does not offer TLS, which source.tls.mode={mode} demands" in error.message


def test_a_server_that_wants_tls_says_so(secure: Database) -> None:
    execute(secure, "SET GLOBAL require_secure_transport = ON")
    try:
        assert "TLS" in str(refused(source_of(secure)))  # MariaDB says no more than "access denied"
    finally:
        with connect(source_of(secure, tls=TlsSettings(mode="required"))) as connection:
            query(connection, "SET GLOBAL require_secure_transport = OFF")


@pytest.mark.parametrize(
    "host", ["shop.abc123.eu-central-1.rds.amazonaws.com", "SHOP.x.rds.cn-north-1.amazonaws.com.cn"]
)
def test_an_untrusted_certificate_of_rds_names_amazons_bundle(host: str) -> None:
    untrusted = ssl.SSLCertVerificationError(1, "unable to get local issuer certificate")
    untrusted.verify_message = "unable to get local issuer certificate"
    source = SourceSettings(host=host, user="keyshift", password=SecretStr(SECRET))
    remedy = _refusal(untrusted, source).remedy
    assert "global-bundle.pem" in remedy
    assert "source.tls.ca" in remedy


def iam(port: int, ca: Path, token: str) -> SourceSettings:
    source = SourceSettings(host="127.0.0.1", port=port, user="keyshift", auth="iam", tls=TlsSettings(ca=ca))
    return source.fetching(lambda _source: token)


def test_a_token_of_rds_goes_in_clear_within_tls(ca: Path) -> None:
    tokens = [f"127.0.0.1:3306/?Action=connect&X-Amz-Signature={'0' * 64}{number}" for number in range(2)]
    with FakeRds(ca.parent) as rds:
        for token in tokens:  # one of its own for each connection
            connect(iam(rds.port, ca, token)).close()
    assert rds.tokens == [f"{token}\0".encode() for token in tokens]


def test_a_token_that_is_refused_is_never_shown(ca: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FakeRds(ca.parent, accept=False) as rds:
        error = refused(iam(rds.port, ca, SECRET))
    assert "AWSAuthenticationPlugin" in error.remedy
    assert SECRET not in f"{error!r} {error.__cause__!r} {caplog.text}"


def test_a_token_is_not_sent_to_a_server_that_is_not_trusted(ca: Path) -> None:
    with FakeRds(ca.parent) as rds:
        source = SourceSettings(host="127.0.0.1", port=rds.port, user="keyshift", auth="iam")
        assert "is not trusted" in refused(source.fetching(lambda _source: SECRET)).message
    assert rds.tokens == []


def test_no_password_goes_in_clear_without_tls_whatever_the_server_asks(ca: Path) -> None:
    """PyMySQL would send it to anybody who answers in the server's place."""
    with FakeRds(ca.parent, tls=False) as anybody:
        off = TlsSettings(mode="off")
        source = SourceSettings(host="127.0.0.1", port=anybody.port, user="x", password=SecretStr(SECRET), tls=off)
        assert "asks for the password in clear" in refused(source).message
    assert anybody.tokens in ([], [b""])  # nothing, and then the end
