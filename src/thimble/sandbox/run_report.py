"""What one local run produced, put together per invocation: the model behind the console and `--json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from thimble.sandbox.decode import trace_chunks
from thimble.sandbox.intake_process import totals
from thimble.sandbox.received import Received
from thimble.sandbox.spec import InvokeResult

LOGGED_EVENTS: Final = {
    "platform.initStart": "INIT_START",
    "platform.start": "START",
    "platform.runtimeDone": "END",
    "platform.report": "REPORT",
}
"""Platform events that the extension turns into one log entry each, and the first word of that entry."""

OWN_PREFIX: Final = "DD_EXTENSION"
"""Begins the extension's own lines, with or without JSON around: `DD_EXTENSION | ERROR | ...`."""

OBJECT_KEY: Final = "(a JSON object)"


@dataclass(frozen=True)
class LogLine:
    """One log entry as Datadog gets it.

    Attributes:
        text: The message.
        status: `info`, `error`, ...
        timestamp_ms: Milliseconds since the epoch.
        request_id: The invocation it belongs to; empty when the entry names none.
        is_platform: Whether it is the platform's own line (INIT_START, START, END, REPORT).
    """

    text: str
    status: str
    timestamp_ms: int
    request_id: str
    is_platform: bool


@dataclass(frozen=True)
class Request:
    """One request of the extension to the intake, and what became of it."""

    product: str
    answer: int | str
    accepted: bool
    wire_bytes: int
    raw_bytes: int
    item_count: int
    held_ms: float
    """From the arrival of the body to the end of the answer; 0.0 when there was none."""
    problem: str

    @property
    def ratio(self) -> float:
        """How many times smaller it was on the wire."""
        return self.raw_bytes / self.wire_bytes if self.wire_bytes else 1.0


@dataclass
class Invocation:
    """One invocation: what the caller, the platform and Datadog saw of it. Durations are milliseconds."""

    number: int
    label: str
    result: InvokeResult
    started_ms: int
    """Wall clock, milliseconds since the epoch: INIT for a cold start, else the release of the runtime."""
    init_ms: float
    handler_ms: float
    after_ms: float
    """How long extensions held the environment after the runtime had finished."""
    duration_ms: float
    billed_ms: float
    memory_mb: int
    memory_used_mb: int
    outcome: str
    """`ok`, or the error's name: `Unhandled`, `Sandbox.Timedout`, `Runtime.ExitError`, ..."""
    logs: list[LogLine] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    """Requests that reached the intake while this invocation ran."""
    metrics: list[str] = field(default_factory=list)
    spans: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Whether the caller got the function's answer."""
        return self.outcome == "ok"

    @property
    def is_complete(self) -> bool:
        """Whether its last log line, REPORT, has arrived."""
        return any(line.is_platform and line.text.startswith("REPORT ") for line in self.logs)


@dataclass
class Shutdown:
    """How the extension ended."""

    duration_ms: float
    exit_codes: dict[str, int | None]
    requests: list[Request]


@dataclass
class RunReport:
    """The whole run."""

    function: str
    extension: str
    """What ran as the extension, in words; empty for none."""
    invocations: list[Invocation]
    shutdown: Shutdown
    totals: dict[str, dict[str, int]]
    unattributed: list[LogLine]
    """Log entries that name no invocation of this run."""
    lines_expected: int
    """Records that the platform generated and the extension should have shipped."""
    lines_arrived: int
    lost: list[str]
    """What an extension accepted from the platform and did not ship, in order of generation."""
    undelivered: list[str]
    """What no extension accepted from the platform, in order of generation."""
    own_lines: list[tuple[str, str]]
    """What the extensions printed themselves: status (`?` when they gave none) and text."""
    start_up: dict[str, float]
    """Milliseconds from process start: `<process>.register`, `<process>.next`, `init`."""
    violations: list[str]
    """Breaches of the platform's protocol."""

    @property
    def is_whole(self) -> bool:
        """Whether every line arrived and nobody broke the protocol."""
        return bool(self.extension) and not (self.lost or self.undelivered or self.violations)

    def as_dict(self) -> dict[str, Any]:
        """Describe the run in values that have a JSON form."""
        return {
            "function": self.function,
            "extension": self.extension,
            "invocations": [_invocation_dict(invocation) for invocation in self.invocations],
            "shutdown": _plain(self.shutdown),
            "totals": self.totals,
            "unattributed": [_plain(line) for line in self.unattributed],
            "lines": {
                "expected": self.lines_expected,
                "arrived": self.lines_arrived,
                "lost": self.lost,
                "undelivered": self.undelivered,
            },
            "own_lines": [{"status": status, "text": text} for status, text in self.own_lines],
            "start_up_ms": self.start_up,
            "violations": self.violations,
        }


