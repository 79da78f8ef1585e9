"""The trace agent's port, 8126, before traces are forwarded.

A tracer must never suffer from us: its payloads are read, answered as an agent answers them, and counted as dropped,
since nothing forwards them yet. `/info` lists only what is there, so tracers that look first turn the rest down. What
payloads say about invocations is read from them where a setting of the logs depends on it, and only there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.errors import InputError
from thimble.core.limits import TRACE_BODY_BYTES_MAX
from thimble.http.messages import Answer, Request
from thimble.http.server import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.drops import Drops
    from thimble.core.traces.facts import TraceFacts
    from thimble.http.parser import Head

DATA_TYPE: Final = "trace payloads"

_V04: Final = "/v0.4/traces"
_V05: Final = "/v0.5/traces"
_INFO: Final = b'{"endpoints":["/v0.4/traces","/v0.5/traces","/info"],"client_drop_p0s":false}'
_ANSWER: Final = b'{"rate_by_service":{}}'


class TraceAgentHandler(Handler):
    """Answers tracers and counts their payloads as dropped.

    Args:
        drops: Where they are counted.
        on_traces: Told what a payload says about invocations; without it nothing of a payload is looked at.
    """

    def __init__(self, drops: Drops, on_traces: Callable[[TraceFacts], None] | None) -> None:
        self._drops = drops
        self._on_traces = on_traces

    def body_limit(self, head: Head) -> int:
        return TRACE_BODY_BYTES_MAX

    async def handle(self, request: Request) -> Answer:
        if request.path == "/info":
            return Answer(200, _INFO)
        if request.path not in (_V04, _V05):
            return Answer(404, b"Not Found")
        if request.method not in ("POST", "PUT"):
            answer = Answer(405)
            answer.headers.append(("allow", "POST,PUT"))
            return answer
        if request.is_oversized:
            return Answer(413, b"length limit exceeded")
        if self._on_traces is not None:
            # Imported here: few ask for it, and a payload comes when the cold start is over.
            from thimble.core.traces.decode import read_v04, read_v05

            try:
                facts = read_v04(request.body) if request.path == _V04 else read_v05(request.body)
            except InputError as error:
                self._drops.add(DATA_TYPE, error.reason, 1)
                return Answer(500, f"Error deserializing trace from request body: {error}".encode())
            self._on_traces(facts)
        self._drops.add(DATA_TYPE, "traces_not_supported", 1)
        return Answer(200, _ANSWER)

    def failed(self) -> Answer:
        return Answer(200, _ANSWER)
