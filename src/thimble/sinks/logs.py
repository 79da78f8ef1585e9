"""Logs to the logs intake.

Source: Datadog API reference, "Send logs" (`POST /api/v2/logs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sink import Delivery, Sink, judge_common

if TYPE_CHECKING:
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.logs.processor import LogProcessor
    from thimble.http.messages import Target


class LogsSink(Sink):
    """Takes payloads out of the aggregator; the processor releases what it holds back at the end."""

    def __init__(self, target: Target, processor: LogProcessor, aggregator: LogAggregator) -> None:
        self.kind = "logs"
        self.attempts_per_flush = 3
        self.target_key = target.key
        self._target = target
        self._processor = processor
        self._aggregator = aggregator

    def take(self, is_final: bool) -> list[Delivery]:
        if is_final:
            self._processor.release_held()
        deliveries: list[Delivery] = []
        for payload in self._aggregator.take():
            headers = [("DD-PROTOCOL", "agent-json"), ("Content-Type", "application/json")]
            if payload.content_encoding:
                headers.append(("Content-Encoding", payload.content_encoding))
            deliveries.append(Delivery(self, self._target, headers, payload))
        return deliveries

    def judge(self, status: int) -> int:
        return judge_common(status)
