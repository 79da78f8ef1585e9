"""Lines of durable functions: held until a trace tells which execution their request belongs to.

Whether the function is durable is known from `platform.initStart` on. Until then every line of a request is held, after
that those of requests without a context, or none. Without a configured number of requests nothing of this happens.

Source: specification of logs, "Durable functions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.logs.entries import json_text

if TYPE_CHECKING:
    from thimble.core.logs.line import Line, LineSender

RUNTIME_MARK: Final = "DurableFunction"
"""Part of the runtime version of a durable function."""

SPAN_NAME: Final = "aws.lambda"
"""Name of the span that a client library makes of an invocation."""

UNKNOWN: Final = 0
DURABLE: Final = 1
ORDINARY: Final = 2

NOT_TOLD: Final = -1

_START: Final = b'"START RequestId:'
_END: Final = b'"END RequestId:'
_REPORT: Final = b'"REPORT RequestId:'


class DurableContext:
    """What a span told about a request.

    Args:
        name: Of the execution.
        execution_id: Of the execution.
        first_invocation: 1 if the request began the execution, 0 if it resumed it, `NOT_TOLD`.
        status: Of the execution after the request; empty if not told.
    """

    def __init__(self, name: str, execution_id: str, first_invocation: int = NOT_TOLD, status: str = "") -> None:
        self.name = name
        self.execution_id = execution_id
        self.first_invocation = first_invocation
        self.status = status

    def members(self, text_json: bytes, has_end_line: bool) -> bytes:
        """Members of the entry's `lambda` object for one line, each with a comma before it.

        Args:
            text_json: The line; some members stand on platform lines only.
            has_end_line: Whether invocations end with END rather than with REPORT.
        """
        parts = [
            b',"durable_function.execution_id":',
            json_text(self.execution_id),
            b',"durable_function.execution_name":',
            json_text(self.name),
        ]
        is_end = text_json.startswith(_END)
        is_report = text_json.startswith(_REPORT)
        if self.first_invocation != NOT_TOLD and (is_end or is_report or text_json.startswith(_START)):
            value = b"true" if self.first_invocation else b"false"
            parts.append(b',"durable_function.first_invocation":' + value)
        if self.status and (is_end or (is_report and not has_end_line)):
            parts.append(b',"durable_function.execution_status":' + json_text(self.status))
        return b"".join(parts)


def context_of_span(name: str, meta: dict[str, str]) -> tuple[str, DurableContext] | None:
    """The request id and the context that a span tells, or None for a span that tells none.

    Args:
        name: Of the span; only the function's own span tells.
        meta: Of the span.
    """
    if name != SPAN_NAME:
        return None
    request_id = meta.get("request_id")
    execution_id = meta.get("aws.durable.execution_id")
    execution_name = meta.get("aws.durable.execution_name")
    if request_id is None or execution_id is None or execution_name is None:
        return None
    first = meta.get("aws.durable.first_invocation")
    first_invocation = NOT_TOLD if first is None else int(first == "true")
    status = meta.get("aws.durable.execution_status", "")
    return request_id, DurableContext(execution_name, execution_id, first_invocation, status)


class DurableLines:
    """Holds lines by request, oldest request first.

    Args:
        sender: Where lines go.
        requests_max: Requests whose lines are held, at least 1. One more sends those of the oldest as they are.
        bytes_max: Bytes of all held lines; above it the oldest request's lines are sent as they are.
        contexts_max: Requests with a known context; the oldest is forgotten.
        has_end_line: False for managed instances, whose invocations end with REPORT.

    Attributes:
        state: `UNKNOWN`, `DURABLE` or `ORDINARY`.
    """

    def __init__(
        self, sender: LineSender, requests_max: int, bytes_max: int, contexts_max: int, has_end_line: bool
    ) -> None:
        assert requests_max > 0
        self.state = UNKNOWN
        self._sender = sender
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._contexts_max = contexts_max
        self._has_end_line = has_end_line
        self._held: dict[str, list[Line]] = {}
        self._held_bytes = 0
        self._contexts: dict[str, DurableContext] = {}

    def take(self, line: Line, request_id: str) -> None:
        """Send a line, with its execution if that is known, or hold it."""
        if self.state == ORDINARY or not request_id or line.durable is not None:
            self._sender.send(line, request_id)
            return
        context = self._contexts.get(request_id) if self.state == DURABLE else None
        if context is not None:
            self._sender.send(line, request_id, context.members(line.text_json, self._has_end_line))
            return
        lines = self._held.get(request_id)
        if lines is None:
            if len(self._held) >= self._requests_max:
                self._send_oldest()
            self._held[request_id] = [line]
        else:
            lines.append(line)
        self._held_bytes += line.held_bytes
        while self._held_bytes > self._bytes_max:
            self._send_oldest()

    def on_init_start(self, runtime_version: str) -> None:
        """The function's kind is known now."""
        self.state = DURABLE if RUNTIME_MARK in runtime_version else ORDINARY
        if self.state == ORDINARY:
            self.send_all()
        else:
            for request_id in list(self._held):
                if request_id in self._contexts:
                    self._send_held(request_id)

    def add_context(self, request_id: str, context: DurableContext) -> None:
        """A span told about a request; only the first word about it counts."""
        if request_id in self._contexts:
            return
        if len(self._contexts) >= self._contexts_max:
            for oldest in self._contexts:
                del self._contexts[oldest]
                break
        self._contexts[request_id] = context
        if self.state == DURABLE and request_id in self._held:
            self._send_held(request_id)

    def send_all(self) -> None:
        """Send every held line as it is, oldest request first."""
        while self._held:
            self._send_oldest()

    def _send_oldest(self) -> None:
        for request_id in self._held:
            for line in self._removed(request_id):
                self._sender.send(line, request_id)
            break

    def _send_held(self, request_id: str) -> None:
        context = self._contexts[request_id]
        for line in self._removed(request_id):
            self._sender.send(line, request_id, context.members(line.text_json, self._has_end_line))

    def _removed(self, request_id: str) -> list[Line]:
        lines = self._held.pop(request_id)
        for line in lines:
            self._held_bytes -= line.held_bytes
        return lines
