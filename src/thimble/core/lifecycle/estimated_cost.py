"""What an invocation costs, as the public price list of the first tier says.

Neither `/tmp` and streaming nor tiers and provisioned concurrency are in it.

Source: AWS Lambda pricing, US East; specification of metrics, "estimated_cost".
"""

from __future__ import annotations

import math
from typing import Final

USD_PER_REQUEST: Final = 0.0000002
USD_PER_GB_SECOND_X86: Final = 0.0000166667
USD_PER_GB_SECOND_ARM: Final = 0.0000133334
UNKNOWN_PRICE: Final = -1.0

_DECIMALS: Final = 1e12


def usd_per_gb_second(machine: str) -> float:
    """The price on `x86_64`, `aarch64` or `arm64`; `UNKNOWN_PRICE` for another machine."""
    if machine == "x86_64":
        return USD_PER_GB_SECOND_X86
    if machine in ("aarch64", "arm64"):
        return USD_PER_GB_SECOND_ARM
    return UNKNOWN_PRICE


def estimated_cost(billed_ms: float, memory_mb: float, usd_per_gb_s: float) -> float:
    """USD, rounded to 12 decimals, halves away from zero; 0 when the price is unknown."""
    if usd_per_gb_s < 0.0:
        return 0.0
    gb_seconds = (billed_ms * 0.001) * (memory_mb / 1024.0)
    scaled = (USD_PER_REQUEST + gb_seconds * usd_per_gb_s) * _DECIMALS
    whole = math.floor(scaled)
    if scaled - whole >= 0.5:
        whole += 1
    return whole / _DECIMALS
