"""The client to the intakes: one request at a time per connection, a connection reused only within one flush.

A connection that idles while the sandbox is frozen is dead on the thaw, so `Client.close` is called at the end of each
flush, before `/next`. Nothing here retries; `shell.retry` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..reactor.errors import ConnectionFailed, DeadlinePassed, ReactorError
from ..reactor.loop import Loop
from ..reactor.streams import RECEIVE_BYTES, ByteStream
from ..reactor.tls import TlsContext
from .connector import FOR_ANSWER, Connector, Progress
from .messages import Response, Target
from .parser import Head, MessageParser, ProtocolError
from .proxy import ProxyRules

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS_MAX: Final = 8
"""Connections open at a time, over all destinations: idle ones make room for those that are asked for. How many
requests are under way is for the caller to limit."""

RESPONSE_BYTES_MAX: Final = 1024 * 1024
"""Body bytes kept of an answer; the rest is read and thrown away."""

JOINED_BYTES_MAX: Final = 16_384
"""A body up to here is sent together with its head: one packet less, one small copy more."""


class OutgoingRequest:
    """One request, encoded when it is sent."""

    def __init__(self, method: str, target: Target, headers: list[tuple[str, str]], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.progress = Progress()

    def encode_head(self) -> bytes:
        lines = [f"{self.method} {self.target.path} HTTP/1.1", f"host: {self.target.authority}", "accept: */*"]
        for name, value in self.headers:
            lines.append(f"{name}: {printable(value)}")
        if self.body or self.method != "GET":
            lines.append(f"content-length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def printable(value: str) -> str:
    """A header value in which no character can end the header: controls become `?`, as what is not Latin-1 does."""
    if value.isprintable():
        return value
    return "".join(["?" if char != "\t" and (char < " " or char == "\x7f") else char for char in value])


class _Idle:
    def __init__(self, key: str, stream: ByteStream) -> None:
        self.key = key
        self.stream = stream


class _Exchange:
    """How far a request on a connection came."""

    def __init__(self) -> None:
        self.saw_answer = False
        """Whether at least one byte of the answer came."""


class Client:
    """Sends requests over connections that it keeps until `close`."""

    def __init__(self, loop: Loop, make_tls: Callable[[], TlsContext], rules: ProxyRules | None = None) -> None:
        """Make a client without connections.

        Args:
            make_tls: Makes the TLS context at its first use.
            rules: Which requests go through a proxy; none when missing.
        """
        self._connector = Connector(loop, make_tls, rules)
        self._idle: list[_Idle] = []
        self._busy = 0
        """Connections in use or being opened."""

    async def request(self, request: OutgoingRequest, deadline_ns: int) -> Response:
        """Send one request and read its answer. Redirects are answers like any other: nobody follows them.

        Raises:
            DeadlinePassed: It took too long.
            ConnectionFailed: No connection, or it broke; the subclasses say why.
        """
        self._busy += 1
        try:
            return await self._request(request, deadline_ns)
        finally:
            self._busy -= 1

    async def _request(self, request: OutgoingRequest, deadline_ns: int) -> Response:
        stream = self._take_idle(request.target.key)
        if stream is not None:
            exchange = _Exchange()
            try:
                return await self._exchange(stream, request, exchange, deadline_ns)
            except ConnectionFailed:
                if exchange.saw_answer:
                    raise
                # The server may close an idle connection at any time: a new one decides.
        while self._idle and self._busy + len(self._idle) > CONNECTIONS_MAX:
            self._idle.pop(0).stream.close()
        stream = await self._connector.open(request.target, deadline_ns, request.progress)
        return await self._exchange(stream, request, _Exchange(), deadline_ns)

    def close(self) -> None:
        """Close every connection that is not in use."""
        for idle in self._idle:
            idle.stream.close()
        self._idle.clear()

    def _take_idle(self, key: str) -> ByteStream | None:
        for index, idle in enumerate(self._idle):
            if idle.key == key:
                del self._idle[index]
                return idle.stream
        return None

    async def _exchange(
        self, stream: ByteStream, request: OutgoingRequest, exchange: _Exchange, deadline_ns: int
    ) -> Response:
        keeps = False
        request.progress.waits_for = FOR_ANSWER
        try:
            failure = await self._send(stream, request, deadline_ns)
            try:
                response, is_clean = await self._read_response(stream, request.method == "HEAD", exchange, deadline_ns)
            except ReactorError as error:
                raise failure or error from None
            keeps = is_clean and failure is None
        except ProtocolError as breach:
            raise ConnectionFailed(f"the answer is not HTTP/1.1: {breach}") from None
        finally:
            if not keeps:
                stream.close()
        if keeps and self._busy + len(self._idle) <= CONNECTIONS_MAX:
            self._idle.append(_Idle(request.target.key, stream))
        else:
            stream.close()
        return response

    async def _send(self, stream: ByteStream, request: OutgoingRequest, deadline_ns: int) -> ConnectionFailed | None:
        """Send the request. A connection that breaks on the way is no error yet.

        A server may refuse a body before it has read it, and close: its answer is there all the same.
        """
        head = request.encode_head()
        try:
            if len(request.body) <= JOINED_BYTES_MAX:
                await stream.send(head + request.body, deadline_ns)
            else:
                await stream.send(head, deadline_ns)
                await stream.send(request.body, deadline_ns)
        except ConnectionFailed as error:
            return error
        except DeadlinePassed:
            raise DeadlinePassed("the request was not taken in time") from None
        return None

    async def _read_response(
        self, stream: ByteStream, is_answer_to_head: bool, exchange: _Exchange, deadline_ns: int
    ) -> tuple[Response, bool]:
        """The answer, and whether the connection can take another request."""
        parser = MessageParser(False)
        head: Head | None = None
        pieces: list[bytes] = []
        size = 0
        while True:
            if head is None:
                head = parser.next_head(is_answer_to_head)
                if head is not None and head.status < 200:
                    head = None  # an interim answer: the real one follows
                    continue
            if head is not None:
                piece = parser.next_piece()
                if piece is not None:
                    size += len(piece)
                    if size <= RESPONSE_BYTES_MAX:
                        pieces.append(piece)
                    continue
                if parser.is_complete:
                    # More bytes than were asked for belong to no request of ours.
                    return Response(head, b"".join(pieces)), head.keeps_alive and not parser.has_pending
            try:
                data = await stream.receive(RECEIVE_BYTES, deadline_ns)
            except DeadlinePassed:
                raise DeadlinePassed("no answer in time" if head is None else "no end of the answer in time") from None
            if data:
                exchange.saw_answer = True
                parser.feed(data)
                continue
            if head is None:
                raise ConnectionFailed("the server closed the connection without an answer")
            parser.end_of_stream()
