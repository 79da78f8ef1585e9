"""Everything that happened on the local platform, and the questions tests ask about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from thimble.sandbox.billing import span_ms
from thimble.sandbox.clock import Clock

Event = dict[str, object]


@dataclass
class ApiCall:
    """One request to the platform's APIs. Times are monotonic nanoseconds."""

    at_ns: int
    wall_ms: int
    generation: int
    route: str
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    caller: str = ""
    """Extension name, `runtime`, or empty when nobody known."""
    status: int | None = None
    """None while unanswered, or for ever when the client went away."""
    answer: bytes = b""
    answered_ns: int | None = None


@dataclass
class Delivery:
    """One telemetry POST (or TCP write) and its fate."""

    subscriber: str
    generation: int
    body: bytes
    events: list[Event]
    started_ns: int
    attempts: int = 0
    status: int | None = None
    """HTTP status of the last attempt; 0 for a TCP write; None for a transport error."""
    finished_ns: int | None = None
    is_delivered: bool = False


@dataclass
class Moment:
    """One entry of the timeline."""

    at_ns: int
    wall_ms: int
    generation: int
    kind: str
    name: str = ""
    details: dict[str, object] = field(default_factory=dict)


class Recorder:
    """Collects in memory; grows while the emulator lives."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.api_calls: list[ApiCall] = []
        self.deliveries: list[Delivery] = []
        self.timeline: list[Moment] = []
        self.events: list[Event] = []
        self.event_times_ns: list[int] = []
        self.violations: list[str] = []
        self.transcript: list[str] = []
        self.exit_codes: dict[str, int | None] = {}
        self.shutdown_deadlines_ns: dict[tuple[int, str], int] = {}
        self.post_runtime: dict[str, float] = {}
        self.peak_memory_mb = 0
        self._changed: asyncio.Event | None = None

    def changed(self) -> None:
        """Something was added; whoever waits in `until` looks again."""
        if self._changed is not None:
            self._changed.set()

    async def until(self, condition: Callable[[], object], limit_s: float = 10.0) -> None:
        """Wait until `condition` holds of what is recorded.

        Raises:
            TimeoutError: It did not within `limit_s`.
        """
        async with asyncio.timeout(limit_s):
            while not condition():
                self._changed = asyncio.Event()
                await self._changed.wait()

    def add_call(self, call: ApiCall) -> None:
        self.api_calls.append(call)
        self.changed()

    def add_delivery(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.changed()

    def note(self, kind: str, name: str = "", generation: int = 0, at_ns: int | None = None, **details: object) -> None:
        """Add a moment to the timeline."""
        now_ns = self.clock.now_ns() if at_ns is None else at_ns
        self.timeline.append(Moment(now_ns, self.clock.wall_ms(now_ns), generation, kind, name, details))
        self.changed()

    def violate(self, text: str, name: str = "", generation: int = 0) -> None:
        """Record a breach of protocol."""
        self.violations.append(f"{name}: {text}" if name else text)
        self.note("violation", name, generation, text=text)

    def add_event(self, event: Event, at_ns: int) -> None:
        self.events.append(event)
        self.event_times_ns.append(at_ns)
        self.changed()

    # Questions.

    def calls(self, route: str, caller: str | None = None) -> list[ApiCall]:
        return [call for call in self.api_calls if call.route == route and caller in (None, call.caller)]

    def moments(self, kind: str, name: str | None = None) -> list[Moment]:
        return [moment for moment in self.timeline if moment.kind == kind and name in (None, moment.name)]

    def delivered_events(self, subscriber: str | None = None) -> list[Event]:
        """Events whose delivery succeeded, in order of delivery."""
        return [
            event
            for delivery in self.deliveries
            if delivery.is_delivered and subscriber in (None, delivery.subscriber)
            for event in delivery.events
        ]

    def platform_record(self, kind: str, request_id: str) -> Event | None:
        """Record of the newest event of type `kind` for an invocation."""
        for event in reversed(self.events):
            record = event["record"]
            if event["type"] == kind and isinstance(record, dict) and record.get("requestId") == request_id:
                return record
        return None

    def assert_no_violations(self) -> None:
        assert not self.violations, "protocol violations: " + "; ".join(self.violations)

    def assert_exited_before_deadline(self) -> None:
        """Every extension that was told to shut down exited with 0 before the deadline it was told."""
        for (generation, name), deadline_ns in self.shutdown_deadlines_ns.items():
            exits = [moment for moment in self.moments("exit", name) if moment.generation == generation]
            assert exits, f"{name} of generation {generation} never exited"
            details = exits[-1].details
            assert not details.get("killed"), f"{name} was killed at its deadline"
            assert details.get("code") == 0, f"{name} exited with {details.get('code')}"
            assert exits[-1].at_ns <= deadline_ns, f"{name} exited {span_ms(deadline_ns, exits[-1].at_ns)} ms too late"

    def cold_start_breakdown(self) -> dict[str, float]:
        """Milliseconds of the newest INIT.

        Returns:
            `<extension>.register` and `<extension>.next` from process start to the arrival of that call, `runtime.next`
            likewise, and `init` as a whole; keys only for what happened.
        """
        starts = self.moments("init_start")
        if not starts:
            return {}
        generation, init_ns = starts[-1].generation, starts[-1].at_ns
        found: dict[str, float] = {}
        launched = {m.name: m.at_ns for m in self.moments("start") if m.generation == generation}
        for call in self.api_calls:
            if call.generation != generation or call.caller not in launched:
                continue
            step = {"register": "register", "next": "next", "runtime_next": "next"}.get(call.route)
            if step:
                found.setdefault(f"{call.caller}.{step}", span_ms(launched[call.caller], call.at_ns))
        for moment in self.moments("init_end"):
            if moment.generation == generation:
                found["init"] = span_ms(init_ns, moment.at_ns)
        return found

    def extension_overhead(self, request_id: str) -> float | None:
        """Milliseconds of the span `extensionOverhead` in the report; None without a report or such a span."""
        record = self.platform_record("platform.report", request_id)
        spans = record.get("spans") if record else None
        for span in spans if isinstance(spans, list) else []:
            if span["name"] == "extensionOverhead":
                return float(span["durationMs"])
        return None

    def post_runtime_ms(self, request_id: str) -> float:
        """How long the environment was held after the runtime had finished.

        Raises:
            KeyError: No such invocation has ended.
        """
        return self.post_runtime[request_id]

    def dump(self, path: Path) -> None:
        """Write timeline, calls and events as JSON lines in order of time, for a failed test to keep."""
        rows: list[tuple[int, dict[str, object]]] = [(m.at_ns, {"moment": asdict(m)}) for m in self.timeline]
        rows += [(c.at_ns, {"api_call": asdict(c)}) for c in self.api_calls]
        rows += [(at, {"event": e}) for at, e in zip(self.event_times_ns, self.events, strict=True)]
        rows += [(d.started_ns, {"delivery": asdict(d) | {"events": len(d.events)}}) for d in self.deliveries]
        rows.sort(key=lambda row: row[0])
        with path.open("w") as file:
            for at_ns, row in rows:
                file.write(json.dumps({"at_ns": at_ns} | row, default=_plain) + "\n")


def _plain(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
