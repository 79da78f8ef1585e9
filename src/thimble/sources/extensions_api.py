"""The Extensions API: one `/next` at a time, for as long as it takes.

The connection comes from stage 0 with the first `/next` already sent. There is no time-out: `/next` blocks while the
sandbox is frozen, for hours if need be. A connection that breaks is replaced, since the platform remembers an event
that it could not deliver; only an answer that is an error, or an API that nobody serves any more, is final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.lambda_events import SHUTDOWN, LifecycleEvent, parse_lifecycle_event
from thimble.core.errors import PeerError
from thimble.http.messages import Response
from thimble.http.parser import MessageParser, ProtocolError
from thimble.reactor.errors import ConnectionFailed
from thimble.reactor.loop import NO_DEADLINE, Loop
from thimble.reactor.resolver import Resolver
from thimble.reactor.streams import RECEIVE_BYTES, SocketStream, connect

if TYPE_CHECKING:
    from typing import Any

    from thimble.http.parser import Head

RECONNECTS_MAX: Final = 3
RECONNECT_PAUSE_MS: Final = 100
CONNECT_TIMEOUT_MS: Final = 5_000


class NextFailed(PeerError):
    """`/next` cannot be asked any more."""


class ExtensionsApi:
    """Asks for lifecycle events.

    Args:
        handover: What stage 0 left: the API's address, the extension's id, and the connection with its pending `/next`.
            It is kept up to date, so that stage 0 can go on alone when stage 1 breaks.
    """

    def __init__(self, loop: Loop, handover: Any) -> None:
        self._loop = loop
        self._handover = handover
        self._stream: SocketStream | None = SocketStream(loop, handover.connection)
        self._host: str = handover.api_host
        self._port: int = handover.api_port
        self._request = (
            "GET /2020-01-01/extension/event/next HTTP/1.1\r\n"
            f"Host: {self._host}:{self._port}\r\nLambda-Extension-Identifier: {handover.extension_id}\r\n\r\n"
        ).encode("latin-1", "replace")

    async def next_event(self) -> LifecycleEvent:
        """Ask for the next event, which tells the platform that we are done with the one before, and wait for it.

        Raises:
            NextFailed: The API answered with an error, or is gone.
            BadLifecycleEvent: The answer is no event.
        """
        failures = 0
        while True:
            try:
                if not self._handover.is_next_pending:
                    await self._ask()
                response = await self._read()
            except (ConnectionFailed, ProtocolError) as error:
                self._drop_connection()
                failures += 1
                if failures > RECONNECTS_MAX:
                    raise NextFailed(f"/next failed {failures} times: {error}") from None
                await self._loop.sleep_ms(RECONNECT_PAUSE_MS)
                continue
            if response.status < 200 or response.status >= 300:
                text = response.body[:200].decode("utf-8", "replace").strip()
                raise NextFailed(f"/next was answered with status {response.status}: {text}")
            event = parse_lifecycle_event(response.body)
            self._handover.is_over = event.kind == SHUTDOWN
            return event

    async def _ask(self) -> None:
        stream = self._stream
        if stream is None:
            stream = await self._open()
        self._handover.connection = None
        self._handover.is_next_pending = False
        await stream.send(self._request, NO_DEADLINE)
        self._handover.connection = stream.socket
        self._handover.is_next_pending = True

    async def _open(self) -> SocketStream:
        deadline_ns = self._loop.deadline_in_ms(CONNECT_TIMEOUT_MS)
        found = await Resolver(self._loop).resolve(self._host, self._port, deadline_ns)
        stream = await connect(self._loop, found[0][0], found[0][1], self._port, deadline_ns)
        self._stream = stream
        self._handover.connection = stream.socket
        return stream

    async def _read(self) -> Response:
        stream = self._stream
        if stream is None:
            raise ConnectionFailed("not connected")
        parser = MessageParser(False)
        head: Head | None = None
        pieces: list[bytes] = []
        while True:
            if head is None:
                head = parser.next_head()
            if head is not None:
                piece = parser.next_piece()
                if piece is not None:
                    pieces.append(piece)
                    continue
                if parser.is_complete:
                    break
            data = await stream.receive(RECEIVE_BYTES, NO_DEADLINE)
            if data:
                # Inside an answer stage 0 could not go on here: should we break now, it asks on a new connection.
                self._handover.connection = None
                self._handover.is_next_pending = False
                parser.feed(data)
            elif head is None:
                raise ConnectionFailed("the connection ended before an answer")
            else:
                parser.end_of_stream()
        self._handover.connection = stream.socket
        if not head.keeps_alive:
            self._drop_connection()
        return Response(head, b"".join(pieces))

    def _drop_connection(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._handover.connection = None
        self._handover.is_next_pending = False
