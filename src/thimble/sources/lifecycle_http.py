"""The lifecycle endpoints that client libraries call: port 8124.

Tracers report the start and the end of an invocation here, and the legacy hello and flush calls are answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.lifecycle.end_call import EndCall, read_end_call
from thimble.core.limits import LIFECYCLE_BODY_BYTES_MAX
from thimble.http.messages import Answer, Request
from thimble.http.server import Handler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thimble.http.parser import Head

_METHODS: Final = {
    "/lambda/start-invocation": "POST",
    "/lambda/end-invocation": "POST",
    "/lambda/hello": "GET",
    "/lambda/flush": "POST",
}


class LifecycleHandler(Handler):
    """Answers the lifecycle calls.

    Args:
        on_end: Called when a tracer says that its invocation is over.
        flush: Sends everything, for the flush call.
    """

    def __init__(self, on_end: Callable[[EndCall], None], flush: Callable[[], Awaitable[None]]) -> None:
        self._on_end = on_end
        self._flush = flush

    def body_limit(self, head: Head) -> int:
        return LIFECYCLE_BODY_BYTES_MAX

    async def handle(self, request: Request) -> Answer:
        path = request.path
        method = _METHODS.get(path)
        if method is None:
            return Answer(404)
        if request.method != method:
            answer = Answer(405)
            answer.headers.append(("allow", method))
            return answer
        if path == "/lambda/end-invocation":
            self._on_end(read_end_call(request.head.headers, request.body))
        elif path == "/lambda/flush":
            await self._flush()
        return Answer(200, b"{}")

    def failed(self) -> Answer:
        return Answer(200, b"{}")
