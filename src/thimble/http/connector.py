"""From a target to an open stream: name, address, proxy, TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..reactor.errors import ConnectionFailed, DeadlinePassed, NameNotResolved, ReactorError
from ..reactor.loop import Loop
from ..reactor.resolver import Resolver
from ..reactor.streams import ByteStream, connect
from ..reactor.tls import TlsContext
from .messages import Target
from .parser import HEAD_BYTES_MAX, MessageParser, ProtocolError
from .proxy import Proxy, ProxyRules

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT_MS: Final = 5_000
"""For the name, the connection, the proxy's answer and the TLS handshake together."""


FOR_NAME: Final = "the address of the host"
FOR_CONNECTION: Final = "a connection"
FOR_PROXY: Final = "the proxy"
FOR_TLS: Final = "the TLS handshake"
FOR_ANSWER: Final = "an answer"
"""What a request waits for, step by step: words for log lines."""


class Progress:
    """How far a request came; whoever ends it before its end can tell what it waited for."""

    def __init__(self) -> None:
        self.waits_for = ""


class ProxyFailed(ConnectionFailed):
    """The proxy cannot be reached, or opens no tunnel."""


class Connector:
    """Opens connections.

    Args:
        make_tls: Makes the TLS context at its first use.
        rules: Which requests go through a proxy; None for none.
    """

    def __init__(self, loop: Loop, make_tls: Callable[[], TlsContext], rules: ProxyRules | None) -> None:
        self._loop = loop
        self._make_tls = make_tls
        self._rules = rules
        self._tls: TlsContext | None = None
        self._resolver = Resolver(loop)

    async def open(self, target: Target, deadline_ns: int, progress: Progress) -> ByteStream:
        """Open a stream on which a request to `target` can be sent.

        Args:
            progress: Is told each step.

        Raises:
            DeadlinePassed: It took too long.
            ConnectionFailed: It could not be made; the subclasses say why.
        """
        deadline_ns = min(deadline_ns, self._loop.deadline_in_ms(CONNECT_TIMEOUT_MS))
        proxy = self._rules.proxy_for(target) if self._rules is not None else None
        if proxy is None:
            stream = await self._reach(target.host, target.port, deadline_ns, progress)
        else:
            progress.waits_for = FOR_PROXY
            stream = await self._tunnel(proxy, target, deadline_ns)
        if not target.is_tls:
            return stream
        progress.waits_for = FOR_TLS
        return await self._shake_hands(stream, target.host, deadline_ns)

    async def _shake_hands(self, stream: ByteStream, host: str, deadline_ns: int) -> ByteStream:
        if self._tls is None:
            try:
                self._tls = self._make_tls()
            except ReactorError:
                stream.close()
                raise
        return await self._tls.wrap(stream, host, deadline_ns)

    async def _reach(self, host: str, port: int, deadline_ns: int, progress: Progress) -> ByteStream:
        last: ReactorError = NameNotResolved(f"{host}: no address")
        progress.waits_for = FOR_NAME
        addresses = await self._resolver.resolve(host, port, deadline_ns)
        progress.waits_for = FOR_CONNECTION
        for index, (family, address) in enumerate(addresses):
            # Each address gets its share of the time left: one that answers nothing must not cost us the others.
            now_ns = self._loop.now_ns()
            share_ns = now_ns + max(deadline_ns - now_ns, 0) // (len(addresses) - index)
            try:
                return await connect(self._loop, family, address, port, max(share_ns, 1))
            except (ConnectionFailed, DeadlinePassed) as error:
                last = error
        raise last

    async def _tunnel(self, proxy: Proxy, target: Target, deadline_ns: int) -> ByteStream:
        name = f"the proxy {proxy.host}:{proxy.port}"
        try:
            stream = await self._reach(proxy.host, proxy.port, deadline_ns, Progress())
        except ReactorError as error:
            raise ProxyFailed(f"{name} cannot be reached: {error}") from None
        status = 0
        try:
            if proxy.is_tls:
                stream = await self._shake_hands(stream, proxy.host, deadline_ns)
            await stream.send(proxy.connect_request(target), deadline_ns)
            status = await self._read_status(stream, deadline_ns)
        except DeadlinePassed:
            raise ProxyFailed(f"{name} gave no answer in time") from None
        except ReactorError as failure:
            raise ProxyFailed(f"{name} failed: {failure}") from None
        except ProtocolError as breach:
            raise ProxyFailed(f"{name} does not speak HTTP: {breach}") from None
        finally:
            if not 200 <= status < 300:
                stream.close()
        if not 200 <= status < 300:
            reason = "asks for credentials" if status == 407 else "opens no tunnel"
            raise ProxyFailed(f"{name} {reason} (status {status})")
        return stream

    async def _read_status(self, stream: ByteStream, deadline_ns: int) -> int:
        """The status of the proxy's answer; after a 2xx the tunnel begins with the next byte. RFC 9110, 9.3.6."""
        parser = MessageParser(False)
        while True:
            data = await stream.receive(HEAD_BYTES_MAX, deadline_ns)
            if not data:
                raise ConnectionFailed("it closed the connection without an answer")
            parser.feed(data)
            head = parser.next_head(True)
            while head is not None and head.status < 200:
                head = parser.next_head(True)  # an interim answer: the real one follows
            if head is not None:
                return head.status
