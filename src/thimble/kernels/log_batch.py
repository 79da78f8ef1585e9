"""Selection of the builder of log payloads; see `log_batch_py` for what it does. Never compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble import twin

if TYPE_CHECKING or twin.PURE:
    from thimble.kernels.log_batch_py import LogBatch, release_memory
else:
    from thimble._native.log_batch import LogBatch, release_memory

__all__ = ("LogBatch", "release_memory")
