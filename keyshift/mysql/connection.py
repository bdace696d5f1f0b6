"""Connections that read values in one agreed shape, and errors that say what to do: the door to PyMySQL.

Every session speaks utf8mb4, lives in UTC and reads committed rows, whatever the server's defaults are, so that a value
means the same on every connection. Dates and times come as MySQL's own text: it keeps what Python's types cannot hold
(zero dates, 838 hours). A connection that could not be made raises a KeyshiftError with a remedy; what fails on an open
connection raises PyMySQL's own MySQLError, and `is_lost` tells whether a new connection may help.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pymysql
from pymysql import MySQLError
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions

from keymap.errors import KeyshiftError
from keyshift.process.source import PasswordUnavailable, SourceSettings

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    Connection = pymysql.Connection[Cursor]
else:
    Connection = pymysql.Connection

__all__ = [
    "Connection",
    "Denied",
    "MySQLError",
    "StillReader",
    "Unreachable",
    "Untrusted",
    "connect",
    "connection_settings",
    "denials_named",
    "error_number",
    "is_lost",
    "query",
]

Result = list[tuple[Any, ...]]

_TEMPORAL = (FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME)
_CONVERSIONS = {key: value for key, value in conversions.items() if key not in _TEMPORAL}
# Only what reading needs: no mode that pads CHAR, changes quoting or refuses the zero and invalid dates of old rows,
# which are compared as keys.
_SQL_MODE = "NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES"

_LOST = frozenset({2006, 2013, 2014, 2055, 1053, 1158, 1159, 1160, 1161, 1077, 1927, 4031, 0})
_DENIED = frozenset({1044, 1045, 1698, 1130, 1862, 3118, 3955, 1820})
_TLS_WANTED = 3159  # the server has require_secure_transport=ON
_TLS_ERROR = 2026
_UNKNOWN_DATABASE = 1049


class Unreachable(KeyshiftError):
    """No connection for now: the host, the network or a server that is starting. Trying again later is right."""


class Denied(KeyshiftError):
    """The server refuses the user or the password. A person must mend it, unless the password is being rotated."""


class Untrusted(Denied):
    """One side does not trust the other, or wants TLS and does not get it. A person must mend it.

    A name that has just been given to another server may pass such a moment, so it is tried as long as a password is.
    """


class StillReader(Denied):
    """The name leads to a reader of an Aurora cluster, as it may for a minute when another instance takes over."""


def connect(source: SourceSettings, *, autocommit: bool = True, database: str | None = None) -> Connection:
    """A new connection: utf8mb4, time zone UTC, READ COMMITTED, plain SQL mode, TLS as the settings say.

    Raises Unreachable where a later try may succeed, Denied for wrong credentials, KeyshiftError for what else only a
    person can mend (TLS, database). None shows a secret.
    """
    arguments = connection_settings(source)
    try:
        connection = pymysql.connect(**arguments, conv=_CONVERSIONS, autocommit=autocommit, database=database)
    except (MySQLError, OSError, RuntimeError) as error:
        raise _refusal(error, source) from error
    try:
        query(connection, f"SET SESSION time_zone = '+00:00', sql_mode = '{_SQL_MODE}', sql_quote_show_create = 1")
        query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    except MySQLError as error:
        connection.close()
        raise _refusal(error, source) from error
    return connection


@contextmanager
def denials_named(source: SourceSettings) -> Iterator[None]:
    """Raise Denied, as `connect` does, where a connection that is made by other means is refused like this.

    Of TLS only what says that one side does not trust or want it: a handshake that is cut off is a lost connection.
    """
    try:
        yield
    except (MySQLError, OSError) as error:
        refusal = _refusal(error, source)
        if isinstance(refusal, Denied):
            raise refusal from error
        raise


def connection_settings(source: SourceSettings) -> dict[str, Any]:
    """PyMySQL's arguments for this source, also for the binlog reader's own connection. A new dict each time.

    It holds the password (read again, so that a rotated one is picked up): never log it. Raises KeyshiftError where
    the password cannot be had, Unreachable where it may be had later.
    """
    settings: dict[str, Any] = {
        "host": source.host,
        "port": source.port,
        "user": source.user,
        "password": _password(source).encode(),  # PyMySQL would take text as latin1
        "charset": "utf8mb4",
        "connect_timeout": source.connect_timeout_seconds,
        "read_timeout": source.read_timeout_seconds,
        "write_timeout": source.read_timeout_seconds,
    }
    if source.tls.mode == "off":
        return settings | {"ssl_disabled": True, "auth_plugin_map": {"mysql_clear_password": _NeverInClear}}
    return settings | {"ssl": _tls_context(source)}


class _NeverInClear:
    """In the place of PyMySQL's plugin, which does what any server, or whoever answers in its place, asks for."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> NoReturn:
        message = "the source asks for the password in clear, and source.tls.mode is off"
        raise KeyshiftError(message, "Set source.tls.mode to verify")


