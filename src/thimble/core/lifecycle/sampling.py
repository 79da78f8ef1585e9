"""The highest use of `/tmp`, descriptors and threads during an invocation, and when to look at them.

Theory of operation. Looking costs CPU that is the function's: 40 to 60 us with five processes, more with more of them.
The reference looks every 10 ms, which is 20 ms of CPU per second, and shows nothing of it but the maximum. We look when
the invocation begins and when it ends, and between the two after 10 ms, then at intervals that double as long as
nothing changes and fall back to 10 ms as soon as anything does. So what grows and stays is seen at its height, since
the last look comes at the end; and what comes and goes is seen if it lasts as long as the interval of that moment.

What never stops changing is looked at every 10 ms only while a credit lasts, which grows by 1 ms of CPU per second:
whatever runs in the sandbox, looking costs that much. The credit at the start pays for the first looks of a short
invocation.
"""

from __future__ import annotations

from typing import Final

UNREADABLE: Final = -1

INTERVAL_MS_MIN: Final = 10
INTERVAL_MS_MAX: Final = 250

CREDIT_US_MAX: Final = 1000
"""CPU that may be spent ahead of time: about 10 looks."""

WAKE_UP_US: Final = 40
"""What a look costs beside itself: the process has to wake up for it."""

CREDIT_US_PER_MS: Final = 1
"""How the credit grows: 1 ms of CPU per second."""

PAUSE_MS_MAX: Final = 2000
"""However dear a look was."""

TMP_CHANGE_BYTES: Final = 16 << 20
"""Less than this is no change of `/tmp`: a look takes it in, but it does not bring the next one near."""


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
        self._credit_us = CREDIT_US_MAX
        self._last: Readings | None = None

    def next_ms(self, readings: Readings, cost_us: int) -> int:
        """How long to wait after a look with these readings that took `cost_us` of CPU."""
        last = self._last
        if last is not None:
            is_quiet = (
                last.descriptors == readings.descriptors
                and last.threads == readings.threads
                and abs(last.tmp_used_bytes - readings.tmp_used_bytes) < TMP_CHANGE_BYTES
            )
            self._interval_ms = min(self._interval_ms * 2, INTERVAL_MS_MAX) if is_quiet else INTERVAL_MS_MIN
        self._last = readings
        self._credit_us -= cost_us + WAKE_UP_US
        pause_ms = max(self._interval_ms, min(-self._credit_us // CREDIT_US_PER_MS, PAUSE_MS_MAX))
        self._credit_us = min(self._credit_us + pause_ms * CREDIT_US_PER_MS, CREDIT_US_MAX)
        return pause_ms
