"""Says which lines were refused, once per metric name and reason, and counts them.

A broken line in a function comes again with every invocation, and each of our own lines costs the customer: so one line
per reason and flush at most, and only while it has a name to tell that was not told before.

Histograms, timers and sets of the function's own are told as warnings: whoever sends them waits for them. Tracers and
clients send histograms about themselves all the time, which nobody waits for: those are details, and no loss.
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

INTERNAL_PREFIXES: Final = ("datadog.", "runtime.", "jvm.")
"""Names under which libraries of Datadog tell about themselves and their runtime."""

_TEXTS: Final = (
    "not of the form name:value|type",
    "the value is no finite number",
    "histograms, timers and sets are not supported (THIMBLE_DOGSTATSD_HISTOGRAMS=distribution takes the first two)",
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
        internal: list[str] = []
        has_own = False
        for reason, line in refusals:
            name = name_of(line)
            is_internal = reason == UNSUPPORTED_TYPE and name.startswith(INTERNAL_PREFIXES)
            has_own = has_own or (reason == UNSUPPORTED_TYPE and not is_internal)
            told = self._told[reason]
            if name not in told and len(told) < NAMES_MAX:
                told.add(name)
                (internal if is_internal else names[reason]).append(name)
        for reason, count in enumerate(refused):
            if not count:
                continue
            if reason != UNSUPPORTED_TYPE or has_own:
                self._drops.add(KIND, REASON_NAMES[reason], count)
            if names[reason]:
                warnings.append(_sentence(reason, count, names[reason]))
        if internal:
            details.append(_sentence(UNSUPPORTED_TYPE, refused[UNSUPPORTED_TYPE], internal))
        return warnings, details


def _sentence(reason: int, count: int, names: list[str]) -> str:
    noun = "line" if count == 1 else "lines"
    return f"METRICS | Refused {count} {noun}: {_TEXTS[reason]}: {', '.join(names)}"


def name_of(line: bytes) -> str:
    """What stands where the metric's name should be, shortened."""
    name = line.partition(b":")[0].partition(b"|")[0].decode("utf-8", "replace")
    return name[:NAME_CHARACTERS_MAX] or "(no name)"
