"""Selection of the store of metrics; see `metric_store_py` for what it does. Never compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble import twin

if TYPE_CHECKING or twin.PURE:
    from thimble.kernels.metric_store_py import MetricStore
    from thimble.kernels.sketch_py import Sketch
else:
    from thimble._native.metric_store import MetricStore, Sketch

__all__ = ("MetricStore", "Sketch")
