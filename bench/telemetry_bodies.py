"""Bodies of telemetry POSTs: the platform's events of an invocation, and log lines like those of real functions.

Everything is made from a fixed seed: two runs send the same bytes.
"""

from __future__ import annotations

import json
import random
from typing import Any

TIME = "2026-01-02T03:04:05.678Z"
LINE_BYTES = 300
POST_BYTES_MAX = 256 * 1024
"""What the extension subscribes to: a batch of at most 262,144 bytes."""

_WORDS = (
    "order", "payment", "customer", "accepted", "rejected", "queue", "retry", "latency", "database", "cache", "timeout",
    "region", "batch", "checkout", "inventory", "shipment", "invoice", "webhook", "session", "upstream", "handler",
)  # fmt: skip


def request_id(number: int) -> str:
    """A request id in AWS's form, the same for the same number."""
    return f"8a6f1c1e-5b1d-4c2a-9d3e-{number:012x}"


def event(kind: str, record: Any) -> dict[str, Any]:
    return {"time": TIME, "type": kind, "record": record}


def start(identity: str) -> dict[str, Any]:
    return event("platform.start", {"requestId": identity, "version": "$LATEST"})


def runtime_done(identity: str) -> dict[str, Any]:
    metrics = {"durationMs": 20.123, "producedBytes": 4}
    return event("platform.runtimeDone", {"requestId": identity, "status": "success", "metrics": metrics})


def report(identity: str) -> dict[str, Any]:
    metrics = {"durationMs": 21.5, "billedDurationMs": 22, "memorySizeMB": 512, "maxMemoryUsedMB": 90}
    return event("platform.report", {"requestId": identity, "status": "success", "metrics": metrics})


def lines(count: int, size: int = LINE_BYTES, seed: int = 1) -> list[str]:
    """Log lines of exactly `size` bytes in the form of the Python run-time, with ids and numbers that differ."""
    source = random.Random(seed)
    made = []
    for number in range(count):
        text = (
            f"[INFO]\t{TIME}\t{request_id(source.getrandbits(40))}\t"
            f'{{"order":{source.randrange(10**9)},"ms":{source.random() * 900:.3f},"step":{number},"text":"'
        )
        while len(text) < size:
            text += source.choice(_WORDS) + " "
        made.append(text[: size - 2] + '"}')
    return made


def encode(events: list[dict[str, Any]]) -> bytes:
    """As the platform writes it: one JSON array."""
    return json.dumps(events, separators=(",", ":")).encode()


def posts(texts: list[str], bytes_max: int = POST_BYTES_MAX) -> list[bytes]:
    """Function log lines in as few bodies as fit below `bytes_max` each."""
    bodies = []
    encoded: list[bytes] = []
    size = 2
    for text in texts:
        item = json.dumps(event("function", text), separators=(",", ":")).encode()
        if encoded and size + len(item) + 1 > bytes_max:
            bodies.append(b"[" + b",".join(encoded) + b"]")
            encoded, size = [], 2
        encoded.append(item)
        size += len(item) + 1
    if encoded:
        bodies.append(b"[" + b",".join(encoded) + b"]")
    return bodies
