"""A process that was killed, or is cut off, releases no lease: it is known by its silence.

Its last renewal tells the wall clock of its host, so for how long it has been silent is for people, and nothing is
decided by it: `keyshift cdc status` and the cutover watch the lease itself (keyshift/cutover/liveness).
"""

from typing import Final

SILENT_LEASES: Final = 3  # of its lease's durations: whoever has not renewed it for so long is gone, or cut off


def silent_seconds(updated_at_ms: int, lease_seconds: float, now: int) -> int:
    """For how long a lease that is held was not renewed; 0 where that is no reason to worry. `now` is in ms."""
    silent_ms = now - updated_at_ms
    return silent_ms // 1000 if silent_ms > SILENT_LEASES * lease_seconds * 1000 else 0


def last_heard(seconds: int) -> str:
    """What is told of the process, behind its name."""
    return f"last heard of {seconds} s ago: start it again, unless its process is there"