def _password(source: SourceSettings) -> str:
    try:
        return source.fresh_password().get_secret_value()
    except PasswordUnavailable as error:
        raise Unreachable(error.message, error.remedy) from error


def _tls_context(source: SourceSettings) -> ssl.SSLContext:
    tls = source.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError) as error:
        message = f"the CA file {tls.ca} ({source.section}.tls.ca) cannot be used: {error.strerror or 'not PEM'}"
        raise KeyshiftError(message, "Give a readable file with certificates in PEM format") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates that MySQL makes itself lack newer extensions
    if tls.mode == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def query(connection: Connection, statement: str, arguments: Sequence[object] | None = None) -> Result:
    """All rows of one statement. `arguments` replace %s; without them a % in the statement means itself."""
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def error_number(error: BaseException) -> int:
    """The server's or PyMySQL's error number; 0 where there is none."""
    number = error.args[0] if isinstance(error, MySQLError) and error.args else 0
    return number if isinstance(number, int) else 0


def is_lost(error: BaseException) -> bool:
    """Whether the connection itself is gone or unusable, so that the same work on a new one may succeed."""
    if isinstance(error, pymysql.err.ProgrammingError | pymysql.err.IntegrityError | pymysql.err.DataError):
        return False
    return isinstance(error, MySQLError) and error_number(error) in _LOST


def _refusal(error: Exception, source: SourceSettings) -> KeyshiftError:
    place, mode = f"MySQL at {source.host}:{source.port}", f"{source.section}.tls.mode"
    number = error_number(error)
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLError):
        return _tls_refusal(cause, place, source)
    if number == _TLS_ERROR:
        remedy = f"Give the server a certificate, or set {mode} to off where the network itself is trusted"
        return Untrusted(f"{place} does not offer TLS, which {mode}={source.tls.mode} demands", remedy)
    if number == _TLS_WANTED:
        return Untrusted(f"{place} accepts TLS only", f"Set {mode} to verify or required")
    if number in _DENIED:
        remedy = f"Check {source.section}.user and the password, and that the user may log in from this host"
        if source.tls.mode == "off":
            remedy += f", or set {mode}: it is off, and a user or server that demands TLS may refuse like this"
        if source.auth == "iam":
            remedy = _REMEDY_IAM
        return Denied(f"{place} refuses the user {source.user!r} (error {number})", remedy)
    if number == _UNKNOWN_DATABASE:
        return KeyshiftError(f"{place} has no such database (error {number})", "Check the names in the keymap")
    reason = error.args[1] if len(error.args) > 1 else str(error)
    names = f"{source.section}.host and {source.section}.port"
    remedy = f"Check {names}, that the server runs, and that a firewall lets this host through"
    return Unreachable(f"{place} cannot be reached: {reason}", remedy)


_REMEDY_IAM = (
    "Check that IAM authentication is on at the instance, that the user was made with AWSAuthenticationPlugin, that "
    "this host may rds-db:connect as it, and that source.host is the instance's own name (docs/permissions.md)"
)
_RDS_HOST = re.compile(r"\.rds(\.cn-[a-z0-9-]+)?\.amazonaws\.com(\.cn)?\Z", re.IGNORECASE)
_RDS_CA = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"  # not among any system's authorities


def _tls_refusal(cause: ssl.SSLError, place: str, source: SourceSettings) -> KeyshiftError:
    section = source.section
    if isinstance(cause, ssl.SSLCertVerificationError):
        remedy = (
            f"Give the CA that signed it as {section}.tls.ca, use the name in the certificate as {section}.host, "
            f"or set {section}.tls.mode to required (encrypted, unchecked)"
        )
        if _RDS_HOST.search(source.host.rstrip(".")):
            remedy = f"Download Amazon's CA bundle (curl -O {_RDS_CA}), and set {section}.tls.ca to global-bundle.pem"
        return Untrusted(f"the certificate of {place} is not trusted: {cause.verify_message}", remedy)
    remedy = f"Check the server's TLS versions, or set {section}.tls.mode"
    return KeyshiftError(f"TLS with {place} failed ({section}.tls.mode={source.tls.mode}): {cause.reason}", remedy)
