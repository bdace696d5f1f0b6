"""What servers say of their strain: statements that run, lag of a replica that lags, stands still, or is none."""

import secrets
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from keymap.errors import Problems
from keyshift.cli.demo.database import Database
from keyshift.mysql.connection import Connection, connect
from keyshift.mysql.strain import Lag, Replicas, read_lag, read_own_lag, read_threads_running, replicates
from tests.cdc.pair import two_servers
from tests.cli.running import until
from tests.mysql.replication import delay, replicate
from tests.mysql.sources import execute, source_of
from tests.mysql.test_permissions import documented


@pytest.fixture(scope="module")
def pair(servers: str) -> Iterator[tuple[Database, Database]]:
    """A source and a replica that follows it."""
    with two_servers(servers.partition("+")[0]) as (source, replica):
        replicate(source, replica)
        yield source, replica


@pytest.fixture
def behind(pair: tuple[Database, Database]) -> Iterator[Connection]:
    """A connection to the replica."""
    with connect(source_of(pair[1])) as connection:
        yield connection


STOP = {"mysql": "STOP REPLICA", "mariadb": "STOP SLAVE"}
START = {"mysql": "START REPLICA", "mariadb": "START SLAVE"}


def test_a_replica_says_how_far_it_is_behind(pair: tuple[Database, Database], behind: Connection) -> None:
    source, replica = pair
    until(lambda: read_lag(behind, "r") == Lag("r", 0))
    delay(replica, 3600)
    execute(source, "CREATE DATABASE later")
    until(lambda: seconds_behind(behind) > 0)
    assert (read_own_lag(behind, "the source") or Lag("", 0)).server == "the source"
    delay(replica, 0)
    until(lambda: read_lag(behind, "r") == Lag("r", 0))


def seconds_behind(connection: Connection) -> int:
    lag = read_lag(connection, "r")
    return (lag and lag.seconds) or 0


def test_a_replica_that_stands_still_does_not_know_and_a_source_that_was_one_counts_not(
    pair: tuple[Database, Database], behind: Connection
) -> None:
    execute(pair[1], STOP[pair[1].flavour])
    assert read_lag(behind, "r") == Lag("r", None, "it does not replicate (receiver: No, applier: No)")
    assert read_own_lag(behind, "the source") is None
    execute(pair[1], START[pair[1].flavour])
    until(lambda: read_lag(behind, "r") == Lag("r", 0))


def test_a_server_that_follows_none_has_no_lag(pair: tuple[Database, Database]) -> None:
    with connect(source_of(pair[0])) as connection:
        assert replicates(connection) is False
        assert read_lag(connection, "r") is None
        assert read_threads_running(connection) >= 1


def test_the_documented_grants_are_enough_at_a_replica_and_without_them_it_is_told(
    pair: tuple[Database, Database],
) -> None:
    source, replica = pair
    user = f"u{secrets.token_hex(4)}"
    create, grants = documented(source.flavour, user, "shop")
    execute(source, create, *grants)
    until(lambda: can_log_in(replica, user))
    settings = source_of(source, user=user, password=SecretStr("pw"))
    with Replicas(settings, [(replica.host, replica.port)]) as replicas:
        assert [lag.server for lag in replicas.lags()] == [f"{replica.host}:{replica.port}"]
    privilege = {"mysql": "REPLICATION CLIENT", "mariadb": "SLAVE MONITOR"}[source.flavour]
    execute(source, f"REVOKE {privilege} ON *.* FROM '{user}'@'%'")
    until(lambda: cannot_ask(replica, user))
    with pytest.raises(Problems, match=privilege), Replicas(settings, [(replica.host, replica.port)]):
        pass


def can_log_in(server: Database, user: str) -> bool:
    try:
        connect(source_of(server, user=user, password=SecretStr("pw"))).close()
    except Exception:  # noqa: BLE001 - whatever the reason is that it is not there yet
        return False
    return True


def cannot_ask(server: Database, user: str) -> bool:
    with connect(source_of(server, user=user, password=SecretStr("pw"))) as connection:
        return replicates(connection) is None


def test_a_replica_that_goes_away_has_no_figure_until_it_is_back(pair: tuple[Database, Database]) -> None:
    source, replica = pair
    with Replicas(source_of(source), [(replica.host, replica.port)]) as replicas:
        execute(replica, *kills(replica))
        (lag,) = replicas.lags()
        assert (lag.seconds, lag.reason) == (None, "its connection was lost")
        until(lambda: replicas.lags() == [Lag(f"{replica.host}:{replica.port}", 0)])


def kills(server: Database) -> list[str]:
    """Statements that end every other client's connection."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE command = 'Sleep'")
        return [f"KILL {number}" for (number,) in cursor.fetchall()]
