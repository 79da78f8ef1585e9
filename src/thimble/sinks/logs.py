"""Logs to the logs intake, or to a pipelines worker in its place, and to every additional intake.

Source: Datadog API reference, "Send logs" (`POST /api/v2/logs`); Datadog documentation, "Dual shipping" and
"Observability Pipelines".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.logs.aggregator import DATA_TYPE, encoded
from thimble.core.payload import Payload

from .sink import Delivery, Sink, judge_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.drops import Drops
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.logs.processor import LogProcessor
    from thimble.http.messages import Target

NO_DESTINATION: Final = "no_destination"


class LogsDestination:
    """One place where logs go.

    Args:
        target: The full URL.
        api_key: A key of its own, be it empty, or None for the process's current key.
        is_worker: True for a pipelines worker, which gets bare JSON and no word of Datadog's protocol.
    """

    def __init__(self, target: Target, api_key: str | None = None, is_worker: bool = False) -> None:
        self.target = target
        self.api_key = api_key
        self.is_worker = is_worker


class LogsSink(Sink):
    """Takes payloads out of the aggregator; the processor releases what it holds back at the end.

    Args:
        destinations: The main one first. Without any, logs are counted as lost.
        processor: Asked at each flush what the platform has dropped, and what had no meaning for us.
        aggregator: Holds raw payloads when there is a worker, else perhaps compressed ones.
        compress: Makes a zstd frame of a raw payload for an intake, or is None.
        drops: Where losses are counted.
        warn: Writes a warning.
        debug: Writes what only somebody looks for who searches for a missing line.
    """

    def __init__(
        self,
        destinations: list[LogsDestination],
        processor: LogProcessor,
        aggregator: LogAggregator,
        compress: Callable[[bytes], bytes] | None,
        drops: Drops,
        warn: Callable[[str], None],
        debug: Callable[[str], None],
    ) -> None:
        self.kind = DATA_TYPE
        self.attempts_per_flush = 3
        # Of several destinations one may be down, and the others still want theirs.
        self.target_key = destinations[0].target.key if len(destinations) == 1 else ""
        self._destinations = destinations
        self._processor = processor
        self._aggregator = aggregator
        self._compress = compress
        self._drops = drops
        self._warn = warn
        self._debug = debug
        self._skipped_told = 0

    def take(self, is_final: bool) -> list[Delivery]:
        if is_final:
            self._processor.release_held()
        records, size = self._processor.take_platform_losses()
        if records:
            self._warn(f"LOGS | The platform dropped {records} telemetry records ({size} bytes): we were too slow.")
        skipped = self._processor.skipped_events - self._skipped_told
        if skipped:
            self._skipped_told += skipped
            self._debug(
                f"LOGS | Left out {skipped} telemetry events: of no known type, or without what they are about."
            )
        deliveries: list[Delivery] = []
        for payload in self._aggregator.take():
            if not self._destinations:
                self._drops.add(self.kind, NO_DESTINATION, payload.item_count)
            frame: Payload | None = None
            for destination in self._destinations:
                own = payload
                if not destination.is_worker:
                    if frame is None:
                        frame = self._framed(payload)
                    own = frame
                deliveries.append(self._delivery(destination, own))
        return deliveries

    def judge(self, status: int) -> int:
        return judge_common(status)

    def _framed(self, payload: Payload) -> Payload:
        """The payload as an intake wants it."""
        if payload.content_encoding:
            return payload
        body, encoding = encoded(payload.body, self._compress)
        return Payload(body, payload.item_count, payload.raw_bytes, encoding)

    def _delivery(self, destination: LogsDestination, payload: Payload) -> Delivery:
        headers = [("Content-Type", "application/json")]
        if not destination.is_worker:
            headers.insert(0, ("DD-PROTOCOL", "agent-json"))
        if payload.content_encoding:
            headers.append(("Content-Encoding", payload.content_encoding))
        # A copy for each destination, sharing the bytes: attempts are counted per delivery.
        own = Payload(payload.body, payload.item_count, payload.raw_bytes, payload.content_encoding)
        return Delivery(self, destination.target, headers, own, destination.api_key)
