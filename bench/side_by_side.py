"""Compare two things in one run, taken in turns, so that a busy machine disturbs both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Samples of both sides, in the order taken. Shape (rounds,) each."""

    ours: list[float]
    base: list[float]

    @property
    def ours_min(self) -> float:
        return min(self.ours)

    @property
    def base_min(self) -> float:
        return min(self.base)

    @property
    def ratio_of_minimums(self) -> float:
        """Least disturbed sample against least disturbed sample: the steadiest form for CPU time."""
        return self.ours_min / self.base_min

    @property
    def median_of_ratios(self) -> float:
        """Median over the rounds of ours to base: for figures that drift with the machine's load."""
        return statistics.median(ours / base for ours, base in zip(self.ours, self.base, strict=True))


def compare(ours: Callable[[], float], base: Callable[[], float], rounds: int, warm_up: int = 1) -> Comparison:
    """Take `rounds` pairs of samples; who goes first alternates. The first `warm_up` pairs are thrown away."""
    ours_samples, base_samples = [], []
    for index in range(rounds + warm_up):
        if index % 2:
            base_value, ours_value = base(), ours()
        else:
            ours_value, base_value = ours(), base()
        if index >= warm_up:
            ours_samples.append(ours_value)
            base_samples.append(base_value)
    return Comparison(ours_samples, base_samples)
