"""The side of Lambda in a measurement: Extensions and Telemetry APIs on blocking sockets, each answer at once.

It does nothing in the background, so it cannot disturb what it measures; the moment a request has arrived is taken
before it is looked at. `thimble.sandbox` behaves like Lambda in every detail; this one only in what a figure needs.

Source: AWS Lambda Developer Guide, "Extensions API" and "Telemetry API".
"""

from __future__ import annotations

import json
import select
import socket
import time
from dataclasses import dataclass

from bench import namespaces

IDENTIFIER = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders-api"
REGISTER = ("POST", "/2020-01-01/extension/register")
SUBSCRIBE = ("PUT", "/2022-07-01/telemetry")
NEXT = ("GET", "/2020-01-01/extension/event/next")
TELEMETRY_PORT = 8999
WAIT_S = 60.0
"""The longest wait for one request. Generous: under callgrind the extension is 50 times slower."""


class Unexpected(Exception):
    """The extension did something else than what the protocol asks for now; the text says what."""


@dataclass(frozen=True)
class Call:
    """One request to the Lambda APIs, and when it had arrived (`time.monotonic_ns`)."""

    method: str
    path: str
    body: bytes
    at_ns: int


class Connection:
    """One accepted connection with what was read from it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""

    def take(self, at_ns: int) -> Call | None:
        """One whole request out of the data, or None when there is none yet."""
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if not end:
            return None
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        size = int(fields.get("content-length", "0"))
        if len(rest) < size:
            return None
        self.data = rest[size:]
        method, path, _ = lines[0].split(" ", 2)
        return Call(method, path, rest[:size], at_ns)


class ScriptedLambda:
    """Listens on a port of its own on loopback, in our namespaces, from construction to `close`."""

    def __init__(self) -> None:
        namespaces.enter()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: dict[int, Connection] = {}
        self._pending: Connection | None = None
        """Where the answer of the last request goes."""
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.sock.close()
        self._connections.clear()
        self._listener.close()

    def expect(self, kind: tuple[str, str], timeout_s: float = WAIT_S) -> Call:
        """Wait for the next request, which has to be this one. It is not answered yet.

        Raises:
            Unexpected: Another request came, or none in time.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            left_s = end_s - time.monotonic()
            ready = self._poll.poll(max(left_s, 0) * 1000)
            at_ns = time.monotonic_ns()
            if not ready:
                raise Unexpected(f"no {kind[0]} {kind[1]} in {timeout_s} s")
            for descriptor, _ in ready:
                call = self._read(descriptor, at_ns)
                if call is None:
                    continue
                if (call.method, call.path) != kind:
                    raise Unexpected(f"{call.method} {call.path} came instead of {kind[0]} {kind[1]}")
                return call

    def _read(self, descriptor: int, at_ns: int) -> Call | None:
        if descriptor == self._listener.fileno():
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[sock.fileno()] = Connection(sock)
            self._poll.register(sock, select.POLLIN)
            return None
        connection = self._connections[descriptor]
        try:
            data = connection.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._poll.unregister(descriptor)
            connection.sock.close()
            del self._connections[descriptor]
            return None
        connection.data += data
        call = connection.take(at_ns)
        if call is not None:
            self._pending = connection
        return call

    def answer(self, body: bytes, fields: str = "") -> None:
        """Answer the request that `expect` returned last."""
        assert self._pending is not None, "nobody asked"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        self._pending.sock.sendall(head.encode() + body)
        self._pending = None

    def answer_register(self) -> None:
        body = {"functionName": "orders-api", "functionVersion": "$LATEST", "accountId": "123456789012"}
        self.answer(json.dumps(body).encode(), f"Lambda-Extension-Identifier: {IDENTIFIER}\r\n")

    def answer_subscribe(self) -> None:
        self.answer(b'"OK"')

    def boot(self) -> Call:
        """See the extension through registration and subscription; returns its first `/next`, not answered yet."""
        self.expect(REGISTER)
        self.answer_register()
        self.expect(SUBSCRIBE)
        self.answer_subscribe()
        return self.expect(NEXT)

    def invoke(self, request_id: str, timeout_ms: int = 60_000) -> None:
        """Answer `/next` with INVOKE."""
        deadline_ms = time.time_ns() // 1_000_000 + timeout_ms
        event = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": ARN,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Sampled=0"},
        }
        self.answer(json.dumps(event).encode())

    def shut_down(self, budget_ms: int = 2000) -> None:
        """Answer `/next` with SHUTDOWN."""
        deadline_ms = time.time_ns() // 1_000_000 + budget_ms
        event = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms}
        self.answer(json.dumps(event).encode())


class TelemetryPoster:
    """Posts batches of telemetry to the extension over one connection, as the platform does."""

    def __init__(self) -> None:
        self._sock = socket.create_connection(("127.0.0.1", TELEMETRY_PORT), timeout=WAIT_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._sock.close()

    def post(self, body: bytes) -> int:
        """Post one body, wait for the answer and return when it began to be sent (`time.monotonic_ns`).

        Raises:
            Unexpected: The answer is not 200.
        """
        head = f"POST / HTTP/1.1\r\nHost: sandbox:{TELEMETRY_PORT}\r\nContent-Type: application/json\r\n"
        sent_ns = time.monotonic_ns()  # before, since the extension may act before we run again
        self._sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._sock.recv(65536)
            if not more:
                raise Unexpected("the telemetry port closed the connection without an answer")
            data += more
        head_bytes, _, body = data.partition(b"\r\n\r\n")
        fields = head_bytes.lower().split(b"\r\n")
        sizes = [int(field[15:]) for field in fields if field.startswith(b"content-length:")]
        while len(body) < (sizes[0] if sizes else 0):
            body += self._sock.recv(65536)
        if b" 200 " not in head_bytes.split(b"\r\n", 1)[0] + b" ":
            raise Unexpected(f"telemetry was answered with {head_bytes[:80]!r}")
        return sent_ns