METRICS_SHOWN_MAX: Final = 50
SPANS_SHOWN_MAX: Final = 100


def invocation_of(
    number: int, label: str, result: InvokeResult, events: Sequence[Mapping[str, Any]], memory_mb: int
) -> Invocation:
    """Put the platform's figures of one invocation together; logs and requests are added later.

    Args:
        number: 1 for the first.
        label: What the console calls it.
        result: What `invoke` returned.
        events: Telemetry events that the platform generated meanwhile, INIT included.
        memory_mb: Configured memory, for reports that lack it.
    """
    metrics = result.metrics
    done = (result.runtime_done or {}).get("metrics")
    duration_ms = float(metrics.get("durationMs", result.total_ms))
    init_ms = float(metrics.get("initDurationMs", 0.0))
    if not init_ms and result.cold:
        init_ms = _suppressed_init_ms(events)
        duration_ms = max(0.0, duration_ms - init_ms)
    handler_ms = float(done["durationMs"]) if isinstance(done, dict) else max(0.0, duration_ms - result.post_runtime_ms)
    outcome = result.error_type or result.function_error or "ok"
    return Invocation(
        number=number,
        label=label,
        result=result,
        started_ms=_started_ms(events),
        init_ms=init_ms,
        handler_ms=handler_ms,
        after_ms=result.post_runtime_ms,
        duration_ms=float(metrics.get("durationMs", result.total_ms)),
        billed_ms=float(metrics.get("billedDurationMs", 0.0)),
        memory_mb=int(metrics.get("memorySizeMB", memory_mb)),
        memory_used_mb=int(metrics.get("maxMemoryUsedMB", 0)),
        outcome=outcome,
    )


def log_lines(entries: Sequence[Any]) -> list[LogLine]:
    """Read decoded log entries of the intake; an entry of another shape becomes a line with its JSON as text."""
    return [_log_line(entry) for entry in entries]


def request_of(received: Received) -> Request:
    """Describe one request; decodes it."""
    return Request(
        product=received.product.name,
        answer=received.answer,
        accepted=received.accepted,
        wire_bytes=received.wire_bytes,
        raw_bytes=received.raw_bytes,
        item_count=received.item_count,
        held_ms=round(max(0.0, received.answered_s - received.time_s) * 1000, 1),
        problem=received.problem,
    )


def missing_lines(
    events: Sequence[Mapping[str, Any]], delivered: Sequence[Mapping[str, Any]], lines: Sequence[LogLine]
) -> tuple[int, list[str], list[str]]:
    """Compare what the platform recorded, what it could deliver, and what arrived at the intake.

    A line that arrived twice does not make up for another one. An extension's own line that could not be delivered is
    not missed: its last words, at the shutdown, never can be.

    Args:
        events: Telemetry events that the platform generated.
        delivered: Those of them that an extension accepted.
        lines: Log entries that arrived.

    Returns:
        How many records should have become a log entry; what an extension accepted and did not ship; and what no
        extension accepted. Both as texts, in order of generation.
    """
    arrived = Counter(_line_key(line) for line in lines)
    taken = Counter(_event_key(event) for event in delivered)
    objects = sum(count for key, count in arrived.items() if key[:1] in "{[")
    expected, lost, undelivered = 0, [], []
    for event in events:
        key = _event_key(event)
        if not key:
            continue
        if taken[key] <= 0:
            if event.get("type") != "extension":
                expected += 1
                undelivered.append(key)
            continue
        taken[key] -= 1
        expected += 1
        if key == OBJECT_KEY and objects > 0:  # shipped as JSON text whose spelling we do not predict
            objects -= 1
        elif arrived[key] > 0:
            arrived[key] -= 1
        else:
            lost.append(key)
    return expected, lost, undelivered


