"""The circuit breaker of one destination: when it fails, stop paying for it, and look again from time to time.

States. CLOSED: requests go out. OPEN: none does, until the pause is over. Then one probe may go out (PROBING); its
success closes the breaker, its failure opens it again with twice the pause.

It opens after `FAILURES_TO_OPEN` failures in a row, or at once when a request that got no answer has cost
`LOST_MS_TO_OPEN` of an invocation: three such requests would cost the customer seconds. A request that was given up
sooner counts as a failure, unless it had so little time that its end says nothing; requests that were given up together
count as one.

It also remembers how long the destination takes to answer (`answer_ms`), or has at least taken when a request was given
up: who has less time than that need not wait for it.

    state     success   failure                  given up after         pause over
    CLOSED    CLOSED    CLOSED, OPEN at the 3rd  < 0.1 s: CLOSED        -
                                                 < 1 s: as failure
                                                 else OPEN
    OPEN      CLOSED    OPEN                     OPEN                   one probe: PROBING
    PROBING   CLOSED    OPEN, pause doubled      OPEN, pause doubled    -

Knows no clock: monotonic milliseconds are passed in.
"""

from __future__ import annotations

from typing import Final

CLOSED: Final = 0
OPEN: Final = 1
PROBING: Final = 2

FAILURES_TO_OPEN: Final = 3
LOST_MS_TO_OPEN: Final = 1_000
LOST_MS_TO_COUNT: Final = 100
LONG_AGO_MS: Final = -(1 << 60)
PAUSE_MIN_MS: Final = 5_000
PAUSE_MAX_MS: Final = 300_000


class Breaker:
    """Decides whether a destination may be asked."""

    def __init__(self) -> None:
        self.state = CLOSED
        self.answer_ms = 0
        self._failures = 0
        self._pause_ms = PAUSE_MIN_MS
        self._probe_at_ms = 0
        self._lost_until_ms = LONG_AGO_MS

    def may_probe(self, now_ms: int) -> bool:
        """Whether the pause is over. Whoever sends the probe calls `begin_probe`."""
        return self.state == OPEN and now_ms >= self._probe_at_ms

    def begin_probe(self) -> None:
        assert self.state == OPEN, "a probe of a destination that is not closed off"
        self.state = PROBING

    def on_success(self, took_ms: int = 0) -> None:
        """The destination answered after `took_ms`, be it with a refusal of the payload: it lives."""
        self.answer_ms = took_ms
        self.state = CLOSED
        self._failures = 0
        self._pause_ms = PAUSE_MIN_MS

    def on_failure(self, now_ms: int) -> bool:
        """A request failed for good. Returns whether the breaker opens now, having been closed."""
        self._failures += 1
        if self.state == CLOSED and self._failures < FAILURES_TO_OPEN:
            return False
        return self._open(now_ms)

    def on_lost_time(self, lost_ms: int, now_ms: int) -> bool:
        """A request was given up after `lost_ms` without an answer. Returns as `on_failure`."""
        if lost_ms >= LOST_MS_TO_COUNT:
            self.answer_ms = max(self.answer_ms, lost_ms * 5 // 4)  # longer, and a wait a little longer would fail too
        if self.state == CLOSED and lost_ms < LOST_MS_TO_OPEN:
            is_further = now_ms - lost_ms >= self._lost_until_ms
            self._lost_until_ms = now_ms
            return is_further and lost_ms >= LOST_MS_TO_COUNT and self.on_failure(now_ms)
        return self._open(now_ms)

    @property
    def pause_s(self) -> int:
        """Seconds from the last failure to the next probe."""
        return self._pause_ms // 1000

    def _open(self, now_ms: int) -> bool:
        was_closed = self.state == CLOSED
        if self.state == PROBING:
            self._pause_ms = min(self._pause_ms * 2, PAUSE_MAX_MS)
        self.state = OPEN
        self._probe_at_ms = now_ms + self._pause_ms
        return was_closed
