"""A stream is made once however often it is asked for; only what carries our tag counts as ours."""

from collections.abc import Iterator
from typing import Any

import pytest

from keymap.errors import Problems
from keyshift.aws.clients import Clients
from keyshift.aws.resources import StreamFacts, check_stream, delete_stream, ensure_stream, stream_facts
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import duplicate, reset_after

OURS, THEIRS = "shop.1234abcd", "other.00000000"


@pytest.fixture
def name(clients: Clients) -> Iterator[str]:
    name = unique("res")
    yield name
    delete_stream(clients.kinesis, name)


def _ensure(clients: Clients, name: str, owner: str = OURS, **changed: Any) -> bool:
    wanted: dict[str, Any] = {"shards": 2, "on_demand": False, "retention_hours": 48, **changed}
    return ensure_stream(clients.kinesis, name, owner, **wanted)


def _keeps_stream_tags(servers: str) -> bool:
    return servers.endswith("+local")  # ministack ignores the tags of CreateStream


class TestStream:
    def test_it_is_made_with_what_was_asked_and_is_active(self, clients: Clients, name: str) -> None:
        assert stream_facts(clients.kinesis, name) is None
        assert _ensure(clients, name)
        facts = stream_facts(clients.kinesis, name)
        assert facts
        assert (facts.status, facts.shards, facts.on_demand, facts.retention_hours) == ("ACTIVE", 2, False, 48)

    def test_on_demand_is_possible(self, clients: Clients, name: str) -> None:
        assert _ensure(clients, name, on_demand=True)
        facts = stream_facts(clients.kinesis, name)
        assert facts
        assert facts.on_demand

    def test_a_second_time_changes_nothing_and_it_is_still_ours(self, clients: Clients, name: str) -> None:
        """Killed after the create and before anybody remembered it: the next run must know whose it is."""
        assert _ensure(clients, name)
        assert _ensure(clients, name, shards=5)
        facts = stream_facts(clients.kinesis, name)
        assert facts
        assert facts.shards == 2

    def test_somebody_elses_is_used_and_not_ours(self, clients: Clients, name: str) -> None:
        _ensure(clients, name, THEIRS)
        assert not _ensure(clients, name)

    def test_the_retention_of_ours_is_raised(self, clients: Clients, name: str) -> None:
        _ensure(clients, name, retention_hours=24)
        assert _ensure(clients, name, retention_hours=100)
        facts = stream_facts(clients.kinesis, name)
        assert facts
        assert facts.retention_hours == 100

    def test_the_retention_of_somebody_elses_is_a_problem_and_left_alone(self, clients: Clients, name: str) -> None:
        _ensure(clients, name, THEIRS, retention_hours=24)
        with pytest.raises(Problems, match=f"stream {name}: it keeps records 24 h"):
            _ensure(clients, name)
        facts = stream_facts(clients.kinesis, name)
        assert facts
        assert facts.retention_hours == 24

    def test_more_retention_than_wanted_is_right(self, clients: Clients, name: str) -> None:
        _ensure(clients, name, THEIRS, retention_hours=100)
        assert not _ensure(clients, name, retention_hours=24)

    @pytest.mark.parametrize("fault", [reset_after, duplicate])
    def test_a_create_whose_answer_was_lost_is_ours_by_its_tag(
        self, faulty: Clients, kinesis_faults: FaultProxy, name: str, servers: str, fault: Any
    ) -> None:
        kinesis_faults.rules = (Rule(fault, ("CreateStream",), times=1),)
        assert _ensure(faulty, name, retention_hours=24) == _keeps_stream_tags(servers)

    def test_lost_answers_to_every_call_end_in_the_same_stream(
        self, faulty: Clients, kinesis_faults: FaultProxy, name: str, servers: str
    ) -> None:
        operations = ("AddTagsToStream", "IncreaseStreamRetentionPeriod", "ListTagsForStream", "DescribeStreamSummary")
        kinesis_faults.rules = tuple(Rule(reset_after, (operation,), times=1) for operation in operations)
        assert _ensure(faulty, name)
        facts = stream_facts(faulty.kinesis, name)
        assert facts
        assert facts.retention_hours == 48
        assert kinesis_faults.faults["reset_after"] == (3 if _keeps_stream_tags(servers) else 4)

    def test_it_can_be_removed_and_made_again_at_once(self, clients: Clients, name: str) -> None:
        _ensure(clients, name)
        clients.kinesis.delete_stream(StreamName=name)  # not waited for
        assert _ensure(clients, name)

    def test_removing_it_waits_until_it_is_gone_and_may_be_repeated(
        self, faulty: Clients, kinesis_faults: FaultProxy, name: str
    ) -> None:
        _ensure(faulty, name)
        kinesis_faults.rules = (Rule(reset_after, ("DeleteStream",), times=1),)
        delete_stream(faulty.kinesis, name)
        assert stream_facts(faulty.kinesis, name) is None
        delete_stream(faulty.kinesis, name)


@pytest.mark.parametrize(("distribution", "count"), [("", 0), ("USER_PARTITION_KEY", 0), ("AUTO", 1), ("NEWER", 1)])
def test_a_stream_that_ignores_partition_keys_is_refused(distribution: str, count: int) -> None:
    facts = StreamFacts("s", "ACTIVE", 2, on_demand=True, retention_hours=24, distribution=distribution)
    assert len(check_stream(facts, 24)) == count


def test_all_that_is_wrong_with_a_stream_is_told_at_once() -> None:
    facts = StreamFacts("s", "ACTIVE", 2, on_demand=True, retention_hours=24, distribution="AUTO")
    assert len(check_stream(facts, 48)) == 2
