"""Platform events of the Telemetry API: one JSON object each, read with tolerance.

Unknown types are no events, unknown keys and enumeration values pass, integers serve as floats and integral floats as
integers. Only a key without which an event means nothing makes it invalid.

Source: AWS Lambda Telemetry API, event schema reference, versions 2022-12-13 and 2025-01-29.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.rfc3339 import INVALID_TIME_MS, parse_time_ms

if TYPE_CHECKING:
    JsonObject = dict[str, object]

INIT_START: Final = "platform.initStart"
INIT_RUNTIME_DONE: Final = "platform.initRuntimeDone"
INIT_REPORT: Final = "platform.initReport"
START: Final = "platform.start"
RUNTIME_DONE: Final = "platform.runtimeDone"
REPORT: Final = "platform.report"
EXTENSION: Final = "platform.extension"
TELEMETRY_SUBSCRIPTION: Final = "platform.telemetrySubscription"
LOGS_DROPPED: Final = "platform.logsDropped"
RESTORE_START: Final = "platform.restoreStart"
RESTORE_RUNTIME_DONE: Final = "platform.restoreRuntimeDone"
RESTORE_REPORT: Final = "platform.restoreReport"

OUT_OF_MEMORY: Final = "out_of_memory"
"""Not from the platform: a log line told that a runtime ran out of memory. `request_id` may be empty."""

STATUS_SUCCESS: Final = "success"
STATUS_ERROR: Final = "error"
STATUS_FAILURE: Final = "failure"
STATUS_TIMEOUT: Final = "timeout"


class TelemetrySpan:
    """One phase inside a `platform.runtimeDone` or `platform.report`, e.g. `responseLatency`."""

    def __init__(self, name: str, start_ms: int, duration_ms: float) -> None:
        self.name = name
        self.start_ms = start_ms
        self.duration_ms = duration_ms


class TelemetryEvent:
    """One platform event. What an event lacks is empty, zero or None, as its type says.

    `kind` is the wire name (`platform.start`, ...) or `OUT_OF_MEMORY`; `time_ms` is Unix milliseconds.
    `is_on_demand_shape` tells a `platform.report` with billing figures from the one of a managed instance,
    which has `duration_ms` only.
    """

    def __init__(self, kind: str, time_ms: int, request_id: str = "") -> None:
        self.kind = kind
        self.time_ms = time_ms
        self.request_id = request_id
        self.version: str | None = None
        self.status = ""
        self.error_type: str | None = None
        self.runtime_version: str | None = None
        self.runtime_version_arn: str | None = None
        self.init_type = ""
        self.phase = ""
        self.has_metrics = False
        self.is_on_demand_shape = False
        self.duration_ms = 0.0
        self.billed_duration_ms = 0
        self.memory_size_mb = 0
        self.max_memory_used_mb = 0
        self.init_duration_ms: float | None = None
        self.restore_duration_ms: float | None = None
        self.produced_bytes: int | None = None
        self.spans: list[TelemetrySpan] = []
        self.name = ""
        self.state = ""
        self.reason = ""
        self.dropped_records = 0
        self.dropped_bytes = 0

    def __repr__(self) -> str:
        return f"TelemetryEvent({self.kind!r}, {self.time_ms}, {self.request_id!r})"


def parse_platform_event(kind: str, time_ms: int, record: object) -> TelemetryEvent | None:
    """Read the `record` of one event whose `type` is `kind`.

    A `platform.runtimeDone` whose metrics cannot be read counts as one without metrics: it still ends its invocation.

    Returns:
        The event, or None when the type is unknown or a required key is missing or of the wrong type.
    """
    if not isinstance(record, dict):
        return None
    event = TelemetryEvent(kind, time_ms)
    event.error_type = _optional_text(record, "errorType")
    known = False
    if kind == START:
        known = _read_start(event, record)
    elif kind == RUNTIME_DONE:
        known = _read_runtime_done(event, record)
    elif kind == REPORT:
        known = _read_report(event, record)
    elif kind in (INIT_START, INIT_RUNTIME_DONE, INIT_REPORT):
        known = _read_init(event, record)
    elif kind in (RESTORE_REPORT, RESTORE_RUNTIME_DONE):
        known = _read_status(event, record)
        _read_duration(event, record)
    elif kind == RESTORE_START:
        known = True
    elif kind in (EXTENSION, TELEMETRY_SUBSCRIPTION):
        name = _optional_text(record, "name")
        state = _optional_text(record, "state")
        known = name is not None and state is not None
        event.name = name or ""
        event.state = state or ""
    elif kind == LOGS_DROPPED:
        known = _read_logs_dropped(event, record)
    return event if known else None


def _read_start(event: TelemetryEvent, record: JsonObject) -> bool:
    event.version = _optional_text(record, "version")
    return _read_request_id(event, record)


def _read_runtime_done(event: TelemetryEvent, record: JsonObject) -> bool:
    if not _read_request_id(event, record) or not _read_status(event, record):
        return False
    _read_duration(event, record)
    metrics = record.get("metrics")
    if event.has_metrics and isinstance(metrics, dict):
        event.produced_bytes = _optional_count(metrics, "producedBytes")
    event.spans = _spans(record)
    return True


def _read_report(event: TelemetryEvent, record: JsonObject) -> bool:
    if not _read_request_id(event, record) or not _read_status(event, record):
        return False
    _read_duration(event, record)
    metrics = record.get("metrics")
    if not event.has_metrics or not isinstance(metrics, dict):
        return False
    billed_duration_ms = _optional_count(metrics, "billedDurationMs")
    memory_size_mb = _optional_count(metrics, "memorySizeMB")
    max_memory_used_mb = _optional_count(metrics, "maxMemoryUsedMB")
    if billed_duration_ms is not None and memory_size_mb is not None and max_memory_used_mb is not None:
        event.is_on_demand_shape = True
        event.billed_duration_ms = billed_duration_ms
        event.memory_size_mb = memory_size_mb
        event.max_memory_used_mb = max_memory_used_mb
        event.init_duration_ms = _optional_number(metrics, "initDurationMs")
        event.restore_duration_ms = _optional_number(metrics, "restoreDurationMs")
    event.spans = _spans(record)
    return True


def _read_init(event: TelemetryEvent, record: JsonObject) -> bool:
    init_type = _optional_text(record, "initializationType")
    phase = _optional_text(record, "phase")
    if init_type is None:
        return False
    event.init_type = init_type
    event.phase = phase or ""
    if event.kind == INIT_RUNTIME_DONE:
        return _read_status(event, record)
    if phase is None:
        return False
    if event.kind == INIT_REPORT:
        _read_status(event, record)
        _read_duration(event, record)
        return event.has_metrics
    event.runtime_version = _optional_text(record, "runtimeVersion")
    event.runtime_version_arn = _optional_text(record, "runtimeVersionArn")
    return True


def _read_logs_dropped(event: TelemetryEvent, record: JsonObject) -> bool:
    reason = _optional_text(record, "reason")
    dropped_records = _optional_count(record, "droppedRecords")
    dropped_bytes = _optional_count(record, "droppedBytes")
    if reason is None or dropped_records is None or dropped_bytes is None:
        return False
    event.reason = reason
    event.dropped_records = dropped_records
    event.dropped_bytes = dropped_bytes
    return True


def _read_request_id(event: TelemetryEvent, record: JsonObject) -> bool:
    request_id = _optional_text(record, "requestId")
    event.request_id = request_id or ""
    return request_id is not None


def _read_status(event: TelemetryEvent, record: JsonObject) -> bool:
    status = _optional_text(record, "status")
    event.status = status or ""
    return status is not None


def _read_duration(event: TelemetryEvent, record: JsonObject) -> None:
    metrics = record.get("metrics")
    if isinstance(metrics, dict):
        duration_ms = _optional_number(metrics, "durationMs")
        if duration_ms is not None:
            event.has_metrics = True
            event.duration_ms = duration_ms


def _spans(record: JsonObject) -> list[TelemetrySpan]:
    """Read `spans`; a span that cannot be read is left out."""
    spans: list[TelemetrySpan] = []
    items = record.get("spans")
    if isinstance(items, list):
        for item in items:
            if isinstance(item, dict):
                name = _optional_text(item, "name")
                start = _optional_text(item, "start")
                duration_ms = _optional_number(item, "durationMs")
                if name is not None and start is not None and duration_ms is not None:
                    start_ms = parse_time_ms(start)
                    if start_ms != INVALID_TIME_MS:
                        spans.append(TelemetrySpan(name, start_ms, duration_ms))
    return spans


def _optional_text(record: JsonObject, key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None


def _optional_number(record: JsonObject, key: str) -> float | None:
    value = record.get(key)
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return None


def _optional_count(record: JsonObject, key: str) -> int | None:
    """Read a non-negative integer; `6.0` counts as 6."""
    value = record.get(key)
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value >= 0:
        return value
    return None
