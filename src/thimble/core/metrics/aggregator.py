"""Metrics in, payloads out: what is inserted is kept per context and 10-second bucket until a flush takes everything."""

from __future__ import annotations


class MetricsAggregator:
    """The one store of metrics, those of the function and our own.

    Our own metrics (`insert_*`) are never renamed by a namespace and never dropped for the limit of contexts.
    """

    def insert_distribution(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Add one value to a distribution.

        Args:
            name: Full name of the metric.
            value: A finite number; anything else is ignored.
            tags: `key:value` or `key`, in any order; base tags are added at the flush.
            timestamp_s: Unix seconds, not in the future; rounded down to the bucket.
        """
        raise NotImplementedError

    def insert_count(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Add to a count; arguments as for `insert_distribution`."""
        raise NotImplementedError

    def insert_gauge(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        """Set a gauge; arguments as for `insert_distribution`."""
        raise NotImplementedError
