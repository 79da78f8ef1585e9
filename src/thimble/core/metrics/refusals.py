"""Says which lines were refused, once per metric name and reason, and counts them.

A broken line in a function comes again with every invocation, and each of our own lines costs the customer: so one line
per reason and flush at most, and only while it has a name to tell that was not told before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.kernels.metric_codes import REASON_NAMES, UNSUPPORTED_TYPE

if TYPE_CHECKING:
    from thimble.core.drops import Drops

KIND: Final = "metrics"
NAMES_MAX: Final = 64
"""Names that are told per reason; what comes after them is only counted."""

NAME_CHARACTERS_MAX: Final = 100

_TEXTS: Final = (
    "not of the form name:value|type",
    "the value is no finite number",
    "histograms, timers and sets are not supported",
    "the type is unknown",
    "more than 100 tags",
    "the timestamp is no number of seconds",
    "the sample rate is no number",
    "not UTF-8",
    "the datagram was longer than DD_DOGSTATSD_BUFFER_SIZE",
    "too many different metrics before a flush",
)


class Refusals:
    """What was told, and the counters."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops
        self._told: list[set[str]] = [set() for _ in REASON_NAMES]

    def report(self, refused: list[int], refusals: list[tuple[int, bytes]]) -> tuple[list[str], list[str]]:
        """Count what was refused since the last call.

        Args:
            refused: Lines per reason. Shape (REASONS,).
            refusals: Reasons and beginnings of some of these lines.

        Returns:
            Warnings, and texts that only somebody who debugs wants to read.
        """
        warnings: list[str] = []
        details: list[str] = []
        names: list[list[str]] = [[] for _ in REASON_NAMES]
        for reason, line in refusals:
            name = name_of(line)
            told = self._told[reason]
            if name not in told and len(told) < NAMES_MAX:
                told.add(name)
                names[reason].append(name)
        for reason, count in enumerate(refused):
            if not count:
                continue
            if reason != UNSUPPORTED_TYPE:
                self._drops.add(KIND, REASON_NAMES[reason], count)
            if names[reason]:
                noun = "line" if count == 1 else "lines"
                text = f"METRICS | Refused {count} {noun}: {_TEXTS[reason]}: {', '.join(names[reason])}"
                (details if reason == UNSUPPORTED_TYPE else warnings).append(text)
        return warnings, details


def name_of(line: bytes) -> str:
    """What stands where the metric's name should be, shortened."""
    name = line.partition(b":")[0].partition(b"|")[0].decode("utf-8", "replace")
    return name[:NAME_CHARACTERS_MAX] or "(no name)"
