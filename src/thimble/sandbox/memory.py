"""The memory meter: peak of the proportional memory of everything in an environment."""

from __future__ import annotations

from thimble.sandbox import proc_tree
from thimble.sandbox.processes import ProcessTable

_MIB = 1024 * 1024
SAMPLES_MAX = 100_000


class MemoryMeter:
    """Samples the sum over all processes; the peak never falls until `reset`."""

    def __init__(self, processes: ProcessTable, limit_mb: int) -> None:
        self._processes = processes
        self._limit_mb = limit_mb
        self._peak_bytes = 0
        self.samples: list[tuple[int, int]] = []
        """Monotonic nanoseconds and bytes, the first `SAMPLES_MAX` only."""

    def reset(self) -> None:
        self._peak_bytes = 0

    def sample(self, now_ns: int) -> int:
        """Look now; returns the sum in bytes."""
        total = sum(proc_tree.memory_bytes(pid) for pid in self._processes.pids())
        self._peak_bytes = max(self._peak_bytes, total)
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append((now_ns, total))
        return total

    def sample_peak_mb(self, now_ns: int) -> int:
        """Look now, and return the peak as `maxMemoryUsedMB`."""
        self.sample(now_ns)
        return self.peak_mb

    @property
    def is_over_limit(self) -> bool:
        return self._peak_bytes > self._limit_mb * _MIB

    @property
    def peak_mb(self) -> int:
        """`maxMemoryUsedMB`: MiB rounded up, capped at the function's memory."""
        return min(-(-self._peak_bytes // _MIB), self._limit_mb)
