"""Invocations as fast as they go: what the platform sends, and how many log entries come of it."""

from __future__ import annotations

from bench import telemetry_bodies as bodies
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster

LINE_COUNT = 20
PLATFORM_LINES = 3
"""START, END and REPORT: what an invocation adds to the function's own lines."""


class Function:
    """Passes invocations through an extension that has asked for its first `/next`."""

    def __init__(self, api: ScriptedLambda, line_count: int = LINE_COUNT) -> None:
        self._api = api
        self._poster: TelemetryPoster | None = None
        self._previous = ""
        self.count = 0
        self.timeout_ms = 60_000
        """The function's time-out, from which the deadline of each invocation follows."""
        self._lines = bodies.lines(line_count)

    def invoke(self, line_count: int = LINE_COUNT) -> float:
        """One invocation: INVOKE, the function's lines, runtimeDone, and the wait for `/next`.

        Returns:
            Milliseconds from runtimeDone to `/next`: what the extension adds to the invocation.
        """
        self.count += 1
        identity = bodies.request_id(self.count)
        self._api.invoke(identity, self.timeout_ms)
        if self._poster is None:
            self._poster = TelemetryPoster()
        events = [bodies.report(self._previous)] if self._previous else []
        events.append(bodies.start(identity))
        events += [bodies.event("function", line) for line in self._lines[:line_count]]
        self._poster.post(bodies.encode(events))
        self._previous = identity
        done_ns = self._poster.post(bodies.encode([bodies.runtime_done(identity)]))
        asked_ns = self._api.expect(NEXT).at_ns
        return max(asked_ns - done_ns, 0) / 1e6

    def post(self, body: bytes) -> None:
        """Telemetry beside the usual."""
        if self._poster is None:
            self._poster = TelemetryPoster()
        self._poster.post(body)

    def shut_down(self) -> None:
        """The last report, and SHUTDOWN. The extension ends by itself."""
        if self._poster is not None:
            if self._previous:
                self._poster.post(bodies.encode([bodies.report(self._previous)]))
            self._poster.close()
        self._api.shut_down()
