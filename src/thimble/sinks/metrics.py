"""Metrics to the series and the sketches intake, and to every additional endpoint.

One sink for two paths: both are filled from one snapshot of the store.

Source: Datadog API reference, "Submit metrics" (`POST /api/v2/series`) and `POST /api/beta/sketches`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.metrics.aggregator import KIND, MetricsAggregator
from thimble.core.payload import Payload

from .sink import Delivery, Sink, judge_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.http.messages import Target

_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"


class MetricsEndpoint:
    """Where metrics go.

    Args:
        series: The full URL of the series intake.
        sketches: The full URL of the sketches intake.
        api_key: A key of its own, be it empty, or None for the process's current key.
    """

    def __init__(self, series: Target, sketches: Target, api_key: str | None = None) -> None:
        self.series = series
        self.sketches = sketches
        self.api_key = api_key


class MetricsSink(Sink):
    """Takes everything out of the aggregator at a flush.

    Args:
        drain: Takes in what the function has sent but nobody has read yet.
    """

    def __init__(
        self, endpoints: list[MetricsEndpoint], aggregator: MetricsAggregator, drain: Callable[[], None]
    ) -> None:
        self.kind = KIND
        self.attempts_per_flush = 3
        # Of several destinations one may be down, and the others still want theirs.
        self.target_key = endpoints[0].series.key if len(endpoints) == 1 else ""
        self._endpoints = endpoints
        self._aggregator = aggregator
        self._drain = drain

    def take(self, is_final: bool) -> list[Delivery]:
        self._drain()
        series, sketches = self._aggregator.take()
        deliveries: list[Delivery] = []
        for endpoint in self._endpoints:
            key = endpoint.api_key
            deliveries.extend([self._delivery(endpoint.series, _JSON, payload, key) for payload in series])
            deliveries.extend([self._delivery(endpoint.sketches, _PROTOBUF, payload, key) for payload in sketches])
        return deliveries

    def judge(self, status: int) -> int:
        return judge_common(status)

    def _delivery(self, target: Target, content_type: str, payload: Payload, api_key: str | None) -> Delivery:
        headers = [("Content-Type", content_type)]
        if payload.content_encoding:
            headers.append(("Content-Encoding", payload.content_encoding))
        # A copy for each endpoint, sharing the bytes: attempts are counted per delivery.
        own = Payload(payload.body, payload.item_count, payload.raw_bytes, payload.content_encoding)
        return Delivery(self, target, headers, own, api_key)
