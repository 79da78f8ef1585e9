"""The destination of the Telemetry API: `POST /` on port 8999.

Every body is answered with 200, garbage included: the platform sends again what is answered with an error. The answer
goes out after the events are taken in, so that a slow extension slows the platform down instead of losing lines.

Source: AWS Lambda Developer Guide, "Telemetry API".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.core.limits import TELEMETRY_BODY_BYTES_MAX
from thimble.http.messages import Answer, Request
from thimble.http.server import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.codec.telemetry_events import TelemetryEvent
    from thimble.core.drops import Drops
    from thimble.core.logs.processor import LogProcessor
    from thimble.http.parser import Head


class TelemetryHandler(Handler):
    """Takes batches of telemetry events.

    Args:
        now_ms: Unix milliseconds.
        on_events: Called once per batch, after its log lines are queued, with the platform events in order.
    """

    def __init__(
        self,
        processor: LogProcessor,
        now_ms: Callable[[], int],
        on_events: Callable[[list[TelemetryEvent]], None],
        drops: Drops,
    ) -> None:
        self._processor = processor
        self._now_ms = now_ms
        self._on_events = on_events
        self._drops = drops

    def body_limit(self, head: Head) -> int:
        return TELEMETRY_BODY_BYTES_MAX

    async def handle(self, request: Request) -> Answer:
        if request.path != "/":
            return Answer(404, b"Not Found")
        if request.method != "POST":
            answer = Answer(405)
            answer.headers.append(("allow", "POST"))
            return answer
        if request.is_oversized:
            self._drops.add("telemetry batches", "too_large", 1)
        else:
            self._on_events(self._processor.ingest(request.body, self._now_ms()))
            if not request.body.lstrip(b" \t\r\n").startswith(b"["):
                return Answer(200, b"Failed to parse telemetry events")
        return Answer(200, b"OK")

    def failed(self) -> Answer:
        return Answer(200, b"OK")
