"""What the tests of the log path share: events as the platform writes them, and a processor with its surroundings."""

from __future__ import annotations

import json
from typing import Any

from thimble.config.structured import processing_rules
from thimble.core.drops import Drops
from thimble.core.logs.aggregator import LogAggregator
from thimble.core.logs.durable import DurableContext
from thimble.core.logs.options import LineOptions
from thimble.core.logs.processor import LogProcessor
from thimble.core.logs.rules import LogRules
from thimble.core.traces.facts import TraceFacts

R1 = "11111111-2222-3333-4444-555555555555"
ARN = "arn:aws:lambda:eu-west-1:210987654321:function:orders-api"
TIME = "2025-03-14T09:30:45.123Z"
TIME_MS = 1741944645123


def event(kind: str, record: Any, time: str = TIME) -> dict[str, Any]:
    return {"time": time, "type": kind, "record": record}


def start(request_id: str = R1, **more: Any) -> dict[str, Any]:
    return event("platform.start", {"requestId": request_id, **more})


def runtime_done(duration_ms: float | None = None, status: str = "success", **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"requestId": R1, "status": status, **more}
    if duration_ms is not None:
        record["metrics"] = {"durationMs": duration_ms}
    return event("platform.runtimeDone", record)


def report(metrics: dict[str, Any], status: str = "success", **more: Any) -> dict[str, Any]:
    return event("platform.report", {"requestId": R1, "status": status, "metrics": metrics, **more})


def billing(duration: float, billed: float, size: int = 128, used: int = 50, **more: Any) -> dict[str, Any]:
    return {"durationMs": duration, "billedDurationMs": billed, "memorySizeMB": size, "maxMemoryUsedMB": used, **more}


def init_start(**more: Any) -> dict[str, Any]:
    return event("platform.initStart", {"initializationType": "on-demand", "phase": "init", **more})


def post(*events: dict[str, Any]) -> bytes:
    return json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode()


def compiled_rules(*rules: dict[str, Any], saved: Drops | None = None) -> LogRules:
    """Rules as they come out of the settings."""
    return LogRules(processing_rules(list(rules), True, []), Drops() if saved is None else saved)


def rule(kind: str, pattern: str, placeholder: str | None = None, name: str = "n") -> dict[str, Any]:
    return {"type": kind, "name": name, "pattern": pattern, "replace_placeholder": placeholder}


def facts(*kept: str, contexts: dict[str, DurableContext] | None = None, unnamed: bool = False) -> TraceFacts:
    """What a payload said: requests whose trace is kept, durable executions, whether another trace is kept."""
    told = TraceFacts()
    told.kept_requests = list(kept)
    told.contexts = contexts or {}
    told.is_unnamed_kept = unnamed
    return told


class Path:
    """A processor, its aggregator and its counters."""

    def __init__(
        self,
        logs_on: bool = True,
        managed_instance: bool = False,
        entries_max: int = 1000,
        payload_bytes_max: int = 5_242_880,
        store_bytes_max: int = 32 << 20,
        options: LineOptions | None = None,
        saved: Drops | None = None,
    ) -> None:
        self.drops = Drops()
        self.saved = Drops() if saved is None else saved
        self.aggregator = LogAggregator(entries_max, payload_bytes_max, store_bytes_max, None, self.drops)
        self.processor = LogProcessor(
            ARN, "orders", "T", logs_on, self.aggregator, self.drops, managed_instance, options, self.saved
        )

    def ingest(self, *events: dict[str, Any]) -> list[Any]:
        return self.processor.ingest(post(*events), 0)

    def bodies(self) -> list[bytes]:
        return [payload.body for payload in self.aggregator.take()]

    def entries(self) -> list[dict[str, Any]]:
        """Everything queued so far, decoded, in order."""
        return [entry for body in self.bodies() for entry in json.loads(body)]

    def lines(self) -> list[tuple[str, str | None, str]]:
        """Text, request id and status of everything queued so far."""
        return [
            (entry["message"]["message"], entry["message"]["lambda"]["request_id"], entry["message"]["status"])
            for entry in self.entries()
        ]

    def texts(self) -> list[str]:
        return [line[0] for line in self.lines()]