def own_lines(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return what the extensions printed themselves: status (`?` when they gave none) and text."""
    said = []
    for event in events:
        if event.get("type") != "extension":
            continue
        record = event.get("record")
        try:
            content = json.loads(record) if isinstance(record, str) else record
        except ValueError:
            content = None
        if isinstance(content, dict) and "message" in content:
            said.append((str(content.get("status", "?")).lower(), str(content["message"])))
        else:
            words = str(record).split(" | ", 2)
            has_level = len(words) == 3 and words[0] == OWN_PREFIX
            said.append((words[1].lower() if has_level else "?", str(record)))
    return said


def run_totals(received: Sequence[Received]) -> dict[str, dict[str, int]]:
    """Sum up requests per product; see `intake_process.totals`."""
    return totals(list(received))


def metric_texts(received: Sequence[Received]) -> list[str]:
    """One line per series or sketch in these requests: `name = value` or `name: count, min, max`, then its tags."""
    texts = []
    for request in received:
        content = request.content
        if not request.accepted or not isinstance(content, dict):
            continue
        for series in content.get("series") or ():
            values = ", ".join(str(point.get("value")) for point in series.get("points") or ())
            texts.append(f"{series.get('metric')} = {values}")
        for sketch in content.get("sketches") or ():
            texts += [
                f"{sketch.get('metric')}: {bucket.get('cnt', 0)} x, "
                f"{bucket.get('min', 0.0):g} to {bucket.get('max', 0.0):g}, sum {bucket.get('sum', 0.0):g}"
                for bucket in sketch.get("dogsketches") or ()
            ]
    return texts[:METRICS_SHOWN_MAX]


def span_texts(received: Sequence[Received]) -> list[str]:
    """One line per span in these requests: service, name, resource, milliseconds, and whether it failed."""
    texts = []
    for request in received:
        if request.product.name != "traces" or not request.accepted or request.content is None:
            continue
        for chunk in trace_chunks(request.content):
            for span in chunk.get("spans", ()):
                failed = ", error" if span.get("error") else ""
                texts.append(
                    f"{span.get('service', '')} {span.get('name', '')} {span.get('resource', '')} "
                    f"{span.get('duration', 0) / 1e6:.2f} ms{failed}"
                )
    return texts[:SPANS_SHOWN_MAX]


def event_time_ms(event: Mapping[str, Any]) -> int:
    """Milliseconds since the epoch of one telemetry event."""
    return int(datetime.fromisoformat(str(event["time"])).timestamp() * 1000)


def _started_ms(events: Sequence[Mapping[str, Any]]) -> int:
    for event in events:
        if event.get("type") in ("platform.initStart", "platform.start"):
            return event_time_ms(event)
    return 0


def _suppressed_init_ms(events: Sequence[Mapping[str, Any]]) -> float:
    for event in reversed(events):
        record = event.get("record")
        if event.get("type") == "platform.initReport" and isinstance(record, Mapping):
            if record.get("phase") != "invoke":
                return 0.0
            return float(record.get("metrics", {}).get("durationMs", 0.0))
    return 0.0


def _log_line(entry: Any) -> LogLine:
    message = entry.get("message") if isinstance(entry, dict) else None
    if not isinstance(message, dict):
        return LogLine(str(entry), "?", 0, "", False)
    text = str(message.get("message", ""))
    request_id = (message.get("lambda") or {}).get("request_id") or ""
    is_platform = text.startswith(("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: "))
    return LogLine(
        text, str(message.get("status", "?")), int(message.get("timestamp", 0)), str(request_id), is_platform
    )


def _event_key(event: Mapping[str, Any]) -> str:
    """What an event and its log entry have in common; empty for an event that becomes none."""
    kind, record = str(event.get("type")), event.get("record")
    if kind in ("function", "extension"):
        return record.rstrip("\n") if isinstance(record, str) else OBJECT_KEY
    if kind not in LOGGED_EVENTS or not isinstance(record, Mapping):
        return ""
    word = LOGGED_EVENTS[kind]
    return word if word == "INIT_START" else f"{word} RequestId: {record.get('requestId')}"


def _line_key(line: LogLine) -> str:
    if not line.is_platform:
        return line.text.rstrip("\n")
    words = line.text.split(" ")
    return words[0] if words[0] == "INIT_START" else " ".join(words[:3])


def _invocation_dict(invocation: Invocation) -> dict[str, Any]:
    described: dict[str, Any] = _plain(invocation)
    result = invocation.result
    described["result"] = {
        "request_id": result.request_id,
        "status_code": result.status_code,
        "function_error": result.function_error,
        "error_type": result.error_type,
        "payload": result.payload.decode("utf-8", "replace"),
        "cold": result.cold,
        "wall_ms": result.wall_ms,
        "total_ms": result.total_ms,
        "post_runtime_ms": result.post_runtime_ms,
        "report": result.report,
        "runtime_done": result.runtime_done,
    }
    return described


def _plain(value: Any) -> Any:
    """Turn our own objects into dictionaries, one level of fields at a time."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, InvokeResult):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
