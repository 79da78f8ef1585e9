"""The client to the intakes: one request at a time per connection, a connection reused only within one flush.

A connection that idles while the sandbox is frozen is dead on the thaw, so `Client.close` is called at the end of each
flush, before `/next`. Nothing here retries; `shell.retry` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..reactor.errors import ConnectionFailed, NameNotResolved
from ..reactor.loop import Loop
from ..reactor.resolver import Resolver
from ..reactor.streams import RECEIVE_BYTES, ByteStream, connect
from ..reactor.tls import TlsContext
from .messages import Response, Target
from .parser import Head, MessageParser, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS_MAX: Final = 8
"""Connections open at a time, over all destinations."""

RESPONSE_BYTES_MAX: Final = 1024 * 1024
"""Body bytes kept of an answer; the rest is read and thrown away."""

CONNECT_TIMEOUT_MS: Final = 5_000


class OutgoingRequest:
    """One request, encoded when it is sent."""

    def __init__(self, method: str, target: Target, headers: list[tuple[str, str]], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    def encode_head(self) -> bytes:
        lines = [f"{self.method} {self.target.path} HTTP/1.1", f"host: {self.target.authority}", "accept: */*"]
        for name, value in self.headers:
            lines.append(f"{name}: {value}")
        if self.body or self.method != "GET":
            lines.append(f"content-length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class _Idle:
    def __init__(self, key: str, stream: ByteStream) -> None:
        self.key = key
        self.stream = stream


class Client:
    """Sends requests over connections that it keeps until `close`."""

    def __init__(self, loop: Loop, make_tls: Callable[[], TlsContext]) -> None:
        """Args:
        make_tls: Makes the TLS context at its first use.
        """
        self._loop = loop
        self._make_tls = make_tls
        self._tls: TlsContext | None = None
        self._resolver = Resolver(loop)
        self._idle: list[_Idle] = []

    async def request(self, request: OutgoingRequest, deadline_ns: int) -> Response:
        """Send one request and read its answer.

        Raises:
            DeadlinePassed: It took too long.
            ConnectionFailed: No connection, or it broke; the subclasses say why.
        """
        stream = self._take_idle(request.target.key)
        if stream is not None:
            try:
                return await self._exchange(stream, request, deadline_ns)
            except ConnectionFailed:
                pass  # the server may close an idle connection at any time: a new one decides
        return await self._exchange(await self._open(request.target, deadline_ns), request, deadline_ns)

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

    async def _open(self, target: Target, deadline_ns: int) -> ByteStream:
        connect_ns = min(deadline_ns, self._loop.deadline_in_ms(CONNECT_TIMEOUT_MS))
        last: ConnectionFailed = NameNotResolved(f"{target.host}: no address")
        for family, address in await self._resolver.resolve(target.host, target.port, connect_ns):
            try:
                stream: ByteStream = await connect(self._loop, family, address, target.port, connect_ns)
            except ConnectionFailed as error:
                last = error
                continue
            if not target.is_tls:
                return stream
            if self._tls is None:
                self._tls = self._make_tls()
            return await self._tls.wrap(stream, target.host, connect_ns)
        raise last

    async def _exchange(self, stream: ByteStream, request: OutgoingRequest, deadline_ns: int) -> Response:
        keeps = False
        try:
            head = request.encode_head()
            if len(request.body) <= 16_384:
                await stream.send(head + request.body, deadline_ns)
            else:
                await stream.send(head, deadline_ns)
                await stream.send(request.body, deadline_ns)
            response = await self._read_response(stream, request.method == "HEAD", deadline_ns)
            keeps = response.head.keeps_alive
        except ProtocolError as error:
            raise ConnectionFailed(f"the answer is not HTTP/1.1: {error}") from None
        finally:
            if not keeps:
                stream.close()
        if len(self._idle) < CONNECTIONS_MAX:
            self._idle.append(_Idle(request.target.key, stream))
        else:
            stream.close()
        return response

    async def _read_response(self, stream: ByteStream, is_answer_to_head: bool, deadline_ns: int) -> Response:
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
                    return Response(head, b"".join(pieces))
            data = await stream.receive(RECEIVE_BYTES, deadline_ns)
            if data:
                parser.feed(data)
                continue
            if head is None:
                raise ConnectionFailed("the server closed the connection without an answer")
            parser.end_of_stream()
