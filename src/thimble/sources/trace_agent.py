"""The trace agent's port, 8126, before traces are collected.

A tracer must never suffer from us: its payloads are read, answered as an agent answers them, and counted as dropped,
since nothing forwards them yet. `/info` lists no endpoint, so tracers that look first turn themselves down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.limits import TRACE_BODY_BYTES_MAX
from thimble.http.messages import Answer, Request
from thimble.http.server import Handler

if TYPE_CHECKING:
    from thimble.core.drops import Drops
    from thimble.http.parser import Head

_TRACE_PATHS: Final = ("/v0.4/traces", "/v0.5/traces")
_INFO: Final = b'{"endpoints":["/v0.4/traces","/v0.5/traces","/info"],"client_drop_p0s":false}'


class TraceAgentHandler(Handler):
    """Answers tracers and counts their payloads as dropped."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops

    def body_limit(self, head: Head) -> int:
        return TRACE_BODY_BYTES_MAX

    async def handle(self, request: Request) -> Answer:
        if request.path == "/info":
            return Answer(200, _INFO)
        if request.path not in _TRACE_PATHS:
            return Answer(404, b"Not Found")
        if request.method not in ("POST", "PUT"):
            answer = Answer(405)
            answer.headers.append(("allow", "POST,PUT"))
            return answer
        if request.is_oversized:
            return Answer(413, b"length limit exceeded")
        self._drops.add("trace payloads", "traces_not_supported", 1)
        return Answer(200, b'{"rate_by_service":{}}')

    def failed(self) -> Answer:
        return Answer(200, b'{"rate_by_service":{}}')
