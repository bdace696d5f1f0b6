"""The load through imports from S3: the same items, once and whole, whoever dies or sleeps; or it says what is wrong.

The service stands before the endpoints under test (tests/servers/import_service.py), so both pairs of servers show it.
"""

import gzip
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkload.load.run import LoadReport
from keymap.errors import KeyshiftError, Problems
from keymap.targets import Index, KeyAttribute
from keyshift.aws.clients import make_clients
from keyshift.aws.resources import delete_table, ensure_table
from keyshift.control.chunks import ChunkState, chunks
from keyshift.control.imports import IMPORT_PREFIX, ImportState, read_imports
from keyshift.control.lease import LOAD
from keyshift.control.migration import Resource
from keyshift.control.migration import load as migration_of
from keyshift.control.phase import Phase
from keyshift.control.progress import progress
from keyshift.process.sections import AwsSettings, EndpointSettings
from tests.bulkload.mortal import Fuse, Killed, Mortal
from tests.bulkload.test_death import CALM
from tests.bulkload.test_load import rejects
from tests.bulkload.test_signals import SECONDS_MAX, Prey, child, settings_file
from tests.bulkload.world import World, another, with_bulkload
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.import_service import ImportService

WRITES = ("put_object", "update_item", "transact_write_items", "import_table", "create_table", "tag_resource")
IMPORT_STATE = ("state", "attempt", "arn")


