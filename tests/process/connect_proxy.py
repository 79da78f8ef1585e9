"""The smallest HTTP proxy that opens tunnels, and remembers which; it may refuse, hang or misbehave."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Final

CLOSE: Final = b""
"""In place of an answer: close the connection."""
HANG: Final = b"\0hang"
"""In place of an answer: say nothing."""


def refusal(status: int) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\n\r\n".encode()


class ConnectProxy:
    """Listens from entry to exit. Every tunnel ends on the loopback interface, whatever host was asked for.

    Args:
        authorization: `Proxy-Authorization` that it wants; it answers 407 to anything else.
        answer: What it says in place of opening a tunnel; None opens it.
        tls: Server side of TLS to the proxy itself; None for plain HTTP.
    """

    def __init__(
        self, *, authorization: str = "", answer: bytes | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[str] = []
        """`host:port` of every CONNECT."""
        self.port = 0
        self._authorization = authorization
        self._answer = answer
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ConnectProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, authority, _ = head.split("\r\n")[0].split(" ")
            assert method == "CONNECT"
            self.asked.append(authority)
            answer = self._answer
            if self._authorization and f"proxy-authorization: {self._authorization}\r\n" not in head:
                answer = refusal(407)
            if answer == HANG:
                await reader.read()
            elif answer is not None:
                writer.write(answer)
            else:
                await self._tunnel(reader, writer, int(authority.rpartition(":")[2]))
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()
