"""Telemetry events as Lambda words them, and lifecycle events."""

from __future__ import annotations

import datetime
import time
import uuid
from typing import Any

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders-api"
Event = dict[str, Any]


def now_text() -> str:
    """The time now, as the Telemetry API writes it."""
    text = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def event(kind: str, record: object) -> Event:
    return {"time": now_text(), "type": kind, "record": record}


def new_request_id() -> str:
    return str(uuid.uuid4())


def start(request_id: str) -> Event:
    return event("platform.start", {"requestId": request_id, "version": "$LATEST"})


def runtime_done(request_id: str, status: str = "success", has_metrics: bool = True) -> Event:
    record: Event = {"requestId": request_id, "status": status}
    if has_metrics:
        record["metrics"] = {"durationMs": 20.123, "producedBytes": 4}
    return event("platform.runtimeDone", record)


def report(request_id: str) -> Event:
    metrics = {"durationMs": 21.5, "billedDurationMs": 22, "memorySizeMB": 512, "maxMemoryUsedMB": 90}
    return event("platform.report", {"requestId": request_id, "status": "success", "metrics": metrics})


def function_line(text: object) -> Event:
    return event("function", text)


def invoke(request_id: str, timeout_ms: int) -> Event:
    return {
        "eventType": "INVOKE",
        "deadlineMs": time.time_ns() // 1_000_000 + timeout_ms,
        "requestId": request_id,
        "invokedFunctionArn": ARN,
    }


def shutdown(reason: str = "spindown", budget_ms: int = 2000) -> Event:
    return {
        "eventType": "SHUTDOWN",
        "shutdownReason": reason,
        "deadlineMs": time.time_ns() // 1_000_000 + budget_ms,
    }
