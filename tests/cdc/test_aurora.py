"""An Aurora cluster's fail-over: for a minute its writer endpoint may lead to the former writer, a reader by then."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

import cdc.begin
import cdc.look
import cdc.parts
import cdc.reader
from keyshift.mysql.connection import Connection, StillReader
from keyshift.mysql.facts import ServerFacts, read_facts
from keyshift.process.settings import Settings
from keyshift.process.source import SourceSettings
from tests.cdc.test_daemon import cut_off, started
from tests.cdc.world import World


class FailingOver:
    """An Aurora cluster whose writer endpoint leads, while `leads_to_reader`, to what was the writer before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leads_to_reader, self.looks = False, 0
        for module in (cdc.look, cdc.begin):
            monkeypatch.setattr(module, "read_facts", self.facts)

    def facts(self, connection: Connection) -> ServerFacts:
        facts = read_facts(connection)
        if not self.leads_to_reader:
            return facts
        self.looks += 1
        return replace(facts, variables={**facts.variables, "aurora_version": "3.08.0", "innodb_read_only": "ON"})


def test_a_name_that_still_leads_to_the_former_writer_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the connection is lost, and again when a daemon is started just then."""
    user = f"u{world.schema[-8:]}"
    world.execute(f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT ALL ON *.* TO {user}")
    world.settings = with_user(world, user)
    cluster = FailingOver(monkeypatch)
    with started(world):
        cluster.leads_to_reader = True
        cut_off(world, user)
        world.wait_until(lambda: cluster.looks > 2, "a third look")
        world.execute("INSERT INTO orders VALUES (1, 1, 'new', 1)")
        cluster.leads_to_reader = False
        world.wait_caught_up()
    world.execute("INSERT INTO orders VALUES (2, 1, 'new', 1)")
    cluster.leads_to_reader, cluster.looks = True, 0
    with world.daemon():
        world.wait_until(lambda: cluster.looks > 2, "a third look")
        cluster.leads_to_reader = False
        world.wait_caught_up()
    assert world.errors == []
    world.require_same()
    world.execute(f"DROP USER {user}")


def test_a_name_that_stays_with_a_reader_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = f"u{world.schema[-8:]}"
    world.execute(f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT ALL ON *.* TO {user}")
    world.settings = with_user(world, user)
    for module in (cdc.parts, cdc.reader):
        monkeypatch.setattr(module, "DENIALS_MAX", 2)
    cluster = FailingOver(monkeypatch)
    with started(world):
        cluster.leads_to_reader = True
        cut_off(world, user)
        world.wait_until_failed()
    (lost,) = world.errors
    world.errors.clear()
    with world.daemon():
        world.wait_until_failed()
    for error in (lost, *world.errors):
        assert isinstance(error, StillReader)
        assert "writer endpoint" in error.remedy
    world.execute(f"DROP USER {user}")


def with_user(world: World, user: str) -> Settings:
    source = world.settings.source
    found = SourceSettings(host=source.host, port=source.port, user=user, password=SecretStr("x"), tls=source.tls)
    return world.settings.model_copy(update={"source": found})
