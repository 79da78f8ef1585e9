"""The arithmetic of the agent's distribution sketch: keys of values, bounds of keys, histogram buckets.

A sketch counts samples per bin; bin `k` holds values around `GAMMA ** (k - BIAS)`. Neighbours differ by 1/64, so a
quantile is off by less than 0.8 %. Keys are exact: a logarithm taken in another way moves values across the borders.
The bins themselves are in `thimble.kernels.metric_store`.

Source: specification of metrics, "The agent DDSketch".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thimble.kernels.metric_store import Sketch

GAMMA: Final = 1.015625
GAMMA_LN: Final = 0.015504186535965254
"""The logarithm of `GAMMA`, as `log1p(1 / 64)` gives it."""
BIAS: Final = 1338
NORM_MIN: Final = 9.94185408912145e-10
"""`GAMMA ** (1 - BIAS)`: what is smaller counts as 0."""
KEY_MAX: Final = 32767
"""Stands for "too large"."""
BINS_MAX: Final = 4096
BIN_COUNT_MAX: Final = 65535


def key_of(value: float) -> int:
    """The bin of a finite value: 0 for what is nearly 0, negative for negative values."""
    if value < 0.0:
        return -key_of(-value)
    if value < NORM_MIN:
        return 0
    return max(1, min(round(math.log(value) / GAMMA_LN) + BIAS, KEY_MAX))


def lower_bound(key: int) -> float:
    """The value that stands for a bin; infinity for `KEY_MAX`."""
    if key < 0:
        return -lower_bound(-key)
    if key == 0:
        return 0.0
    return math.inf if key == KEY_MAX else math.pow(GAMMA, key - BIAS)


def interpolate(sketch: Sketch, lower: float, upper: float, count: int) -> None:
    """Spread the samples of one histogram bucket over the bins between its limits.

    Args:
        lower: Finite, below `upper`.
        upper: Finite.
        count: Samples, at least 1.
    """
    key = key_of(lower)
    last = key_of(upper)
    distance = upper - lower
    rest = count
    start = key
    bound = lower_bound(key)
    carry = 0.0
    pairs: list[tuple[int, int]] = []
    while key < last and rest > 0:
        key += 1
        next_bound = lower_bound(key)
        share = (next_bound - bound) / distance * count
        if share > 1.0:
            carry += share - math.floor(share)
        whole = int(share)
        if carry > 1.0:
            whole += 1
            carry -= 1.0
        if whole > 0:
            whole = min(whole, rest)
            sketch.count_samples(bound, whole)
            pairs.append((start, whole))
            rest -= whole
            start = key
            bound = next_bound
    if rest > 0:
        sketch.count_samples(lower_bound(start), rest)
        pairs.append((start, rest))
    sketch.merge_pairs(pairs)
