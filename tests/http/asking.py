"""Our client, driven from a test: one loop per call, and scripted servers for what no real server does."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.reactor.rig import run
from thimble.http.client import Client, OutgoingRequest
from thimble.http.messages import Response, parse_url
from thimble.reactor.loop import Loop
from thimble.reactor.tls import TlsContext

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

DEADLINE_MS = 20_000


class Asker:
    """The client and its loop, for the length of one test function."""

    def __init__(self, loop: Loop, make_tls: Callable[[], TlsContext]) -> None:
        self.loop = loop
        self.client = Client(loop, make_tls)

    async def ask(
        self,
        url: str,
        body: bytes = b"",
        method: str = "POST",
        headers: list[tuple[str, str]] | None = None,
        deadline_ms: int = DEADLINE_MS,
    ) -> Response:
        request = OutgoingRequest(method, parse_url(url), headers or [], body)
        return await self.client.request(request, self.loop.deadline_in_ms(deadline_ms))


def no_tls() -> TlsContext:
    raise AssertionError("no TLS was asked for")


def asking(scenario: Callable[[Asker], Coroutine[Any, Any, Any]], make_tls: Callable[[], TlsContext] = no_tls) -> Any:
    """Run a scenario with a client; afterwards nothing may be left on the loop."""

    async def main(loop: Loop) -> Any:
        asker = Asker(loop, make_tls)
        try:
            return await scenario(asker)
        finally:
            asker.client.close()

    return run(main)


class ScriptedServer:
    """Plays one script per connection, in order: a list of steps, each bytes to send or a thing to do.

    Steps: `bytes` are sent; `"request"` reads until the end of a request's head (and its body, when it has a length);
    `"close"` closes, `"reset"` resets, `"wait"` waits until the client closes or the test ends. A script that ends
    closes. Connections beyond the last script are counted and closed.
    """

    def __init__(self, *scripts: list[bytes | str], address: str = "127.0.0.1") -> None:
        self._scripts = list(scripts)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self._listener.settimeout(20)
        self._thread = threading.Thread(target=self._serve)
        self._is_over = threading.Event()
        self.requests: list[bytes] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        with socket.create_connection(self._listener.getsockname()):
            pass
        self._thread.join(30)
        self._listener.close()

    def _serve(self) -> None:
        players = []
        while True:
            connection, _ = self._listener.accept()
            if self._is_over.is_set():
                connection.close()
                break
            connection.settimeout(20)
            script = self._scripts[self.connections] if self.connections < len(self._scripts) else []
            self.connections += 1
            players.append(threading.Thread(target=self._play, args=(connection, script)))
            players[-1].start()
        for player in players:
            player.join(20)

    def _play(self, connection: socket.socket, script: list[bytes | str]) -> None:
        with connection:
            try:
                for step in script:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif step == "request":
                        self.requests.append(read_request(connection))
                    elif step == "wait":
                        connection.recv(1)
                    elif step == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except (ConnectionError, TimeoutError):
                return


def read_request(connection: socket.socket) -> bytes:
    """Read one request as far as its length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        more = connection.recv(1 << 20)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body
