"""The Extensions and Telemetry APIs of Lambda, answering as a script says: errors, garbage, resets, silence.

`thimble.sandbox` behaves like Lambda; this one behaves like no Lambda that anybody has seen. Without a script it
answers as Lambda does, in the simplest way.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

IDENTIFIER: Final = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
REGISTER: Final = "register"
TELEMETRY: Final = "telemetry"
NEXT: Final = "next"
OTHER: Final = "other"
_PATHS: Final = {
    "/2020-01-01/extension/register": REGISTER,
    "/2022-07-01/telemetry": TELEMETRY,
    "/2020-01-01/extension/event/next": NEXT,
}

RESET: Final = b"\0reset"
"""Script entry: cut the connection with RST."""
CLOSE: Final = b"\0close"
"""Script entry: close the connection without an answer."""
HANG: Final = b"\0hang"
"""Script entry: never answer."""


def reply(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """Encode an answer; `Content-Length` is added, `Content-Type` is JSON unless given."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines.extend(f"{name}: {value}" for name, value in fields.items())
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


REGISTERED: Final = reply(
    200,
    b'{"functionName":"orders-api","functionVersion":"$LATEST","handler":"app.handler","accountId":"123456789012"}',
    {"Lambda-Extension-Identifier": IDENTIFIER},
)
SUBSCRIBED: Final = reply(200, b'"OK"', {"Content-Type": "text/plain; charset=utf-8"})


class Call:
    """One request that arrived."""

    def __init__(self, kind: str, method: str, path: str, headers: dict[str, str], body: bytes, peer: int) -> None:
        self.kind = kind
        self.method = method
        self.path = path
        self.headers = headers
        """Names in lower case."""
        self.body = body
        self.peer = peer
        """The client's port: equal for calls on one connection."""
        self.at_s = time.monotonic()

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}>"


class ScriptedLambda:
    """Listens from `open` to `close`; `calls` is everything that arrived, `answers_sent` how many were answered."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.port = 0
        self.answers_sent = 0
        self._scripts: dict[str, list[bytes]] = {}
        self._events: asyncio.Queue[bytes] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def script(self, kind: str, *answers: bytes) -> None:
        """Set the next answers of `register`, `telemetry` or `next`; afterwards it answers as Lambda does."""
        self._scripts.setdefault(kind, []).extend(answers)

    def send(self, event: dict[str, Any]) -> None:
        """Answer the pending `/next`, or the one to come, with an event."""
        self._events.put_nowait(reply(200, json.dumps(event).encode()))

    def script_pending(self, answer: bytes) -> None:
        """Answer the pending `/next`, or the one to come, with bytes, or one of `RESET`, `CLOSE`, `HANG`."""
        self._events.put_nowait(answer)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def of(self, kind: str) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Return when `condition` holds; it is asked after each call.

        Raises:
            TimeoutError: It did not hold in time; the text lists the calls.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"not within {timeout_s} s; the extension called {self.calls}") from None

    async def wait_for_next(self, count: int, timeout_s: float = 10.0) -> Call:
        """Return the `count`-th `/next`, counted from 1, when it has arrived."""
        await self.wait_until(lambda: len(self.of(NEXT)) >= count, timeout_s)
        return self.of(NEXT)[count - 1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                call = await self._read(reader, writer)
                self.calls.append(call)
                self._changed.set()
                answer = await self._answer(call)
                if answer == HANG:
                    await reader.read()
                    return
                if answer == RESET:
                    handle = writer.get_extra_info("socket")
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                if answer == CLOSE:
                    return
                writer.write(answer)
                await writer.drain()
                self.answers_sent += 1
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        method, path, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Call(_PATHS.get(path, OTHER), method, path, headers, body, writer.get_extra_info("peername")[1])

    async def _answer(self, call: Call) -> bytes:
        script = self._scripts.get(call.kind)
        if script:
            return script.pop(0)
        if call.kind == REGISTER:
            return REGISTERED
        if call.kind == TELEMETRY:
            return SUBSCRIBED
        if call.kind == NEXT:
            return await self._events.get()
        return reply(404)
