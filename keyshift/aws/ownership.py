"""What is ours: everything that we create carries the tag `keyshift:migration`, so that only that is ever removed.

The tag also settles the case of the lost answer. A create call that was done but not answered is repeated (by botocore,
or by the next `keyshift init`) and then finds the resource there: with our tag it is ours, and without it somebody
else's. Where an endpoint does not keep tags (DynamoDB Local), only a create call that was answered counts as ours.
"""

from collections.abc import Callable
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.process.clock import boottime
from keyshift.process.stop import Stop

TAG: Final = "keyshift:migration"
READY_SECONDS_MAX: Final = 300.0  # a stream or table takes half a minute; a table of many partitions a few minutes
_POLL_SECONDS_FIRST: Final = 0.05
_POLL_SECONDS_MAX: Final = 2.0  # DescribeStreamSummary is limited to 20 calls per second for the whole account


def wait_until(look: Callable[[], bool], what: str, stop: Stop) -> None:
    """Look again, with growing pauses, until it is so. Raises KeyshiftError after five minutes, or Stopped."""
    began, pause = boottime(), _POLL_SECONDS_FIRST
    while not look():
        if boottime() - began > READY_SECONDS_MAX:
            message = f"waited {READY_SECONDS_MAX:.0f} s for {what}"
            raise KeyshiftError(message, "Look at it in the AWS console; the command can be run again")
        stop.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS_MAX)
