"""Time on the local platform: one monotonic clock for durations, one anchor for wall times and their texts."""

from __future__ import annotations

import time


class Clock:
    """Monotonic nanoseconds, and what they are on the wall.

    The anchor is taken once, so that wall times of one emulator never run backwards against its durations.
    """

    def __init__(self) -> None:
        self._anchor_mono_ns = time.monotonic_ns()
        self._anchor_wall_ns = time.time_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self, at_ns: int) -> int:
        return self._anchor_wall_ns + at_ns - self._anchor_mono_ns

    def wall_ms(self, at_ns: int) -> int:
        """Epoch milliseconds of a monotonic time."""
        return self.wall_ns(at_ns) // 1_000_000

    def text(self, at_ns: int, form: str = "milliseconds") -> str:
        """A monotonic time as telemetry writes it."""
        return time_text(self.wall_ns(at_ns), form)


def time_text(wall_ns: int, form: str = "milliseconds") -> str:
    """Epoch nanoseconds as ISO 8601 UTC: `milliseconds` (Lambda's form), `microseconds`, `offset` or `seconds`."""
    seconds, rest_ns = divmod(wall_ns, 1_000_000_000)
    head = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    if form == "seconds":
        return head + "Z"
    if form == "microseconds":
        return f"{head}.{rest_ns // 1000:06d}Z"
    return f"{head}.{rest_ns // 1_000_000:03d}" + ("+00:00" if form == "offset" else "Z")
