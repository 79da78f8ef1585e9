"""The agent's distribution sketch: the pure twin of `Sketch` in `native/metric_store.pyx`.

Bins are sorted by key. A full bin makes another one of the same key before it, so several bins may share a key; a
dictionary of keys would give other bytes.
"""

from __future__ import annotations

from thimble.core.codec.protobuf import packed_sint32, packed_uint32
from thimble.core.metrics.sketch import BIN_COUNT_MAX, BINS_MAX, key_of
from thimble.kernels.metric_codes import BINS_HARD_MAX, WEIGHT_MAX


class Sketch:
    """Samples of one distribution.

    Attributes:
        count: Samples, at least 0.
        minimum, maximum, total, average: Of the samples; 0 while there is none.
    """

    def __init__(self) -> None:
        self.count = 0
        self.minimum = 0.0
        self.maximum = 0.0
        self.total = 0.0
        self.average = 0.0
        self._keys: list[int] = []
        self._counts: list[int] = []

    def insert(self, value: float, weight: float = 1.0) -> None:
        """Insert a finite value that stands for `weight` samples, at least 1; a fraction counts in the sum alone."""
        weight = min(weight, WEIGHT_MAX)
        if weight == 1.0:
            self.count_samples(value, 1)
            self._insert_key(key_of(value))
            return
        samples = int(weight)
        self._count(value, samples, value * weight)
        self.merge_pairs([(key_of(value), samples)])

    def count_samples(self, value: float, samples: int) -> None:
        """Take a value into everything but the bins."""
        self._count(value, samples, value * samples)

    def merge(self, other: Sketch) -> None:
        """Take in all samples of another sketch."""
        if other.count == 0:
            return
        if self.count == 0 or other.minimum < self.minimum:
            self.minimum = other.minimum
        if self.count == 0 or other.maximum > self.maximum:
            self.maximum = other.maximum
        self.count += other.count
        self.total += other.total
        self.average += (other.average - self.average) * other.count / self.count
        self.merge_pairs(other.bins())

    def merge_pairs(self, pairs: list[tuple[int, int]]) -> None:
        """Take counts per key into the bins alone.

        Args:
            pairs: Keys, ascending, and counts, each at least 1.
        """
        keys: list[int] = []
        counts: list[int] = []
        at = 0
        for key, count in pairs:
            while at < len(self._keys) and self._keys[at] < key:
                keys.append(self._keys[at])
                counts.append(self._counts[at])
                at += 1
            if at < len(self._keys) and self._keys[at] == key:
                count += self._counts[at]
                at += 1
            _generate(keys, counts, key, count)
        keys.extend(self._keys[at:])
        counts.extend(self._counts[at:])
        self._keys = keys
        self._counts = counts
        self._trim()

    def bins(self) -> list[tuple[int, int]]:
        """Keys, ascending, and counts, each in 1..65535."""
        return list(zip(self._keys, self._counts, strict=True))

    def packed(self) -> tuple[bytes, bytes]:
        """Keys as zigzag varints and counts as varints: the fields `k` and `n` of the sketches intake, without tags."""
        return packed_sint32(self._keys), packed_uint32(self._counts)

    def _count(self, value: float, samples: int, total: float) -> None:
        if self.count == 0 or value < self.minimum:
            self.minimum = value
        if self.count == 0 or value > self.maximum:
            self.maximum = value
        self.count += samples
        self.total += total
        self.average += (value - self.average) * samples / self.count

    def _insert_key(self, key: int) -> None:
        low = 0
        high = len(self._keys)
        while low < high:
            middle = (low + high) // 2
            if self._keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        if low < len(self._keys) and self._keys[low] == key and self._counts[low] < BIN_COUNT_MAX:
            self._counts[low] += 1
            return
        self._keys.insert(low, key)
        self._counts.insert(low, 1)
        self._trim()

    def _trim(self) -> None:
        """Collapse the leftmost bins beyond the limit into the first that stays, and into full bins before it."""
        excess = len(self._keys) - BINS_MAX
        if excess <= 0:
            return
        keys: list[int] = []
        counts: list[int] = []
        missing = 0
        for index in range(excess):
            missing += self._counts[index]
            if missing > BIN_COUNT_MAX:
                keys.append(self._keys[index])
                counts.append(BIN_COUNT_MAX)
                missing -= BIN_COUNT_MAX
        missing += self._counts[excess]
        if missing > BIN_COUNT_MAX:
            _generate(keys, counts, self._keys[excess], missing - BIN_COUNT_MAX)
            missing = BIN_COUNT_MAX
        self._counts[excess] = missing
        keys.extend(self._keys[excess:])
        counts.extend(self._counts[excess:])
        beyond = max(len(keys) - BINS_HARD_MAX, 0)
        self._keys = keys[beyond:]
        self._counts = counts[beyond:]


def _generate(keys: list[int], counts: list[int], key: int, count: int) -> None:
    """Append bins for a count: what does not fill a bin comes before the full ones."""
    full = count // BIN_COUNT_MAX
    rest = count % BIN_COUNT_MAX
    if rest:
        keys.append(key)
        counts.append(rest)
    for _ in range(full):
        keys.append(key)
        counts.append(BIN_COUNT_MAX)
