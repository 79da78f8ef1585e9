"""Durations and the bill, as Lambda computes them.

Source: observed REPORT lines; AWS billing announcement of August 2025 (INIT is billed for every package).
"""

from __future__ import annotations

import math
from decimal import Decimal

_THOUSANDTH = Decimal("0.001")


def span_ms(start_ns: int, end_ns: int) -> float:
    """Milliseconds between two monotonic times, truncated to microseconds, never negative."""
    return max(end_ns - start_ns, 0) // 1000 / 1000


def billed_ms(
    duration_ms: float, init_ms: float | None = None, *, restore_ms: float | None = None, billing: str = "2025"
) -> int:
    """`billedDurationMs`: whole milliseconds, at least 1.

    Args:
        duration_ms: `durationMs` of the report.
        init_ms: `initDurationMs` of the report; None for anything but an on-demand cold start.
        restore_ms: Billed part of a SnapStart restore.
        billing: `pre-2025` leaves INIT out, as Lambda did for ZIP packages on managed runtimes.
    """
    total = _decimal(duration_ms)
    if init_ms is not None and billing != "pre-2025":
        total += _decimal(init_ms)
    if restore_ms is not None:
        total += _decimal(restore_ms)
    return max(1, math.ceil(total))


def _decimal(value_ms: float) -> Decimal:
    """Exact thousandths: binary noise of a sum must not add a millisecond."""
    return Decimal(repr(value_ms)).quantize(_THOUSANDTH)
