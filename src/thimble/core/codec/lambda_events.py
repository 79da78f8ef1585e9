"""Lifecycle events: the answers of the Extensions API to `/next`.

Source: AWS Lambda Extensions API reference, version 2020-01-01.
"""

from __future__ import annotations

from typing import Final

from thimble.core.errors import PeerError

UNKNOWN: Final = 0
INVOKE: Final = 1
SHUTDOWN: Final = 2


class BadLifecycleEvent(PeerError):
    """The Extensions API answered `/next` with something that is no event."""


class LifecycleEvent:
    """INVOKE or SHUTDOWN; what an event does not carry is empty or 0.

    Args:
        kind: `INVOKE`, `SHUTDOWN`, or `UNKNOWN` for an `eventType` that we do not know.
        deadline_ms: Unix milliseconds: when the function times out, or when SIGKILL comes. 0 when it is missing.
        request_id: Of the invocation.
        reason: `shutdownReason` in the platform's own spelling, of which there are several.
        type_name: `eventType` as sent.
    """

    def __init__(self, kind: int, deadline_ms: int, request_id: str, reason: str, type_name: str) -> None:
        self.kind = kind
        self.deadline_ms = deadline_ms
        self.request_id = request_id
        self.reason = reason
        self.type_name = type_name


def parse_lifecycle_event(body: bytes) -> LifecycleEvent:
    """Read one answer to `/next`. Unknown keys are ignored; bytes that are not UTF-8 are replaced.

    Raises:
        BadLifecycleEvent: Not a JSON object, or without a textual `eventType`.
    """
    import orjson

    try:
        event = orjson.loads(body.decode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        raise BadLifecycleEvent(f"not JSON: {body[:100]!r}") from None
    if not isinstance(event, dict):
        raise BadLifecycleEvent("not a JSON object")
    type_name = event.get("eventType")
    if not isinstance(type_name, str):
        raise BadLifecycleEvent("eventType is missing")
    deadline = event.get("deadlineMs")
    request_id = event.get("requestId")
    reason = event.get("shutdownReason")
    kind = INVOKE if type_name == "INVOKE" else SHUTDOWN if type_name == "SHUTDOWN" else UNKNOWN
    return LifecycleEvent(
        kind,
        int(deadline) if isinstance(deadline, (int, float)) and 0 < deadline < 1e17 else 0,
        request_id if isinstance(request_id, str) else "",
        reason if isinstance(reason, str) else "",
        type_name,
    )
