"""When a lease may be taken, and how old the last take-over is: what looks at its item show."""

import pytest

from keyshift.control.record import Record
from keyshift.control.takeover import Takeover, Verdict, Watch, judge

HELD = Record("job", {"fence": 1, "token": "a", "nonce": "n", "released": False, "lease_ms": 10_000})


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (None, Verdict.FREE),
        (Record("job", {"started": True}), Verdict.FREE),
        (HELD.changed({"released": True}), Verdict.FREE),
        (HELD.changed({"token": "mine"}), Verdict.FREE),
        (HELD, Verdict.EXPIRED),
        (HELD.changed({"nonce": "other"}), Verdict.HELD),
        (HELD.changed({"lease_ms": 10_100}), Verdict.HELD),
    ],
)
def test_the_verdict(record: Record | None, verdict: Verdict):
    assert judge(record, "mine", Watch("n", 0.0), 10.0, 10.15) is verdict


def test_a_takeover_is_as_old_as_was_written_down_when_it_was_first_seen():
    record = HELD.changed({"takeovers": 1, "takeover_age_ms": 3000})
    seen = Takeover().look(record, 100.0)
    later = seen.look(record.changed({"takeover_age_ms": 9000}), 107.0)
    assert later.age_at(110.0) == 13.0
    assert later.look(record.changed({"takeovers": 2, "takeover_age_ms": 0}), 120.0).age_at(121.0) == 1.0
    assert Takeover().age_at(5.0) is None
