"""Our server in a thread of its own, for real clients to talk to."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from thimble.http.messages import Answer, Request
from thimble.http.server import FunctionHandler, HttpServer
from thimble.reactor.loop import READ, Loop, Task

if TYPE_CHECKING:
    from thimble.http.parser import Head

BODY_LIMIT = 8 * 1024 * 1024


class Echo:
    """Answers with what it was asked: method, path and body. `/slow` waits for `release`; `/defect` raises."""

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self.requests: list[tuple[str, str, bytes]] = []
        self.heads: list[Head] = []
        self.slow_begun = threading.Event()
        self.is_released = False
        self.bodies_begun = 0

    def body_limit(self, head: Head) -> int:
        self.bodies_begun += 1
        return 1000 if head.path == "/small" else BODY_LIMIT

    async def handle(self, request: Request) -> Answer:
        self.heads.append(request.head)
        self.requests.append((request.method, request.path, request.body))
        if request.path == "/defect":
            raise ValueError("a defect of the handler")
        if request.path == "/slow":
            assert self.loop is not None
            self.slow_begun.set()
            while not self.is_released:
                await self.loop.sleep_ms(5)
        if request.is_oversized:
            return Answer(413, b"too large")
        answer = Answer(200, request.body or f"{request.method} {request.path}".encode())
        answer.headers.append(("x-length", str(len(request.body))))
        answer.closes = request.path == "/close"
        return answer


class Serving:
    """`with Serving() as server:` serves on `server.address` until the block ends.

    The end of the block fails when a task or a connection is left on the loop.
    """

    def __init__(self, stop_ms: int = 2_000) -> None:
        self.handler = Echo()
        self.defects: list[str] = []
        self.errors: list[Task] = []
        self.left: list[str] = []
        self.stop_took_s = 0.0
        self._stop_ms = stop_ms
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._stop_reader, self._stop_writer = os.pipe()
        os.set_blocking(self._stop_reader, False)
        self._is_up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server")

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def connect(self) -> socket.socket:
        sock = socket.create_connection(self.address)
        sock.settimeout(20)
        return sock

    def stop(self) -> None:
        """Tell the server to stop, without waiting for it."""
        os.write(self._stop_writer, b"x")

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server does not end"

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.handler.is_released = True
        if self._thread.is_alive():
            self.stop()
        self.join()
        os.close(self._stop_reader)
        os.close(self._stop_writer)
        if kind is None:
            assert self._failure is None, self._failure
            assert [task.error for task in self.errors] == []
            assert self.left == []

    def _run(self) -> None:
        try:
            poller = select.epoll()
            loop = Loop(poller, time.monotonic_ns, self.errors.append)
            self.handler.loop = loop
            loop.run(self._main(loop))
            self.left = [task.name for task in loop.tasks]
            assert loop._watches == {}
            poller.close()
        except BaseException as error:
            self._failure = error

    async def _main(self, loop: Loop) -> None:
        handler = FunctionHandler(self.handler.body_limit, self.handler.handle)
        server = HttpServer(loop, self._socket, handler, "test", self._tell_defect)
        loop.watch(self._stop_reader)
        self._is_up.set()
        await loop.wait_fd(self._stop_reader, READ)
        loop.forget(self._stop_reader)
        begin = time.monotonic()
        await server.stop(loop.deadline_in_ms(self._stop_ms))
        self.stop_took_s = time.monotonic() - begin

    def _tell_defect(self, name: str, error: Exception) -> None:
        self.defects.append(f"{name}: {error}")


class RawClient:
    """A client that sends any bytes and reads answers with the standard library's parser."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, is_to_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers with lower-case names, body."""
        line = self._reader.readline()
        if not line:
            raise EOFError("the server closed the connection")
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers: dict[str, str] = {}
        while (line := self._reader.readline()) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            assert name.lower() not in headers
            headers[name.lower()] = value.strip()
        length = 0 if is_to_head or int(status) < 200 else int(headers["content-length"])
        return int(status), headers, self._reader.read(length)

    def is_at_end(self) -> bool:
        """Whether the server has closed its side, cleanly; waits for it."""
        return self._reader.read(1) == b""

    def close(self) -> None:
        self._reader.close()
        self.sock.close()
