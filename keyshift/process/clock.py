"""The clocks. A lease is judged by one that goes on while the machine sleeps; people read the other.

`time.monotonic` stands still while a virtual machine is suspended or a laptop is closed, so a process that wakes after
minutes would believe that its lease is fresh (docs/design, "Slots and patches": "on a clock that counts suspend").
"""

import time

# macOS has no CLOCK_BOOTTIME, and its CLOCK_MONOTONIC counts sleep already.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds on a clock that never goes back and counts suspend; only differences mean anything."""
    return time.clock_gettime(_BOOTTIME)


def now_ms() -> int:
    """Wall-clock milliseconds since 1970 in UTC: for people and lag, never for a decision between processes."""
    return time.time_ns() // 1_000_000