@pytest.fixture
def service(world: World, dynamodb: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> ImportService:
    found = ImportService(world.settings.aws.endpoints.urls["dynamodb"], world.settings.aws.endpoints.urls["s3"])
    dynamodb.rules = found.rules
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", dynamodb.url)
    monkeypatch.setenv("KEYSHIFT_BULKLOAD__ENGINE", "import")  # of processes of their own
    return found


@pytest.fixture
def shop(world: World, service: ImportService, dynamodb: FaultProxy) -> Iterator[World]:
    """The shop as it is with this engine: dumped, and no target table is there. One of them will have no items."""
    assert service.rules
    world.execute("DELETE FROM tag WHERE name < 'zz'", "INSERT INTO purchase VALUES (3, 1, 1, 7), (3, 1, 2, 8)")
    assert world.dump(chunk_rows=20).complete
    remove_tables(world)
    endpoints = EndpointSettings(**{**world.settings.aws.endpoints.urls, "dynamodb": dynamodb.url})
    settings = world.settings.model_copy(update={"aws": AwsSettings(region="us-east-1", endpoints=endpoints)})
    clients = make_clients("us-east-1", endpoints.urls)
    yield replace(world, settings=with_bulkload(settings, engine="import"), clients=clients)
    clients.close()


def remove_tables(world: World) -> None:
    for table in world.keymap.targets:
        delete_table(world.clients.dynamodb, table)


def files(world: World) -> list[str]:
    return [name for name in world.objects() if name.endswith(".json.gz")]


def states(world: World) -> set[str]:
    return {chunk.state for table in world.migration.tables for chunk in chunks(world.store, table)}


def test_rows_come_in_by_imports_and_replay_opens(shop: World, service: ImportService) -> None:
    told: list[tuple[str, int, int, str]] = []
    report = shop.load(progress=lambda *one: told.append(one))
    assert report == LoadReport(2, 17, 4 + 6, complete=True)
    assert shop.stored() == shop.expected()
    assert shop.phase() is Phase.REPLAY
    assert {(one.items, one.state) for one in read_imports(shop.store).values()} == {
        (count, ImportState.DONE) for count in (4, 6, 0)
    }
    assert len(service.requests) == 2
    assert len(files(shop)) == 2
    assert {Resource("table", name) for name in shop.keymap.targets} <= set(migration_of(shop.store).created)
    assert (shop.target("app"), 6, 6, "items") in told
    assert shop.load() == LoadReport(0, 0, 0, complete=True)
    assert len(service.requests) == 2


def test_loads_that_die_at_any_call_come_to_an_end_together(
    shop: World, service: ImportService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on from what the one before has recorded, dies at a later write, and begins no import anew."""
    monkeypatch.setattr("keyshift.aws.hold.guard_sends", lambda *_: None)  # each would stay on the clients of them all
    at, deaths, known = 1, 0, recorded(shop)
    while True:
        try:
            fuse = Fuse(at, WRITES)
            shop.load(Mortal(shop.clients, fuse), Kept(shop.clients, fuse), lease_seconds=CALM)
        except Killed:
            deaths, before, known = deaths + 1, known, recorded(shop)
            at = at + 1 if known == before else 1
            shop.free(LOAD)
        else:
            break
    assert deaths > 30
    assert len(service.requests) == 2
    assert shop.stored() == shop.expected()
    assert shop.phase() is Phase.REPLAY
    assert states(shop) == {ChunkState.LOADED}


def recorded(world: World) -> list[Any]:
    """What the control table has of imports, chunks and the phase."""
    names = (*IMPORT_STATE, "phase")
    return [
        (record.item, [record.text(name) for name in names])
        for prefix in (IMPORT_PREFIX, "chunk#", "phase")
        for record in world.store.query(prefix, names=names)
    ]


class Kept(Mortal):
    """Clients for more than one load."""

    def close(self) -> None:
        """Others go on with them."""


def forget(world: World) -> None:
    """Back to where nothing was loaded."""
    world.store.update("phase", {"phase": Phase.LOAD.value}, {})
    for record in list(world.store.query("chunk#")):
        world.store.update(record.item, {"state": "dumped"}, {})
    world.store.delete([record.item for record in world.store.query(IMPORT_PREFIX)])
    remove_tables(world)


def test_an_answer_that_is_lost_is_not_asked_for_twice(shop: World, service: ImportService) -> None:
    """Neither where the service knows the token, nor where it only finds the table, and lists the import late."""
    service.lose = 1
    shop.load()
    assert len(service.requests) == 2
    forget(shop)
    service.forgetful, service.lose, service.unlisted = True, 1, 1
    shop.load()
    assert len(service.requests) == 4
    assert shop.stored() == shop.expected()


def test_a_table_that_is_there_is_named_and_nothing_is_written(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = shop.keymap.targets[shop.target("app")]
    ensure_table(shop.clients.dynamodb, app, "somebody")
    with pytest.raises(Problems, match=r"table \S+-app: it is there already, and an import only makes new tables"):
        shop.load()
    assert not files(shop)
    delete_table(shop.clients.dynamodb, app.name)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bulkload.imports.ask.start_import", killed)
        with pytest.raises(Killed):
            shop.load()
    monkeypatch.setattr("bulkload.imports.ask.LISTED_SECONDS_MAX", 0)
    for target in shop.keymap.targets.values():  # somebody is faster than the request
        ensure_table(shop.clients.dynamodb, target, "somebody")
    with pytest.raises(Problems, match="it is there already"):
        shop.load()
    assert states(shop) == {ChunkState.DUMPED}
    assert not [one for one in migration_of(shop.store).created if one.kind == "table"]


def killed(*_arguments: object) -> None:
    raise Killed


def test_an_import_that_fails_is_told_with_its_reason_and_asked_for_again_without_its_table(
    shop: World, service: ImportService
) -> None:
    service.fails = ["S3AccessDenied"]
    for _ in range(2):  # the same again, as long as the table of it is there
        with pytest.raises(Problems) as caught:
            shop.load()
        (problem,) = caught.value.problems
        assert "ended as FAILED (S3AccessDenied: Some of it failed" in problem.what
        assert f"aws dynamodb delete-table --table-name {problem.where.removeprefix('table ')}" in problem.remedy
    assert len(service.requests) == 2
    assert states(shop) == {ChunkState.DUMPED}
    assert shop.phase() is Phase.LOAD
    with pytest.raises(KeyshiftError, match=r"an import from S3 was begun into \S+, and is not recorded as done"):
        shop.load(engine="local")
    before = files(shop)
    delete_table(shop.clients.dynamodb, problem.where.removeprefix("table "))
    assert shop.load().complete
    assert files(shop) == before
    assert len({request["ClientToken"] for request in service.requests}) == 3
    assert shop.stored() == shop.expected()


def rewritten(world: World, change: Callable[[list[Any]], list[Any]]) -> Callable[[str], None]:
    """What comes between writing a file and importing it: the file has other items then."""

    def rewrite(key: str) -> None:
        bucket, s3 = world.settings.bucket.name, world.clients.s3
        lines = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).splitlines()
        items = change([json.loads(line)["Item"] for line in lines])
        data = b"".join(json.dumps({"Item": item}).encode() + b"\n" for item in items)
        s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(data))

    return rewrite


def test_items_that_are_refused_are_named_by_their_keys_with_the_reasons(shop: World, service: ImportService) -> None:
    def spoil(items: list[Any]) -> list[Any]:
        if "pk" in items[0]:
            items[2]["note"] = {"S": "secret" * 80_000}
            del items[4]["sk"]
        return items

    service.before = rewritten(shop, spoil)
    with pytest.raises(Problems) as caught:
        shop.load()
    (problem,) = caught.value.problems
    assert problem.where == f"table {shop.target('app')}"
    assert "6 items were written, 6 read, 4 imported, with 2 errors" in problem.what
    assert f"table {shop.target('app')} item (pk=CUSTOMER#" in problem.what
    assert "item 4 of keyshift/" in problem.what
    assert "secret" not in problem.what
    assert "keyshift destroy" in problem.remedy
    assert states(shop) == {ChunkState.DUMPED}


def test_an_import_of_fewer_items_than_were_written_is_no_success(shop: World, service: ImportService) -> None:
    service.before = rewritten(shop, lambda items: items[1:])
    with pytest.raises(Problems, match="ended as COMPLETED; 4 items were written, 3 read, 3 imported"):
        shop.load()
    assert shop.phase() is Phase.LOAD


@pytest.mark.parametrize("at", ["PUT", "TransactWriteItems"])
def test_a_loader_that_slept_while_another_took_over_starts_no_import_and_records_nothing(  # noqa: PLR0917 - fixtures
    shop: World,
    service: ImportService,
    dynamodb: FaultProxy,
    s3: FaultProxy,
    tmp_path: Path,
    at: str,
) -> None:
    """Neither while it writes its files, nor with an import recorded that it is about to ask for."""
    prey = Prey()
    if at == "PUT":
        s3.rules = (Rule(prey.shoot(signal.SIGSTOP, done=False), (at,), times=1),)
    else:  # it has taken the lease, recorded the files of three tables, that the first is ours, and that it asks for it
        dynamodb.rules = (Rule(prey.shoot(signal.SIGSTOP, done=True), (at,), skip=5, times=1), *service.rules)
    with child("load", settings_file(shop, tmp_path, dynamodb=dynamodb.url, s3=s3.url), prey) as process:
        assert prey.hit.wait(SECONDS_MAX)
        assert shop.load(lease_seconds=1, signature_validity_seconds=1).complete
        before = list(shop.store.query(""))
        begun = len(service.requests)
        remove_tables(shop)  # so that nothing but the lease stands in the way of another import
        os.kill(process.pid, signal.SIGCONT)
        _, errors = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 1
    assert "no longer holds the lease" in errors
    assert len(service.requests) == begun
    assert list(shop.store.query("")) == before


def test_rows_that_cannot_become_items_are_set_aside(shop: World) -> None:
    shop.execute("UPDATE orders SET note = REPEAT('n', 500000) WHERE id IN (4, 6)")
    again = another(shop, shop.keymap, "again")
    again.start_capture()
    assert again.dump(chunk_rows=20).complete
    remove_tables(again)
    with pytest.raises(Problems, match=r"orders \(id=6\)"):
        again.load(rejects_max=1)
    assert not files(again)
    report = again.load()
    assert (report.complete, report.rejected) == (True, 2)
    assert [line["key"]["id"] for line in rejects(again)] == [4, 6]
    assert progress(again.store, again.migration.tables).rejected == 2


def test_what_an_import_cannot_do_is_refused_before_anything_is_made(shop: World, tmp_path: Path) -> None:
    name = shop.target("app")
    target = shop.keymap.targets[name]
    index = Index("by_total", target.partition_key, KeyAttribute("total", "N"), is_local=True)
    shop.keymap.targets[name] = replace(target, indexes=(index,))  # type: ignore[index]
    with pytest.raises(Problems) as caught:
        shop.load(folder=tmp_path)
    assert [one.where for one in caught.value.problems] == ["bulkload.folder", f"table {name}"]
    assert "local index by_total" in caught.value.problems[1].what
    assert not files(shop)
