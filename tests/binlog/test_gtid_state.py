"""MariaDB's binlog state, from the events of a file, is what the next file lists unless something was missed."""

import struct
from itertools import chain, repeat

import pytest

from keyshift.binlog import packets
from keyshift.binlog.errors import Malformed
from keyshift.binlog.gtid_state import FileState, GtidState, State, first_list, listed_state
from tests.binlog.test_fingerprint import OTHER, ROTATE, description, event


def gtid_list(state: State) -> bytes:
    entries = [struct.pack("<IIQ", domain, server, sequence) for (domain, server), sequence in state.items()]
    return event(packets.MARIADB_GTID_LIST, struct.pack("<I", len(entries) | 1 << 28) + b"".join(entries))


def gtid(sequence: int, domain: int = 0) -> bytes:
    return event(packets.MARIADB_GTID, struct.pack("<QIB", sequence, domain, 0) + b"\0" * 6)  # of server 1


def state_of(*events: bytes) -> FileState | None:
    state = GtidState()
    for one in (ROTATE, description(), *events):
        state.feed(one)
    return state.state


def test_a_file_follows_with_the_last_transaction_or_without_it() -> None:
    found = state_of(gtid_list({(0, 1): 4, (0, 9): 3}), gtid(5), OTHER, gtid(6, domain=7), OTHER, gtid(6), OTHER)
    assert found is not None
    rest = {(0, 9): 3, (7, 1): 6}
    assert found.precedes({(0, 1): 6, **rest})
    assert found.precedes({**rest, (0, 1): 5})


@pytest.mark.parametrize(
    "listed",
    [
        {},
        {(0, 1): 4},
        {(0, 1): 7, (7, 1): 6},
        {(0, 1): 6, (7, 1): 7},
        {(0, 1): 6, (7, 1): 6, (0, 2): 1},
        {(0, 1): 6},
    ],
)
def test_no_other_state_follows(listed: State) -> None:
    found = state_of(gtid_list({(0, 1): 4}), gtid(5), gtid(6, domain=7), gtid(6))
    assert found is not None
    assert not found.precedes(listed)


def test_a_file_that_does_not_say_what_precedes_it_has_no_state() -> None:
    assert state_of(gtid(5)) is None


def test_the_first_list_is_found_and_nothing_behind_it_is_taken() -> None:
    listed = {(0, 1): 4}
    assert first_list(chain([ROTATE, description(), gtid_list(listed)], repeat(b"never looked at", 1 << 40))) == listed
    assert first_list([ROTATE, description()]) is None


def test_a_list_that_is_cut_off_is_malformed() -> None:
    with pytest.raises(Malformed):
        listed_state(struct.pack("<IIIQ", 2, 0, 1, 5))
