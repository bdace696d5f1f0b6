"""AWS on a bad day: throttles, parts of batches, lost answers. What was not accepted is done again until it is."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from keyshift.aws.clients import make_clients
from keyshift.control.chunks import chunks
from keyshift.control.lease import LOAD, Lease
from keyshift.control.phase import Phase
from keyshift.process.clock import boottime
from keyshift.process.sections import AwsSettings, EndpointSettings
from tests.bulkload.world import World
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call, duplicate, partial, reset_after, reset_before, server_error, throttle

pytestmark = pytest.mark.any_pair

WRITES = ("BatchWriteItem", "UpdateItem", "TransactWriteItems")


@pytest.fixture
def faulty(world: World, dynamodb: FaultProxy, s3: FaultProxy) -> Iterator[World]:
    """The shop, reached through proxies."""
    endpoints = EndpointSettings(dynamodb=dynamodb.url, s3=s3.url)
    settings = world.settings.model_copy(update={"aws": AwsSettings(region="us-east-1", endpoints=endpoints)})
    clients = make_clients("us-east-1", endpoints.urls)
    yield replace(world, settings=settings, clients=clients)
    clients.close()


@pytest.mark.parametrize("seed", range(3))
def test_dump_and_load_end_right_whatever_goes_wrong(
    world: World, faulty: World, dynamodb: FaultProxy, s3: FaultProxy, seed: int
) -> None:
    """Every call of either service fails in some way with a probability of a tenth."""
    dynamodb.chance.seed(seed)
    s3.chance.seed(seed)
    dynamodb.rules = (
        Rule(partial(), ("BatchWriteItem",), 0.5),
        *(Rule(fault, WRITES, 0.04) for fault in (throttle, server_error, reset_before, reset_after, duplicate)),
        Rule(throttle, probability=0.02),
        Rule(reset_after, probability=0.02),
    )
    s3.rules = tuple(
        Rule(fault, ("GET", "PUT"), 0.04) for fault in (server_error, reset_before, reset_after, duplicate)
    )
    assert faulty.dump().complete
    assert faulty.load().complete
    assert dynamodb.faults["partial"]
    assert world.stored() == world.expected()
    assert world.phase() is Phase.REPLAY


def test_a_chunk_of_which_a_write_is_never_accepted_is_never_recorded_as_loaded(
    world: World, faulty: World, dynamodb: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UnprocessedItems count as not done, however long they stay so."""
    world.dump()
    monkeypatch.setattr("keyshift.aws.retry.ATTEMPTS_MAX", 3)
    dynamodb.rules = (Rule(throttle, ("BatchWriteItem",)),)
    with pytest.raises(
        Exception, match=r"chunk \d of \S+ is not loaded: its rows are those after .+, up to .+ throttling or failing"
    ):
        faulty.load()
    assert world.phase() is Phase.LOAD
    dynamodb.rules = ()
    loaded = [
        chunk for table in world.migration.tables for chunk in chunks(world.store, table) if chunk.state == "loaded"
    ]
    assert {chunk.table for chunk in loaded} <= {f"{world.schema}.tag"}  # those are no batches
    assert faulty.load().chunks == 8 - len(loaded)
    assert world.stored() == world.expected()


def test_replay_opens_only_when_a_lost_request_can_no_longer_arrive(
    world: World, faulty: World, dynamodb: FaultProxy
) -> None:
    """The answer to the very last write is lost; its request might still be on its way for a request life."""
    world.dump()
    lost: list[float] = []

    def lose(call: Call) -> Answer | None:
        lost.append(boottime())
        return reset_after(call)

    dynamodb.rules = (Rule(lose, ("BatchWriteItem",), times=1),)
    faulty = with_life(faulty, 3.0)
    faulty.load()
    assert world.phase() is Phase.REPLAY
    assert boottime() - lost[0] >= 3.0
    assert world.stored() == world.expected()


def test_a_load_that_stops_after_a_lost_answer_does_not_hand_its_lease_on(
    world: World, faulty: World, dynamodb: FaultProxy
) -> None:
    """The next loader must count as one that took over: it waits before it opens replay."""
    world.dump()
    dynamodb.rules = (Rule(reset_after, ("BatchWriteItem",), times=1),)
    faulty = with_life(faulty, 30.0)
    assert not faulty.load(progress=lambda *_: faulty.stop.set() if dynamodb.faults else None).complete
    record = world.store.get(LOAD)
    assert record is not None
    assert not record.flag("released")


def test_a_load_that_stops_without_losing_anything_hands_its_lease_on(world: World) -> None:
    world.dump()
    assert not world.load(progress=lambda *_: world.stop.set()).complete
    record = world.store.get(LOAD)
    assert record is not None
    assert record.flag("released")


def test_after_a_take_over_replay_opens_only_when_signatures_have_run_out(world: World) -> None:
    world.dump()
    assert Lease(world.store, LOAD, "dead", 1, boottime).try_acquire()
    began = boottime()
    assert world.load(lease_seconds=1, signature_validity_seconds=4).complete
    assert boottime() - began >= 5  # one to take over, four to wait
    assert world.stored() == world.expected()


def test_a_stop_is_heard_while_waiting_for_signatures_to_run_out(world: World) -> None:
    world.dump()
    assert Lease(world.store, LOAD, "dead", 1, boottime).try_acquire()
    threading.Timer(4, world.stop.set).start()
    assert not world.load(lease_seconds=1, signature_validity_seconds=300).complete
    assert world.phase() is Phase.LOAD


def with_life(world: World, seconds: float) -> World:
    apply = world.settings.apply.model_copy(update={"request_life_seconds": seconds})
    return replace(world, settings=world.settings.model_copy(update={"apply": apply}))
