"""What the tests of metrics share: a store with its surroundings, and its contents in a form that reads well."""

from __future__ import annotations

import json
from typing import Any

from thimble.core.drops import Drops
from thimble.core.metrics.aggregator import MetricsAggregator
from thimble.core.metrics.base_tags import BaseTags
from thimble.core.metrics.namespace import UNPREFIXED, namespace_prefix
from thimble.core.payload import Payload
from thimble.kernels import metric_codes as codes
from thimble.kernels.metric_store import MetricStore
from thimble.sandbox.schemas import decode_message

NOW_S = 1712345678
BUCKET_S = 1712345670
ARN_TAG = "function_arn:arn:aws:lambda:eu-west-3:210987654321:function:orders"

NAMES = {codes.COUNT: "count", codes.GAUGE: "gauge", codes.DISTRIBUTION: "distribution"}


class Metrics:
    """A store, filled by datagrams."""

    def __init__(
        self,
        contexts_max: int = 10_240,
        datagram_bytes_max: int = 8192,
        namespace: str = "",
        maps_histograms: bool = False,
        base: dict[str, str] | None = None,
        excluded: tuple[str, ...] = (),
    ) -> None:
        self.drops = Drops()
        self.store = MetricStore(
            contexts_max, datagram_bytes_max, namespace_prefix(namespace), UNPREFIXED, maps_histograms
        )
        self.aggregator = MetricsAggregator(self.store, BaseTags(base or {}, excluded), None, self.drops)

    def scan(self, *datagrams: str | bytes, is_cut: bool = False, now_s: int = NOW_S) -> Metrics:
        for datagram in datagrams:
            data = datagram if isinstance(datagram, bytes) else datagram.encode()
            self.store.scan(data, is_cut, now_s)
        return self

    def contents(self) -> list[tuple[Any, ...]]:
        """`(kind, name, tags, bucket, value)` per context; of a distribution, the result of `sketch`."""
        found: list[tuple[Any, ...]] = []
        for index in range(self.store.count):
            kind, name, tags, bucket_s = self.store.entry(index)
            value = self.sketch(index) if kind == codes.DISTRIBUTION else self.store.value(index)
            found.append((NAMES[kind], name.decode(), tags.decode(), bucket_s, value))
        return found

    def sketch(self, index: int = 0) -> dict[str, Any]:
        """Count, minimum, maximum, sum, average and bins of a distribution."""
        count, minimum, maximum, average, total, keys, counts = self.store.sketch(index)
        message = b"".join((b"\x3a", _size(keys), keys, b"\x42", _size(counts), counts))
        packed = decode_message("Dogsketch", message)
        return {
            "cnt": count,
            "min": minimum,
            "max": maximum,
            "sum": total,
            "avg": average,
            "bins": list(zip(packed.get("k", []), packed.get("n", []), strict=True)),
        }

    def refused(self) -> list[str]:
        """Names of the reasons of everything refused so far, once per line, by reason."""
        names: list[str] = []
        for name, count in zip(codes.REASON_NAMES, self.store.take_refused(), strict=True):
            names.extend([name] * count)
        return names

    def sent(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Entries of the series and of the sketches that a flush would send."""
        series, sketches = self.aggregator.take()
        return series_of(series), sketches_of(sketches)


def series_of(payloads: list[Payload]) -> list[dict[str, Any]]:
    return [entry for payload in payloads for entry in json.loads(payload.body)["series"]]


def sketches_of(payloads: list[Payload]) -> list[dict[str, Any]]:
    return [entry for payload in payloads for entry in decode_message("SketchPayload", payload.body)["sketches"]]


def _size(data: bytes) -> bytes:
    size = len(data)
    out = bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)
