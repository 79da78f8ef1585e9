"""Faults that a test can switch on in the local platform, at the start or at any time later.

Every field is off by default, and is read at the moment it matters: change it between two invocations and the next one
sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Event = dict[str, object]

CLOSE = -1
"""In place of a status: close the connection without an answer."""

ROUTES = (
    "register",
    "next",
    "init_error",
    "exit_error",
    "telemetry",
    "runtime_next",
    "response",
    "error",
    "runtime_init_error",
    "restore_next",
    "restore_error",
)


@dataclass(kw_only=True)
class Faults:
    """What goes wrong, and how often."""

    api_latency_ms: dict[str, float] = field(default_factory=dict)
    """Route name (see `ROUTES`) to the pause before its answer."""
    api_status: dict[str, list[int]] = field(default_factory=dict)
    """Route name to statuses given in turn, one per call, before real service resumes; `CLOSE` drops the connection.
    A status of 200 or 202 means: serve this call as usual."""
    unknown_event_count: int = 0
    """That many `event/next` calls get an `eventType` nobody knows, before real events."""
    next_content_type: str = "application/json"
    has_runtime_done: bool = True
    has_runtime_done_metrics: bool = True
    shutdown_budget_ms: float | None = None
    """Replaces the 2000 ms of extensions; 0 tells them about a deadline that has passed."""

    is_telemetry_stub: bool = False
    """Answer every subscription with 202 and deliver nothing, as AWS's emulator does in standard mode."""
    is_telemetry_duplicated: bool = False
    """Deliver every batch twice."""
    telemetry_delay_ms: float = 0.0
    is_function_log_late: bool = False
    """Hold `function` events back until after `runtimeDone`."""
    telemetry_filter: Callable[[Event], bool] | None = None
    """Events for which it answers False never reach subscribers."""
    telemetry_rewrite: Callable[[bytes], bytes] | None = None
    """Changes the body of a POST just before it leaves: cut it, garble it."""
    clock_text: Literal["milliseconds", "microseconds", "offset", "seconds"] = "milliseconds"
    """How `time` is written: `.402Z`, `.402000Z`, `.402+00:00`, or without a fraction."""

    def take_status(self, route: str) -> int | None:
        """The next injected status for `route`, or None to serve it."""
        turns = self.api_status.get(route)
        if not turns:
            return None
        status = turns.pop(0)
        return None if status in (200, 202) else status

    def take_unknown_event(self) -> bool:
        """True while an unknown lifecycle event is still owed."""
        if self.unknown_event_count <= 0:
            return False
        self.unknown_event_count -= 1
        return True
