"""Opening replay, when everything is loaded: the last thing that the first load does, whichever engine did it."""

from keyshift.aws.hold import SendGuard, steadily
from keyshift.control.lease import Lease
from keyshift.control.phase import TooEarly, open_replay
from keyshift.process.log import get_logger
from keyshift.process.stop import Stop

_log = get_logger(__name__)


def open_when_settled(lease: Lease, guard: SendGuard, signature_validity_seconds: float, stop: Stop) -> None:
    """Open replay, once nothing that was sent without a condition can still arrive.

    It waits where an answer was lost, and where a loader that was replaced may have signed something. Raises Stopped,
    LeaseLost, and KeyshiftError where not every chunk is recorded as loaded.
    """
    guard.settle(stop)
    while True:
        try:
            steadily(lambda: open_replay(lease, signature_validity_seconds), stop)
        except TooEarly as early:
            _log.info("waiting_to_open_replay", seconds=round(early.seconds, 1))
            stop.sleep(early.seconds)
        else:
            _log.info("replay_opened")
            return
