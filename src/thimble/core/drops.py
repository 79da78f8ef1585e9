"""What was lost, counted by kind of data and by reason.

Nothing vanishes without a count: whoever drops adds here, once per batch, and the shutdown says it once.
"""

from __future__ import annotations


class Drops:
    """Counters of lost items, keyed by kind (`logs`, `metrics`, `traces` ...) and reason (`store_full`, `refused` ...).

    Kinds and reasons are literals of our code, so the table stays as small as the code is.
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}

    def add(self, kind: str, reason: str, count: int) -> None:
        """Count `count` lost items; 0 or less changes nothing."""
        if count <= 0:
            return
        reasons = self._counts.get(kind)
        if reasons is None:
            self._counts[kind] = {reason: count}
        else:
            reasons[reason] = reasons.get(reason, 0) + count

    def total(self, kind: str) -> int:
        """Lost items of one kind, all reasons together."""
        total = 0
        reasons = self._counts.get(kind)
        if reasons is not None:
            for count in reasons.values():
                total += count
        return total

    def report(self) -> list[str]:
        """One part of a sentence per kind and reason, in the order of first loss: `12 logs (store_full)`."""
        parts: list[str] = []
        for kind, reasons in self._counts.items():
            for reason, count in reasons.items():
                parts.append(f"{count} {kind} ({reason})")
        return parts
