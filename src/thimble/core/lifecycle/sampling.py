"""The highest use of `/tmp`, descriptors and threads during an invocation, and when to look at them.

Theory of operation. Looking costs CPU that is the function's: 40 to 60 us with five processes. The reference looks
every 10 ms, which is 20 ms of CPU per second and shows nothing of it on the wire but the maximum. We look when the
invocation begins and when it ends, and between the two after 10 ms, then at intervals that double as long as nothing
has changed and fall back to 10 ms as soon as anything has. So what grows and stays is seen at its height, since the
last look comes at the end; what grows and goes is seen if it lasts as long as the interval of that moment; and what
keeps changing is looked at every 10 ms, but for at most a share of the time (`COST_SHARE`).
"""

from __future__ import annotations

from typing import Final

UNREADABLE: Final = -1

INTERVAL_MS_MIN: Final = 10
INTERVAL_MS_MAX: Final = 250
COST_SHARE: Final = 500
"""A look may cost at most this part of the time until the next one: 2 ms of a second."""
PAUSE_MS_MAX: Final = 2000
"""However dear a look was, or a look during which the process was frozen seemed to be."""


class Readings:
    """One look: bytes, descriptors and threads in use; `UNREADABLE` for what could not be read."""

    def __init__(self, tmp_used_bytes: int, descriptors: int, threads: int) -> None:
        self.tmp_used_bytes = tmp_used_bytes
        self.descriptors = descriptors
        self.threads = threads


class Peaks:
    """The highest of several readings; 0 for what was never readable."""

    def __init__(self) -> None:
        self.tmp_used_bytes = 0
        self.descriptors = 0
        self.threads = 0

    def take(self, readings: Readings) -> None:
        self.tmp_used_bytes = max(self.tmp_used_bytes, readings.tmp_used_bytes)
        self.descriptors = max(self.descriptors, readings.descriptors)
        self.threads = max(self.threads, readings.threads)


class SampleSchedule:
    """Decides when to look next; one per invocation."""

    def __init__(self) -> None:
        self._interval_ms = INTERVAL_MS_MIN
        self._last: Readings | None = None

    def next_ms(self, readings: Readings, cost_us: int) -> int:
        """How long to wait after a look with these readings that took `cost_us`."""
        last = self._last
        if last is not None:
            is_same = (
                last.tmp_used_bytes == readings.tmp_used_bytes
                and last.descriptors == readings.descriptors
                and last.threads == readings.threads
            )
            self._interval_ms = min(self._interval_ms * 2, INTERVAL_MS_MAX) if is_same else INTERVAL_MS_MIN
        self._last = readings
        return max(self._interval_ms, min(cost_us * COST_SHARE // 1000, PAUSE_MS_MAX))
