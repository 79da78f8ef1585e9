"""Lines below the level that is sent, held by request and sent only when the invocation went bad.

Each request has a ring: when it is full its oldest line is given up. Of all rings together the oldest request's is
given up first. What is held never delays a line at or above the level.
"""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING, Final

from thimble.core.codec import telemetry_events as telemetry
from thimble.core.logs.rules import SAVED_BYTES, SAVED_LINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thimble.core.codec.telemetry_events import TelemetryEvent
    from thimble.core.drops import Drops
    from thimble.core.logs.line import Line

TAG: Final = "kept_for:"
"""Key of the tag on every line that would not have been sent otherwise."""

ERROR: Final = "error"
TIMEOUT: Final = "timeout"
OUT_OF_MEMORY: Final = "out_of_memory"
SERVER_ERROR: Final = "server_error"
SLOW: Final = "slow"
COLD: Final = "cold"
PERCENT: Final = "percent"
TRACE: Final = "trace"
UNFINISHED: Final = "unfinished"

GOOD_INVOCATION: Final = "good_invocation"
RING_FULL: Final = "kept_lines_full"

_HUNDRED_PERCENT: Final = 0x1_0000_0000


class KeepPolicy:
    """For which invocations everything is sent.

    Args:
        words: `errors`, `slow:<ms>`, `cold`, `percent:<0 to 100>`, `trace`, each checked before.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.errors = "errors" in words
        self.cold = "cold" in words
        self.trace = "trace" in words
        self.slow_ms = -1.0
        self._crc_below = 0
        self._is_memory_full = False
        for word in words:
            name, _, value = word.partition(":")
            if name == "slow":
                self.slow_ms = float(value)
            elif name == "percent":
                self._crc_below = int(float(value) / 100.0 * _HUNDRED_PERCENT)

    def is_chosen(self, request_id: str) -> bool:
        """Whether a request is one of the percentage: the same answer wherever it is asked."""
        return self._crc_below > 0 and crc32(request_id.encode("utf-8", "replace")) < self._crc_below

    def verdict(self, event: TelemetryEvent) -> str:
        """What `platform.runtimeDone` or `platform.report` says about the invocation; empty if nothing bad."""
        if self.errors:
            if event.status == telemetry.STATUS_TIMEOUT:
                return TIMEOUT
            if event.status in (telemetry.STATUS_ERROR, telemetry.STATUS_FAILURE):
                return ERROR
            if event.is_on_demand_shape and event.max_memory_used_mb >= event.memory_size_mb > 0:
                # The platform's figure is the peak of the sandbox so far and never falls: only the first is guilty.
                was_full = self._is_memory_full
                self._is_memory_full = True
                if not was_full:
                    return OUT_OF_MEMORY
        if event.has_metrics and 0.0 <= self.slow_ms <= event.duration_ms:
            return SLOW
        return ""


class KeptRequest:
    """The ring of one request.

    Attributes:
        reason: Empty while nothing bad is known.
        is_done: The runtime is done with the invocation.
        is_reported: The platform's last word is in.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.first = 0
        self.held_bytes = 0
        self.reason = ""
        self.is_done = False
        self.is_reported = False


class KeptLines:
    """The rings of all requests.

    Args:
        policy: What is bad.
        saved: Counts what was not sent, lines and bytes.
        request_bytes_max: Of one ring.
        bytes_max: Of all rings.
        requests_max: Rings.
    """

    def __init__(
        self, policy: KeepPolicy, saved: Drops, request_bytes_max: int, bytes_max: int, requests_max: int
    ) -> None:
        self.policy = policy
        self._saved = saved
        self._request_bytes_max = request_bytes_max
        self._bytes_max = bytes_max
        self._requests_max = requests_max
        self._requests: dict[str, KeptRequest] = {}
        self._held_bytes = 0
        self._has_begun = False

    @property
    def held_bytes(self) -> int:
        """Bytes in all rings."""
        return self._held_bytes

    def begin(self, request_id: str) -> str:
        """An invocation begins; answer the reason to keep all of it that is known from the start, or nothing."""
        is_cold = not self._has_begun
        self._has_begun = True
        if is_cold and self.policy.cold:
            return COLD
        return PERCENT if self.policy.is_chosen(request_id) else ""

    def hold(self, line: Line, request_id: str) -> str:
        """Hold one line, or answer the reason why it is to be sent."""
        request = self._request(request_id)
        if request.reason:
            return request.reason
        request.lines.append(line)
        request.held_bytes += line.held_bytes
        self._held_bytes += line.held_bytes
        while request.held_bytes > self._request_bytes_max:
            oldest = request.lines[request.first]
            request.first += 1
            request.held_bytes -= oldest.held_bytes
            self._held_bytes -= oldest.held_bytes
            self._count(oldest, RING_FULL)
        if request.first > 1000:
            request.lines = request.lines[request.first :]
            request.first = 0
        while self._held_bytes > self._bytes_max:
            self._give_up_oldest(request_id)
        return ""

    def mark(self, request_id: str, reason: str) -> list[Line]:
        """The invocation is bad: the lines held for it, in order. Later ones are not held.

        A tracer's word may come before the first line: telemetry waits at the platform, a call does not.
        """
        request = self._request(request_id)
        if request.reason:
            return []
        request.reason = reason
        return self._emptied(request)

    def done(self, request_id: str) -> None:
        """The runtime is done with the invocation; its report may still call it bad."""
        if self.policy.trace:
            for earlier in [name for name, request in self._requests.items() if request.is_reported]:
                self._end(earlier)
        request = self._requests.get(request_id)
        if request is not None:
            request.is_done = True

    def report(self, request_id: str) -> None:
        """The platform's last word is in: what is still held was not worth sending.

        Unless traces decide. A tracer that sends beside the answer has its payload frozen on the way: it comes, like
        the report, in the next invocation. So the lines wait for the end of that.
        """
        request = self._requests.get(request_id)
        if request is None:
            return
        if self.policy.trace and not request.reason:
            request.is_done = True
            request.is_reported = True
        else:
            self._end(request_id)

    def open_requests(self) -> list[str]:
        """Requests whose end is not known, oldest first."""
        return [request_id for request_id, request in self._requests.items() if not request.is_done]

    def end_all(self) -> None:
        """Give up everything."""
        for request_id in list(self._requests):
            self._end(request_id)

    def _end(self, request_id: str) -> None:
        for line in self._emptied(self._requests.pop(request_id)):
            self._count(line, GOOD_INVOCATION)

    def _request(self, request_id: str) -> KeptRequest:
        request = self._requests.get(request_id)
        if request is None:
            if len(self._requests) >= self._requests_max:
                for oldest in self._requests:
                    for line in self._emptied(self._requests.pop(oldest)):
                        self._count(line, RING_FULL)
                    break
            request = self._requests[request_id] = KeptRequest()
        return request

    def _give_up_oldest(self, newest_id: str) -> None:
        """Empty the ring of the oldest request that has one, that of `newest_id` last."""
        chosen = self._requests[newest_id]
        for request_id, request in self._requests.items():
            if request.held_bytes and request_id != newest_id:
                chosen = request
                break
        for line in self._emptied(chosen):
            self._count(line, RING_FULL)

    def _emptied(self, request: KeptRequest) -> list[Line]:
        lines = request.lines[request.first :]
        self._held_bytes -= request.held_bytes
        request.lines = []
        request.first = 0
        request.held_bytes = 0
        return lines

    def _count(self, line: Line, reason: str) -> None:
        self._saved.add(SAVED_LINES, reason, 1)
        self._saved.add(SAVED_BYTES, reason, len(line.text_json) - 2)
