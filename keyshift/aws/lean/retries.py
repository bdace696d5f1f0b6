"""Which failures of one call are tried again here, and how soon: as botocore's standard mode does it.

The lists are botocore's own, which a test compares. What is left then is retried above, with more patience
(keyshift/aws/retry).
"""

import random
import threading
from collections.abc import Callable
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as ConnectionFailed
from botocore.parsers import ResponseParserError

PAUSE_SECONDS_MAX: Final = 20.0
QUOTA: Final = 500  # tokens: after so many failures in a row, calls are given up at once rather than made threefold
COST: Final = 5
COST_OF_TIMEOUT: Final = 10
REFUND: Final = 1  # of a call that went well at once

TRANSIENT_CODES: Final = frozenset({"PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException"})
TRANSIENT_STATUS: Final = frozenset({500, 502, 503, 504})
TRANSIENT: Final = (ConnectionFailed, HTTPClientError, ChecksumError, ResponseParserError)
THROTTLES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TIMEOUTS: Final = (ConnectTimeoutError, ReadTimeoutError)


class Retries:
    """The rule of one client, and the tokens that its threads share. `modelled`: codes the service calls retryable."""

    def __init__(
        self, attempts_max: int, modelled: frozenset[str] = frozenset(), draw: Callable[[], float] = random.random
    ) -> None:
        self._attempts_max = attempts_max
        self._codes = TRANSIENT_CODES | THROTTLES | modelled
        self._draw = draw
        self._tokens = QUOTA
        self._lock = threading.Lock()

    def cost(self, attempt: int, error: BotoCoreError | ClientError) -> int:
        """The tokens taken for another try after this one (1 is the first); 0 when there is to be none."""
        if attempt >= self._attempts_max or not self._may_help(error):
            return 0
        cost = COST_OF_TIMEOUT if isinstance(error, _TIMEOUTS) else COST
        with self._lock:
            if cost > self._tokens:
                return 0
            self._tokens -= cost
        return cost

    def pause_seconds(self, attempt: int) -> float:
        """How long to wait after this try."""
        return self._draw() * min(2.0 ** (attempt - 1), PAUSE_SECONDS_MAX)

    def succeeded(self, cost: int) -> None:
        """Give back what the last try of a call had cost."""
        if self._tokens < QUOTA:
            with self._lock:
                self._tokens = min(QUOTA, self._tokens + (cost or REFUND))

    def _may_help(self, error: BotoCoreError | ClientError) -> bool:
        if not isinstance(error, ClientError):
            return isinstance(error, TRANSIENT)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return error.response.get("Error", {}).get("Code") in self._codes or status in TRANSIENT_STATUS
