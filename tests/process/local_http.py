"""The smallest HTTP client for the extension's ports: one request per connection, bytes in, bytes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

LIFECYCLE = 8124
DOGSTATSD = 8125
TRACE_AGENT = 8126
TELEMETRY = 8999


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        """Names in lower case."""
        self.body = body


async def send_raw(port: int, data: bytes, timeout_s: float = 10.0) -> bytes:
    """Send bytes, close our side, and return everything that comes back until the other side closes.

    Raises:
        ConnectionError: Refused, or reset.
        TimeoutError: The other side keeps the connection open.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            with suppress(ConnectionError, RuntimeError):
                await writer.drain()
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def call(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Answer:
    """Send one request and return its answer.

    Raises:
        ConnectionError: Refused, reset, or closed without an answer.
        TimeoutError: No answer in time.
    """
    fields = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head.encode("latin-1") + b"\r\n" + body)
            await writer.drain()
            data = await reader.read()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    head_bytes, separator, answer_body = data.partition(b"\r\n\r\n")
    if not separator:
        raise ConnectionResetError(f"port {port} closed the connection without an answer")
    first, *lines = head_bytes.decode("latin-1").split("\r\n")
    answer_headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        answer_headers[name.lower()] = value.strip()
    return Answer(int(first.split(" ")[1]), answer_headers, answer_body)


async def post_events(events: list[dict[str, object]], timeout_s: float = 10.0, port: int = TELEMETRY) -> Answer:
    """Deliver one batch as the Telemetry API does."""
    headers = {"Content-Type": "application/json"}
    return await call(port, "POST", "/", json.dumps(events).encode(), headers, timeout_s)
