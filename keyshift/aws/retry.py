"""Calls that are repeated until they are done, for a bounded number of tries, with jittered pauses.

For calls that are safe to repeat only: a try whose answer was lost may have been done.
"""

from collections.abc import Callable
from typing import TypeVar

from keymap.errors import KeyshiftError
from keyshift.aws.clients import BotoCoreError, ClientError, explain, is_throttle, is_transient
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

T = TypeVar("T")

# With pauses up to 5 s about a minute of throttling, and botocore's own tries inside each: a table that accepts nothing
# for so long needs a person.
ATTEMPTS_MAX = 30


class RetriesExhausted(KeyshiftError):
    """The service refused or failed every try; what was asked is not done, or (a lost answer) not known to be done."""


def pause(backoff: Backoff, stop: Stop, doing: str, cause: BaseException | None = None) -> None:
    """Wait before the next try. Raises RetriesExhausted when there were enough, Stopped when asked to stop."""
    if backoff.attempts >= ATTEMPTS_MAX:
        reason = explain(cause, doing).message if cause else f"{doing} failed: parts of it were never accepted"
        raise RetriesExhausted(
            f"{reason} ({ATTEMPTS_MAX} tries)",
            "The service is throttling or failing: raise its capacity or lower our concurrency, then start again",
        ) from cause
    stop.sleep(backoff.next())


def retried(call: Callable[[], T], backoff: Backoff, stop: Stop, doing: str) -> T:
    """The call's result, after as many tries as throttles and lost answers make necessary; other errors are raised.

    The backoff is left as it is: whoever knows what progress means resets it.
    """
    while True:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            if not (is_throttle(error) or is_transient(error)):
                raise
            pause(backoff, stop, doing, error)
