"""A Datadog intake on the loopback interface: accepts every path, keeps what it gets, misbehaves on request.

    async with Intake() as intake:
        intake.faults.script("logs", 503, "reset")
        ...
        request = await intake.wait_for(lambda received: received.product.name == "logs" and received.accepted)
        intake.logs()

`python -m thimble.sandbox.intake` runs it as a process of its own, see `intake_process`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from .intake_faults import CLOSE, GARBAGE, HANG, RESET, RESET_EARLY, TRUNCATE, Faults
from .products import Product, product_of
from .received import Received

BODY_BYTES_MAX: Final = 96 * 1024 * 1024
"""Bytes of one body; the largest real limit is 62 MiB. A longer one is answered 413 and not kept."""

KEPT_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Bytes of all bodies kept. Beyond it requests are answered as ever but not kept, and counted in `not_kept`."""

GONE: Final = "gone"
"""The `Received.answer` of a request whose client left before it got one."""

_LINGER_RESET: Final = struct.pack("ii", 1, 0)


class Intake:
    """The local intake: an asynchronous context manager that listens from entry to exit.

    Args:
        tls: Server side of TLS; `None` speaks plain HTTP. See `certificates`.
        host: Address to listen on.
        port: Port to listen on; 0 lets the kernel choose.
        api_key: When given, a request with another `DD-API-KEY` is answered 403.

    Attributes:
        received: Every request kept, in order of arrival.
        faults: How it misbehaves; may be changed at any moment.
        not_kept: Requests that `KEPT_BYTES_MAX` or `BODY_BYTES_MAX` kept out of `received`.
        connections: TCP connections accepted so far, with or without a request.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
    ) -> None:
        self.faults = Faults()
        self.received: list[Received] = []
        self.not_kept = 0
        self.connections = 0
        self._tls = tls
        self._host = host
        self._port = port
        self._api_key = api_key
        self._kept_bytes = 0
        self._count = 0
        self._changed: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._server: _CountingServer | None = None
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Intake:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port it listens on; stays the same after `close` and `open`."""
        return self._port

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    async def open(self) -> None:
        """Listen. After a `close` it comes back on the same port, with what it had received."""
        assert self._runner is None, "already open"
        self._server = _CountingServer(self)
        self._runner = web.ServerRunner(self._server, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self._host, self._port, ssl_context=self._tls, backlog=1024, reuse_address=True
        )
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and cut every connection; requests held back are never answered."""
        if self._runner is None:
            return
        assert self._server is not None
        runner, self._runner = self._runner, None
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    def logs(self) -> list[dict[str, Any]]:
        """Return the decoded log entries of every accepted logs request, in order of arrival."""
        return [entry for received in self.accepted("logs") for entry in received.content or ()]

    def accepted(self, product: str) -> list[Received]:
        """Return the requests of one product that were answered 2xx, in order of arrival."""
        return [received for received in self.received if received.product.name == product and received.accepted]

    async def wait_for(self, matches: Callable[[Received], bool], timeout_s: float = 10.0) -> Received:
        """Return the first request, already here or to come, that matches; asked again when it is answered.

        Raises:
            TimeoutError: None did in time; the text lists what has arrived.
        """
        await self.wait_until(lambda: any(map(matches, self.received)), timeout_s)
        return next(filter(matches, self.received))

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Return when `condition` holds; it is asked at once and after each request and each answer.

        Raises:
            TimeoutError: It did not hold in time; the text lists what has arrived.
        """
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (condition, future)
        self._changed.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            raise TimeoutError(f"not within {timeout_s} s; arrived so far: {self.overview()}") from None
        finally:
            self._changed.remove(waiter)

    def overview(self) -> str:
        """Return one line: what arrived, as `logs -> 202` in order; for messages of failed waits."""
        parts = [f"{received.product.name} -> {received.answer or 'not answered'}" for received in self.received]
        return ", ".join(parts[-20:]) or "nothing"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; called by the server only."""
        product = product_of(request.path)
        behaviour = self.faults.next_behaviour(product.name)
        if behaviour == RESET_EARLY:
            _reset(request)
            return web.Response()
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body_of(request)
        if body is None:
            self.not_kept += 1
            return web.Response(status=413)
        received = self._keep(product, request, body)
        try:
            latency_ms = self.faults.latency_ms(product.name)
            if latency_ms:
                await asyncio.sleep(latency_ms / 1000)
            return await self._answer(request, received, behaviour)
        except (asyncio.CancelledError, ConnectionError):
            received.answer = received.answer or GONE
            raise
        finally:
            received.answered_s = time.monotonic()
            self._wake()

    def _keep(self, product: Product, request: web.BaseRequest, body: bytes) -> Received:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        received = Received(
            self._count,
            time.monotonic(),
            time.time_ns() // 1_000_000,
            product,
            request.method,
            request.path,
            request.query_string,
            request.headers,
            body,
            peer[1] if peer else 0,
        )
        self._count += 1
        if self._kept_bytes + len(body) > KEPT_BYTES_MAX:
            self.not_kept += 1
        else:
            self._kept_bytes += len(body)
            self.received.append(received)
        self._wake()
        return received

    async def _answer(
        self, request: web.BaseRequest, received: Received, behaviour: int | str | None
    ) -> web.StreamResponse:
        if behaviour is None or isinstance(behaviour, int):
            status, body = _status_of(received.product, behaviour)
            if behaviour is None and self._api_key not in (None, received.headers.get("DD-API-KEY", "")):
                status, body = 403, b'{"errors":["Forbidden"]}'
            received.answer = status
            return web.Response(status=status, body=body, content_type="application/json")
        received.answer = behaviour
        self._wake()
        if behaviour == HANG:
            await asyncio.get_running_loop().create_future()
        elif behaviour == RESET:
            _reset(request)
        elif behaviour == TRUNCATE:
            await _write_and_close(request, b"HTTP/1.1 202 Accepted\r\nContent-Length: 400\r\n\r\n{")
        elif behaviour == GARBAGE:
            await _write_and_close(request, b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        else:
            assert behaviour == CLOSE, behaviour
            await _write_and_close(request, b"")
        return web.Response()

    def _wake(self) -> None:
        for condition, future in self._changed:
            if not future.done():
                try:
                    if condition():
                        future.set_result(None)
                except Exception as error:  # the caller's own condition: it belongs to whoever waits
                    future.set_exception(error)


class _CountingServer(web.Server):
    """Feeds one intake: raw bodies, and a handler that is cancelled when its client leaves."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake.handle, handler_cancellation=True, auto_decompress=False)
        self._intake = intake

    def __call__(self) -> Any:
        self._intake.connections += 1
        return super().__call__()


async def _body_of(request: web.BaseRequest) -> bytes | None:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > BODY_BYTES_MAX:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _status_of(product: Product, status: int | None) -> tuple[int, bytes]:
    if status is None:
        return product.status, product.answer
    return status, product.answer if status < 300 else b'{"errors":["told to refuse"]}'


async def _write_and_close(request: web.BaseRequest, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)
        request.transport.close()


def _reset(request: web.BaseRequest) -> None:
    """Cut the connection with RST instead of FIN; under TLS without a close_notify."""
    if request.transport is not None:
        handle = request.transport.get_extra_info("socket")
        with suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        request.transport.abort()


if __name__ == "__main__":
    from thimble.sandbox.intake_process import main

    raise SystemExit(main())
