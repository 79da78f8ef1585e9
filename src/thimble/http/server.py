"""The loopback servers: one listener, one task per connection, one handler per port.

A body within the route's limit is read whole; one above it is read and thrown away, so that the client sees an answer
instead of a broken connection. Answers are sent before the next request is read: a client that pipelines waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..reactor.errors import ReactorError
from ..reactor.loop import NO_DEADLINE, Loop, Signal, Task
from ..reactor.streams import RECEIVE_BYTES, Listener, SocketStream
from .messages import Answer, Request
from .parser import Head, MessageParser, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from socket import socket as Socket
    from typing import Any

CONNECTIONS_MAX: Final = 256
"""Open connections per port. For a further one the one that idles longest is closed; when none idles, it waits."""

REQUEST_TIMEOUT_MS: Final = 30_000
"""From the first byte of a request to its last; frozen time does not count."""

DISCARD_BYTES_MAX: Final = 256 * 1024 * 1024
"""An oversized body is read to here, then the connection is closed."""

LINGER_MS: Final = 1_000
LINGER_BYTES_MAX: Final = 1024 * 1024
"""After a refusal we read on for so long and so much: closing at once would reset the connection under our answer."""


class Handler:
    """What one port does. One instance serves all connections of the port."""

    def body_limit(self, head: Head) -> int:
        """The largest body in bytes that this request may have."""
        raise AssertionError

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        raise AssertionError

    def failed(self) -> Answer:
        """The answer when `handle` has a defect: whatever harms the client least."""
        return Answer(500)


class FunctionHandler(Handler):
    """A handler made of functions, for interpreted code: it cannot derive from a compiled class.

    Args:
        body_limit: As the method.
        handle: As the method.
    """

    def __init__(
        self, body_limit: Callable[[Head], int], handle: Callable[[Request], Coroutine[Any, Any, Answer]]
    ) -> None:
        self._body_limit = body_limit
        self._handle = handle

    def body_limit(self, head: Head) -> int:
        return self._body_limit(head)

    async def handle(self, request: Request) -> Answer:
        return await self._handle(request)


class HttpServer:
    """Serves a listening socket until `stop`."""

    def __init__(
        self, loop: Loop, sock: Socket, handler: Handler, name: str, on_defect: Callable[[str, Exception], None]
    ) -> None:
        """Begin to serve.

        Args:
            sock: Bound and listening; owned from now on.
            on_defect: Told when the handler raises; the client gets `Handler.failed` all the same.
        """
        self._loop = loop
        self._on_defect = on_defect
        self._listener = Listener(loop, sock)
        self._handler = handler
        self._name = name
        self._connections: list[_Connection] = []
        self._one_ended = Signal()
        self._is_stopping = False
        self._arriving: SocketStream | None = None
        self._acceptor = loop.spawn(self._accept(), f"{name} listener")

    async def _accept(self) -> None:
        while not self._is_stopping:
            try:
                stream = await self._listener.accept()
            except ReactorError:
                return
            self._arriving = stream
            if not await self._make_room():
                stream.close()
                return
            connection = _Connection(self._loop, stream, self._handler, self)
            self._connections.append(connection)
            connection.task = self._loop.spawn(connection.serve(), f"{self._name} connection")
            self._arriving = None

    async def _make_room(self) -> bool:
        """Forget connections that are over, and wait until there are fewer than `CONNECTIONS_MAX`; False at `stop`."""
        self._connections = [other for other in self._connections if not other.is_over]
        while len(self._connections) >= CONNECTIONS_MAX and not self._is_stopping:
            self._loop.clear_signal(self._one_ended)
            longest: _Connection | None = None
            for connection in self._connections:
                if not connection.is_busy and (longest is None or connection.idle_since_ns < longest.idle_since_ns):
                    longest = connection
            if longest is not None:
                longest.cancel()
            await self._loop.wait_signal(self._one_ended)
            self._connections = [other for other in self._connections if not other.is_over]
        return not self._is_stopping

    def tell_end(self) -> None:
        """A connection is closed."""
        self._loop.set_signal(self._one_ended)

    def check(self) -> None:
        """After a defect: end what nobody serves any more, since a client must not wait for an answer in vain."""
        for connection in self._connections:
            connection.abort_if_broken()
        if self._acceptor.is_done:
            if self._arriving is not None:
                self._arriving.abort()
            self._listener.close()

    def tell_defect(self, error: Exception) -> None:
        """A handler raised what it must not."""
        self._on_defect(self._name, error)

    async def stop(self, deadline_ns: int) -> None:
        """Refuse new connections, let running requests finish until the deadline, close everything."""
        self._is_stopping = True
        self._listener.close()
        self._loop.set_signal(self._one_ended)
        if not await self._loop.join(self._acceptor, deadline_ns):
            self._loop.cancel(self._acceptor)
            await self._loop.join(self._acceptor)
        for connection in self._connections:
            connection.is_last = True
            if not connection.is_busy:
                connection.cancel()
        for connection in self._connections:
            if not await connection.join(deadline_ns):
                connection.cancel()
                await connection.join(NO_DEADLINE)
        self._connections = []


class _Connection:
    def __init__(self, loop: Loop, stream: SocketStream, handler: Handler, server: HttpServer) -> None:
        self._loop = loop
        self._server = server
        self._stream = stream
        self._handler = handler
        self._parser = MessageParser(True)
        self.is_busy = False
        self.idle_since_ns = loop.now_ns()
        self.is_last = False
        self._deadline_ns = NO_DEADLINE
        self.task: Task | None = None

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.is_done

    def abort_if_broken(self) -> None:
        if self.task is not None and self.task.error is not None:
            self._stream.abort()

    async def join(self, deadline_ns: int) -> bool:
        return self.task is None or await self._loop.join(self.task, deadline_ns)

    def cancel(self) -> None:
        if self.task is not None:
            self._loop.cancel(self.task)

    async def serve(self) -> None:
        try:
            while not self.is_last:
                self.is_busy = False
                self.idle_since_ns = self._loop.now_ns()
                head = await self._read_head()
                if head is None:
                    return
                self.is_busy = True
                if not await self._serve_one(head):
                    return
        except ProtocolError as error:
            await self._refuse(error)
        except ReactorError:
            return  # the client went away or fell asleep; there is nobody to tell
        finally:
            self._stream.close()
            self._server.tell_end()

    async def _read_head(self) -> Head | None:
        """The next request, or None when the client has closed the connection between two."""
        self._deadline_ns = NO_DEADLINE
        while True:
            head = self._parser.next_head()
            if head is not None:
                return head
            data = await self._stream.receive(RECEIVE_BYTES, self._deadline_ns)
            if not data:
                self._parser.end_of_stream()
                return None
            self.is_busy = True
            if self._deadline_ns == NO_DEADLINE:
                self._deadline_ns = self._loop.deadline_in_ms(REQUEST_TIMEOUT_MS)
            self._parser.feed(data)

    async def _serve_one(self, head: Head) -> bool:
        """Read the body, answer, and tell whether the connection goes on."""
        if self._deadline_ns == NO_DEADLINE:  # it came together with the request before
            self._deadline_ns = self._loop.deadline_in_ms(REQUEST_TIMEOUT_MS)
        limit = self._handler.body_limit(head)
        if head.expects_continue and not self._parser.is_complete and not self._parser.has_pending:
            await self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n", self._deadline_ns)
        pieces: list[bytes] = []
        size = 0
        while not self._parser.is_complete:
            piece = self._parser.next_piece()
            if piece is not None:
                size += len(piece)
                if size <= limit:
                    pieces.append(piece)
                else:
                    pieces.clear()
                    if size > DISCARD_BYTES_MAX:
                        raise ProtocolError(413, f"body above {DISCARD_BYTES_MAX} bytes")
            elif not self._parser.is_complete:
                data = await self._stream.receive(RECEIVE_BYTES, self._deadline_ns)
                if not data:
                    self._parser.end_of_stream()
                self._parser.feed(data)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        try:
            answer = await self._handler.handle(Request(head, body, size > limit))
        except Exception as error:
            self._server.tell_defect(error)
            answer = self._handler.failed()
        closes = answer.closes or not head.keeps_alive or self.is_last
        answer_ns = self._loop.deadline_in_ms(REQUEST_TIMEOUT_MS)
        await self._stream.send(answer.encode(closes, head.method != "HEAD"), answer_ns)
        return not closes

    async def _refuse(self, error: ProtocolError) -> None:
        answer = Answer(error.status, str(error).encode())
        deadline_ns = self._loop.deadline_in_ms(LINGER_MS)
        try:
            await self._stream.send(answer.encode(True, True), deadline_ns)
            self._stream.end_sending()
            size = 0
            while size < LINGER_BYTES_MAX:
                data = await self._stream.receive(RECEIVE_BYTES, deadline_ns)
                if not data:
                    return
                size += len(data)
        except ReactorError:
            return
