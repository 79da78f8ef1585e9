"""Streams and listeners over real sockets."""

from __future__ import annotations

import _socket
import os
import resource
import socket
import time
from typing import Any

import pytest

from tests.reactor.rig import reset, run, tcp_pair
from thimble.reactor.errors import ConnectionFailed, ConnectionRefused, DeadlinePassed
from thimble.reactor.loop import Loop, Task
from thimble.reactor.streams import RUSH_BYTES, Listener, SocketStream, connect

BIG = 20 * 1024 * 1024


async def read_all(stream: SocketStream, size_max: int = 65536) -> bytes:
    pieces = []
    while data := await stream.receive(size_max):
        pieces.append(data)
    return b"".join(pieces)


async def finished(loop: Loop, task: Task) -> Any:
    """Join a task; its result, or its error raised."""
    await loop.join(task)
    if task.error is not None:
        raise task.error
    return task.result


def test_a_big_send_waits_for_the_reader_and_loses_nothing() -> None:
    left, right = tcp_pair()
    data = os.urandom(1024) * (BIG // 1024)

    async def main(loop: Loop) -> bytes:
        sender, receiver = SocketStream(loop, left), SocketStream(loop, right)
        task = loop.spawn(sender.send(data), "sender")
        await loop.sleep_ms(20)
        assert not task.is_done, "nobody has read yet"
        first = await receiver.receive(10)
        assert len(first) == 10
        rest = loop.spawn(read_all(receiver), "reader")
        await finished(loop, task)
        sender.close()
        received: bytes = first + await finished(loop, rest)
        receiver.close()
        return received

    assert run(main) == data


def test_a_small_send_through_a_smaller_buffer_loses_nothing() -> None:
    left, right = tcp_pair()
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    right.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    data = os.urandom(40_000)

    async def main(loop: Loop) -> bytes:
        sender, receiver = SocketStream(loop, left), SocketStream(loop, right)
        reader = loop.spawn(read_all(receiver, 3_000), "reader")
        await sender.send(data)
        sender.close()
        received: bytes = await finished(loop, reader)
        receiver.close()
        return received

    assert run(main) == data


def test_a_send_that_nobody_takes_ends_at_its_deadline() -> None:
    left, right = tcp_pair()

    async def main(loop: Loop) -> None:
        stream = SocketStream(loop, left)
        begin = time.monotonic()
        with pytest.raises(DeadlinePassed):
            await stream.send(bytes(BIG), loop.deadline_in_ms(50))
        assert 0.05 <= time.monotonic() - begin < 10
        stream.close()

    run(main)
    right.close()


def test_a_receive_gives_at_most_what_was_asked_for_and_ends_at_its_deadline() -> None:
    left, right = socket.socketpair()

    async def main(loop: Loop) -> list[bytes]:
        stream = SocketStream(loop, left)
        right.sendall(b"hello world")
        found = [await stream.receive(5), await stream.receive(100)]
        with pytest.raises(DeadlinePassed):
            await stream.receive(100, loop.deadline_in_ms(10))
        right.close()
        found.append(await stream.receive(100))
        found.append(await stream.receive(100))
        stream.close()
        stream.close()
        return found

    assert run(main) == [b"hello", b" world", b"", b""]


def test_closing_a_stream_ends_the_tasks_that_wait_for_it() -> None:
    left, right = tcp_pair()

    async def main(loop: Loop) -> list[str]:
        stream = SocketStream(loop, left)
        reader = loop.spawn(stream.receive(10), "reader")
        writer = loop.spawn(stream.send(bytes(BIG)), "writer")
        await loop.sleep_ms(5)
        stream.close()
        await loop.join(reader)
        await loop.join(writer)
        with pytest.raises(ConnectionFailed):
            await stream.receive(1)
        with pytest.raises(ConnectionFailed):
            await stream.send(b"x")
        return [str(reader.error), str(writer.error)]

    # Main joins one after the other: the second error comes while nobody waits for that task yet.
    assert run(main, expected_errors=1) == ["the connection was closed"] * 2
    right.close()


def test_a_reset_connection_fails_for_reader_and_writer() -> None:
    left, right = tcp_pair()

    async def main(loop: Loop) -> None:
        stream = SocketStream(loop, left)
        task = loop.spawn(stream.receive(10), "reader")
        await loop.pause()
        reset(right)
        await loop.join(task)
        assert isinstance(task.error, ConnectionFailed)
        assert "reset" in str(task.error)
        with pytest.raises(ConnectionFailed, match="Broken pipe"):
            await stream.send(b"x")
        stream.close()

    run(main)


def test_what_came_before_a_half_close_is_read_and_answered() -> None:
    left, right = tcp_pair()

    async def main(loop: Loop) -> bytes:
        client, server = SocketStream(loop, left), SocketStream(loop, right)
        await client.send(b"question")
        client.end_sending()
        assert await read_all(server) == b"question"
        await server.send(b"answer")
        server.close()
        answer = await read_all(client)
        client.close()
        client.end_sending()
        return answer

    assert run(main) == b"answer"


class EverReady:
    """A socket that always has data, as a fast peer on another core does."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def fileno(self) -> int:
        return self._sock.fileno()

    def recv(self, size_max: int) -> bytes:
        return bytes(min(size_max, 65536))

    def close(self) -> None:
        self._sock.close()


def test_a_peer_that_never_stops_does_not_keep_the_loop_to_itself() -> None:
    left, right = socket.socketpair()

    async def main(loop: Loop) -> int:
        stream = SocketStream(loop, EverReady(left))  # type: ignore[arg-type]
        woken = loop.spawn(loop.sleep_ms(1), "sleeper")
        size = 0
        while not woken.is_done:
            size += len(await stream.receive(65536))
            assert size < 10_000 * RUSH_BYTES, "the sleeper never had its turn"
        stream.close()
        return size

    assert run(main) >= RUSH_BYTES
    right.close()


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_listener_accepts_and_ends_when_it_is_closed() -> None:
    sock = listening()
    address = sock.getsockname()

    async def main(loop: Loop) -> None:
        listener = Listener(loop, sock)
        task = loop.spawn(listener.accept(), "acceptor")
        await loop.pause()
        client = await connect(loop, _socket.AF_INET, address[0], address[1], loop.deadline_in_ms(5_000))
        server: SocketStream = await finished(loop, task)
        await client.send(b"hello")
        assert await server.receive(10) == b"hello"
        waiting = loop.spawn(listener.accept(), "acceptor")
        await loop.pause()
        listener.close()
        listener.close()
        await loop.join(waiting)
        assert isinstance(waiting.error, ConnectionFailed)
        client.close()
        server.close()

    run(main)


def test_a_listener_without_free_descriptors_waits_without_spinning() -> None:
    sock = listening()
    clients = [socket.create_connection(sock.getsockname()) for _ in range(3)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main(loop: Loop) -> float:
        listener = Listener(loop, sock)
        filler: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 5, hard))
        try:
            while True:
                try:
                    filler.append(os.dup(sock.fileno()))
                except OSError:
                    break
            accepted = loop.spawn(listener.accept(), "acceptor")
            begin = time.process_time()
            await loop.sleep_ms(300)
            busy = time.process_time() - begin
            assert not accepted.is_done
        finally:
            for fd in filler:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        first: SocketStream = await finished(loop, accepted)
        others = [await listener.accept() for _ in range(2)]
        for stream in [first, *others]:
            stream.close()
        listener.close()
        return busy

    assert run(main) < 0.1
    for client in clients:
        client.close()


def test_a_port_that_nobody_listens_on_refuses() -> None:
    with listening() as sock:
        address = sock.getsockname()

    async def main(loop: Loop) -> None:
        with pytest.raises(ConnectionRefused, match="Connection refused"):
            await connect(loop, _socket.AF_INET, address[0], address[1], loop.deadline_in_ms(5_000))

    run(main)


def test_an_address_that_does_not_answer_ends_at_the_deadline() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)  # room for one: the next ones get no answer
        address = sock.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)

        async def main(loop: Loop) -> None:
            with pytest.raises(DeadlinePassed, match="no connection in time"):
                await connect(loop, _socket.AF_INET, address[0], address[1], loop.deadline_in_ms(50))

        run(main)
        for filler in fillers:
            filler.close()


def test_a_family_that_the_machine_does_not_have_is_a_failed_connection() -> None:
    async def main(loop: Loop) -> None:
        with pytest.raises(ConnectionFailed):
            await connect(loop, 4242, "127.0.0.1", 80, loop.deadline_in_ms(50))

    run(main)


def test_cancelling_a_connect_closes_its_socket() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        address = sock.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        before = len(os.listdir("/proc/self/fd"))

        async def main(loop: Loop) -> None:
            far_ns = loop.deadline_in_ms(60_000)
            task = loop.spawn(connect(loop, _socket.AF_INET, address[0], address[1], far_ns), "connect")
            await loop.sleep_ms(5)
            loop.cancel(task)
            await loop.join(task)
            assert len(os.listdir("/proc/self/fd")) == before + 1  # the loop's own

        run(main)
        for filler in fillers:
            filler.close()
