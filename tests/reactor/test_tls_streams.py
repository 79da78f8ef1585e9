"""What happens on a TLS connection: large bodies, its end, and peers that break it."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import ssl
import subprocess
import termios
import threading
from array import array
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.http.asking import Asker, asking
from tests.http.peer_processes import MAKES, foreign_server
from tests.reactor.authorities import Authority, over_tls, serving
from tests.reactor.rig import reset, run
from thimble.reactor.errors import ConnectionFailed, DeadlinePassed, TlsFailed
from thimble.reactor.loop import Loop
from thimble.reactor.streams import connect
from thimble.reactor.tls import TlsContext, TlsStream

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def conversation(
    authority: Authority,
    port: int,
    talk: Callable[[Loop, TlsStream], Coroutine[Any, Any, Any]],
    deadline_ms: int = 20_000,
) -> Any:
    """Shake hands with the server at `port`, then `talk(loop, stream)`."""

    async def main(loop: Loop) -> Any:
        raw = await connect(loop, 2, "127.0.0.1", port, loop.deadline_in_ms(20_000))
        context = TlsContext(str(authority.directory), "", True)
        stream = await context.wrap(raw, "localhost", loop.deadline_in_ms(deadline_ms))
        try:
            return await talk(loop, stream)
        finally:
            stream.close()

    return run(main)


async def read_all(stream: TlsStream, deadline_ns: int) -> bytes:
    pieces = []
    while data := await stream.receive(1 << 20, deadline_ns):
        pieces.append(data)
    return b"".join(pieces)


@VERSIONS
def test_large_data_goes_both_ways(authority: Authority, version: ssl.TLSVersion) -> None:
    data = os.urandom(6_000_000)
    server = authority.server_context()
    server.maximum_version = version

    def swallow_and_return(wrapped: ssl.SSLSocket) -> None:
        received = bytearray()
        while len(received) < len(data):
            received += wrapped.recv(1 << 20)
        wrapped.sendall(received)

    async def talk(loop: Loop, stream: TlsStream) -> bytes:
        deadline_ns = loop.deadline_in_ms(20_000)
        await stream.send(data, deadline_ns)
        received = bytearray()
        while len(received) < len(data):
            received += await stream.receive(1 << 20, deadline_ns)
        return bytes(received)

    with serving(over_tls(server, swallow_and_return)) as port:
        assert conversation(authority, port, talk) == data


def half_closing(wrapped: ssl.SSLSocket) -> None:
    """Answer, say close_notify, and go on reading what comes in plain TCP."""
    assert wrapped.recv(100) == b"question"
    wrapped.sendall(b"answer")
    wrapped.unwrap()


@VERSIONS
def test_the_end_that_the_peer_announces_is_the_end_of_the_stream(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    server = authority.server_context()
    server.maximum_version = version

    async def talk(loop: Loop, stream: TlsStream) -> list[bytes]:
        deadline_ns = loop.deadline_in_ms(20_000)
        await stream.send(b"question", deadline_ns)
        return [await read_all(stream, deadline_ns), await stream.receive(10, deadline_ns)]

    with serving(over_tls(server, half_closing)) as port:
        assert conversation(authority, port, talk) == [b"answer", b""]


def vanishing(wrapped: ssl.SSLSocket) -> None:
    """Answer and end the TCP connection without a close_notify: what an attacker could do as well."""
    assert wrapped.recv(100) == b"question"
    wrapped.sendall(b"half an answer")
    socket.socket(fileno=wrapped.detach()).close()


def test_an_end_that_nobody_announced_is_a_failure(authority: Authority) -> None:
    async def talk(loop: Loop, stream: TlsStream) -> bytes:
        deadline_ns = loop.deadline_in_ms(20_000)
        await stream.send(b"question", deadline_ns)
        first = await stream.receive(100, deadline_ns)
        with pytest.raises(TlsFailed, match="the peer closed the connection during a TLS record"):
            await stream.receive(100, deadline_ns)
        return first

    with serving(over_tls(authority.server_context(), vanishing)) as port:
        assert conversation(authority, port, talk) == b"half an answer"


def test_a_record_that_was_tampered_with_is_a_failure(authority: Authority) -> None:
    async def talk(loop: Loop, stream: TlsStream) -> str:
        deadline_ns = loop.deadline_in_ms(20_000)
        await stream.send(b"question", deadline_ns)
        assert await stream.receive(100, deadline_ns) == b"answer"
        with pytest.raises(TlsFailed) as caught:
            await stream.receive(100, deadline_ns)
        return str(caught.value)

    def handle(wrapped: ssl.SSLSocket) -> None:
        assert wrapped.recv(100) == b"question"
        wrapped.sendall(b"answer")
        with socket.socket(fileno=wrapped.detach()) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            raw.recv(1000)

    with serving(over_tls(authority.server_context(), handle)) as port:
        assert "bad record mac" in conversation(authority, port, talk)


GREETINGS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the peer closed the connection during the TLS handshake"),
    "half a record": (b"\x16\x03\x03\x00\x7a\x02", "the peer closed the connection during the TLS handshake"),
    "http": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "wrong version number"),
    "alert": (b"\x15\x03\x03\x00\x02\x02\x28", "handshake failure"),
    "zeros": (bytes(100), "wrong version number"),
}


@pytest.mark.parametrize("name", GREETINGS)
def test_a_handshake_that_breaks_is_told_by_its_reason(authority: Authority, name: str) -> None:
    greeting, reason = GREETINGS[name]

    async def talk(loop: Loop, stream: TlsStream) -> None:
        raise AssertionError("the handshake went through")

    def handle(connection: socket.socket) -> None:
        connection.recv(5000)
        connection.sendall(greeting)

    with serving(handle) as port, pytest.raises(TlsFailed, match=reason):
        conversation(authority, port, talk)


def test_a_reset_during_the_handshake_is_a_failed_connection(authority: Authority) -> None:
    async def talk(loop: Loop, stream: TlsStream) -> None:
        raise AssertionError("the handshake went through")

    def handle(connection: socket.socket) -> None:
        connection.recv(5000)
        reset(connection)

    with serving(handle) as port, pytest.raises(ConnectionFailed, match="reset"):
        conversation(authority, port, talk)


def test_a_handshake_without_an_answer_ends_at_its_deadline(authority: Authority) -> None:
    async def talk(loop: Loop, stream: TlsStream) -> None:
        raise AssertionError("the handshake went through")

    def handle(connection: socket.socket) -> None:
        while connection.recv(5000):
            pass

    with serving(handle) as port, pytest.raises(DeadlinePassed, match="no end of the TLS handshake in time"):
        conversation(authority, port, talk, deadline_ms=50)


def test_a_server_cut_anywhere_in_its_handshake_is_a_failure(authority: Authority) -> None:
    server = authority.server_context()
    answers: list[bytes] = []

    def record(connection: socket.socket) -> None:
        """Shake hands over memory, and keep what the server sends."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(5000))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            answers.append(outgoing.read())

    async def talk(loop: Loop, stream: TlsStream) -> None:
        raise AssertionError("the handshake went through")

    with serving(record) as port, pytest.raises(TlsFailed):
        conversation(authority, port, talk)
    size = len(answers[0])
    assert size > 500
    lengths = iter((1, 5, 6, 60, 127, 128, 133, 200, size // 2, size - 20))  # signatures differ in length

    def half(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(5000))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read()[: next(lengths)])

    with serving(half) as port:
        for _ in range(10):
            with pytest.raises(TlsFailed, match="the peer closed the connection during the TLS handshake"):
                conversation(authority, port, talk)


class OpensslServer:
    """`openssl s_server`: what is written to it is sent, or obeyed when it is one of its command letters."""

    def __init__(self, authority: Authority, *options: str) -> None:
        key, chain = authority.key_files()
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", str(key), "-cert", str(chain), *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.port = 0
        while not self.port:
            line = self.read_line()
            if line.startswith(b"ACCEPT "):
                self.port = int(line.rpartition(b":")[2])

    def read_line(self) -> bytes:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "openssl s_server ended"
        return line

    def tell(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)

    def has_unread_input(self) -> bool:
        """Whether it has still to read what it was told."""
        assert self.process.stdin is not None
        count = array("i", [0])
        fcntl.ioctl(self.process.stdin.fileno(), termios.FIONREAD, count)
        return count[0] > 0

    def read_until(self, text: bytes) -> bytes:
        found = b""
        while text not in found:
            assert self.process.stdout is not None
            ready, _, _ = select.select([self.process.stdout], [], [], 20)
            assert ready, found
            found += os.read(self.process.stdout.fileno(), 65536)
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize(("version", "command"), [("-tls1_2", b"R\n"), ("-tls1_3", b"K\n"), ("-tls1_3", b"k\n")])
def test_new_keys_in_the_middle_disturb_nothing(authority: Authority, version: str, command: bytes) -> None:
    """TLS 1.2 renegotiation asked for by the server; TLS 1.3 key updates, with and without an answer wanted."""
    server = OpensslServer(authority, version)
    try:

        async def talk(loop: Loop, stream: TlsStream) -> None:
            deadline_ns = loop.deadline_in_ms(20_000)
            await stream.send(b"before\n", deadline_ns)
            await until(loop, b"before")
            server.tell(command)
            while server.has_unread_input():  # two lines at once would be one command
                await loop.sleep_ms(2)
            server.tell(b"between\n")
            received = b""
            while b"between\n" not in received:
                received += await stream.receive(100, deadline_ns)
            await stream.send(b"x" * 50_000 + b"after\n", deadline_ns)
            await until(loop, b"after")
            server.tell(b"end\n")
            assert await stream.receive(100, deadline_ns) == b"end\n"

        async def until(loop: Loop, text: bytes) -> None:
            thread = threading.Thread(target=server.read_until, args=(text,))
            thread.start()
            while thread.is_alive():
                await loop.sleep_ms(2)

        conversation(authority, server.port, talk)
    finally:
        server.close()


def test_openssl_serves_its_page_to_the_client(authority: Authority) -> None:
    server = OpensslServer(authority, "-www")
    try:

        async def scenario(asker: Asker) -> tuple[int, bytes]:
            response = await asker.ask(f"https://localhost:{server.port}/", method="GET")
            return response.status, response.body

        status, body = asking(scenario, lambda: TlsContext("", str(authority.file), True))
        assert status == 200
        assert b"s_server" in body
        assert b"TLSv1.3" in body
    finally:
        server.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", MAKES)
def test_https_servers_of_other_makes_are_asked(authority: Authority, make: str) -> None:
    key, chain = authority.key_files()

    async def scenario(asker: Asker) -> list[bytes]:
        url = f"https://localhost:{port}"
        ports = [(await asker.ask(f"{url}/port")).body for _ in range(2)]
        assert ports[0] == ports[1], "the connection is kept"
        return [
            (await asker.ask(f"{url}/big?n=900000", bytes(5_000_000))).body,
            (await asker.ask(f"{url}/chunked?n=100")).body,
            (await asker.ask(f"{url}/refuse", bytes(5_000_000))).body,
            (await asker.ask(f"https://127.0.0.1:{port}/slow")).body,
        ]

    with foreign_server(make, key, chain) as port:
        found = asking(scenario, lambda: TlsContext("", str(authority.file), True))
    assert found == [b"b" * 900_000, b"piece;" * 100, b"too large", b"slow"]
