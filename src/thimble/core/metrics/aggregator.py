"""Metrics in, payloads out: what is inserted is kept per context and 10-second bucket until a flush takes everything.

Unlike logs, nothing is encoded before a flush: a context changes until then. The open bucket goes out too, since the
sandbox may be frozen for hours right after.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from thimble.core.limits import (
    METRIC_ENTRIES_MAX,
    SERIES_BYTES_MAX,
    SERIES_COMPRESSED_BYTES_MAX,
    SKETCHES_BYTES_MAX,
    SKETCHES_COMPRESSED_BYTES_MAX,
)
from thimble.core.metrics.batches import Batches
from thimble.core.metrics.dogstatsd import canonical_tags
from thimble.core.metrics.series import COUNT_TYPE, GAUGE_TYPE, series_body, series_entry
from thimble.core.metrics.sketches import sketch_entry, sketches_body
from thimble.kernels.metric_codes import COUNT, DISTRIBUTION, GAUGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.drops import Drops
    from thimble.core.metrics.base_tags import BaseTags
    from thimble.core.payload import Payload
    from thimble.kernels.metric_store import MetricStore

KIND: Final = "metrics"
DROP_NOT_FINITE: Final = "not_finite"


class MetricsAggregator:
    """The one store of metrics, those of the function and our own.

    Our own metrics (`insert_*`) are never renamed by a namespace and never dropped for the limit of contexts.

    Args:
        store: What datagrams are scanned into.
        base_tags: Joined to every metric.
        compress: Makes a zstd frame of a body.
        drops: Where losses are counted.
    """

    def __init__(
        self, store: MetricStore, base_tags: BaseTags, compress: Callable[[bytes], bytes] | None, drops: Drops
    ) -> None:
        self.store = store
        self._base_tags = base_tags
        self._compress = compress
        self._drops = drops
        self._tags: list[str] = []
        self._canonical = b""

    def insert_distribution(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Add one value to a distribution.

        Args:
            name: Full name of the metric.
            value: A finite number; anything else is ignored.
            tags: `key:value` or `key`, in any order; base tags are added at the flush.
            timestamp_s: Unix seconds, not in the future; rounded down to the bucket.
        """
        self._insert(DISTRIBUTION, name, value, tags, timestamp_s)

    def insert_count(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Add to a count; arguments as for `insert_distribution`."""
        self._insert(COUNT, name, value, tags, timestamp_s)

    def insert_gauge(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Set a gauge; arguments as for `insert_distribution`."""
        self._insert(GAUGE, name, value, tags, timestamp_s)

    def take(self) -> tuple[list[Payload], list[Payload]]:
        """Everything as payloads of series and of sketches; the store is empty afterwards."""
        series = Batches(series_body, self._compress, METRIC_ENTRIES_MAX, SERIES_BYTES_MAX, SERIES_COMPRESSED_BYTES_MAX)
        sketches = Batches(
            sketches_body, self._compress, METRIC_ENTRIES_MAX, SKETCHES_BYTES_MAX, SKETCHES_COMPRESSED_BYTES_MAX
        )
        try:
            for index in range(self.store.count):
                self._encode(index, series, sketches)
        finally:
            # Even after a defect: what cannot be encoded today will not be tomorrow.
            self.store.clear()
            self._base_tags.forget()
        return series.take(), sketches.take()

    def _encode(self, index: int, series: Batches, sketches: Batches) -> None:
        kind, name, tags, bucket_s = self.store.entry(index)
        encoded = self._base_tags.merged(tags)
        if kind == DISTRIBUTION:
            sketches.add(sketch_entry(name, bucket_s, self.store.sketch(index), encoded))
            return
        value = self.store.value(index)
        if math.isfinite(value):
            series.add(series_entry(name, COUNT_TYPE if kind == COUNT else GAUGE_TYPE, bucket_s, value, encoded))
        else:
            self._drops.add(KIND, DROP_NOT_FINITE, 1)

    def _insert(self, kind: int, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        if not math.isfinite(value):
            self._drops.add(KIND, DROP_NOT_FINITE, 1)
            return
        if tags != self._tags:
            # Most of our own metrics come in groups with the same tags.
            text = ",".join(tags).encode("utf-8", "replace")
            self._canonical = canonical_tags(text, len(text))
            self._tags = list(tags)
        self.store.insert(kind, name.encode("utf-8", "replace"), self._canonical, timestamp_s, value)
