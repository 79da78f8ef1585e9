"""Byte streams over non-blocking sockets, with back-pressure and deadlines."""

from __future__ import annotations

import _socket
from typing import TYPE_CHECKING, Final

from .errors import ConnectionFailed, ConnectionRefused, DeadlinePassed
from .loop import NO_DEADLINE, READ, WRITE, Loop

if TYPE_CHECKING:
    from socket import socket as Socket

RECEIVE_BYTES: Final = 262_144
SEND_BYTES: Final = 262_144
RUSH_BYTES: Final = 1_048_576
"""What a task may receive in a row before the others have their turn: a fast peer must not keep the loop to itself."""

MSG_NOSIGNAL: Final = 0x4000
SHUT_WR: Final = 1
SHUT_RDWR: Final = 2
ECONNABORTED: Final = 103
ECONNREFUSED: Final = 111
EINPROGRESS: Final = 115
ACCEPT_PAUSE_MS: Final = 50


class ByteStream:
    """What plain and TLS connections have in common."""

    async def receive(self, size_max: int, deadline_ns: int = NO_DEADLINE) -> bytes:
        """Return between 1 and `size_max` bytes, or `b""` at the end of the stream.

        Raises:
            DeadlinePassed: Nothing came in time.
            ConnectionFailed: The connection broke.
        """
        raise AssertionError

    async def send(self, data: bytes, deadline_ns: int = NO_DEADLINE) -> None:
        """Send everything, waiting while the peer is slow.

        Raises:
            DeadlinePassed: The peer did not take it in time.
            ConnectionFailed: The connection broke.
        """
        raise AssertionError

    def close(self) -> None:
        """Close at once. May be called twice."""
        raise AssertionError


class SocketStream(ByteStream):
    """A connected TCP socket. Owns the socket: `close` closes it."""

    def __init__(self, loop: Loop, sock: Socket) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._fd = sock.fileno()
        self._rush_bytes = 0
        self.is_closed = False
        loop.watch(self._fd)

    @property
    def socket(self) -> Socket:
        """The socket itself, for whoever must go on without the loop."""
        return self._socket

    async def receive(self, size_max: int, deadline_ns: int = NO_DEADLINE) -> bytes:
        if self._rush_bytes >= RUSH_BYTES:
            self._rush_bytes = 0
            await self._loop.pause()
        while not self.is_closed:
            try:
                data = self._socket.recv(size_max)
            except BlockingIOError:
                self._rush_bytes = 0
                await self._loop.wait_fd(self._fd, READ, deadline_ns)
            except OSError as error:
                raise ConnectionFailed(_reason(error)) from None
            else:
                self._rush_bytes += len(data)
                return data
        raise ConnectionFailed("the connection was closed")

    async def send(self, data: bytes, deadline_ns: int = NO_DEADLINE) -> None:
        sent = 0
        size = len(data)
        view = memoryview(data) if size > SEND_BYTES else None
        while not self.is_closed:
            try:
                if view is None:
                    sent += self._socket.send(data[sent:] if sent else data, MSG_NOSIGNAL)
                else:
                    sent += self._socket.send(view[sent : sent + SEND_BYTES], MSG_NOSIGNAL)
            except BlockingIOError:
                await self._loop.wait_fd(self._fd, WRITE, deadline_ns)
            except OSError as error:
                raise ConnectionFailed(_reason(error)) from None
            if sent >= size:
                return
        raise ConnectionFailed("the connection was closed")

    def end_sending(self) -> None:
        """Tell the peer that nothing will follow; it may go on sending."""
        try:
            self._socket.shutdown(SHUT_WR)
        except OSError:
            return  # it is gone already

    def abort(self) -> None:
        """Let the peer see the end at once, without touching the loop: for an owner that broke."""
        try:
            self._socket.shutdown(SHUT_RDWR)
        except OSError:
            return  # it is gone already

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.forget(self._fd)
            self._socket.close()


class Listener:
    """A listening TCP socket."""

    def __init__(self, loop: Loop, sock: Socket) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._fd = sock.fileno()
        self.is_closed = False
        loop.watch(self._fd)

    async def accept(self) -> SocketStream:
        """Wait for the next connection.

        Without a free descriptor, or after any other failure, it tries again every `ACCEPT_PAUSE_MS`.

        Raises:
            ConnectionFailed: The listener is closed.
        """
        while not self.is_closed:
            try:
                fd, _ = self._socket._accept()  # type: ignore[attr-defined]  # the wrapper in `socket` is what costs
                sock: Socket = _socket.socket(fileno=fd)  # type: ignore[assignment]
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                return SocketStream(self._loop, sock)
            except BlockingIOError:
                await self._loop.wait_fd(self._fd, READ)
            except OSError as error:
                if error.errno != ECONNABORTED:
                    await self._loop.sleep_ms(ACCEPT_PAUSE_MS)
        raise ConnectionFailed("the listener was closed")

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.forget(self._fd)
            self._socket.close()


async def connect(loop: Loop, family: int, address: str, port: int, deadline_ns: int) -> SocketStream:
    """Open a TCP connection to a numeric address.

    Raises:
        ConnectionRefused: Nobody listens there.
        ConnectionFailed: It could not be made.
        DeadlinePassed: The peer did not answer in time.
    """
    try:
        sock: Socket = _socket.socket(family, _socket.SOCK_STREAM)  # type: ignore[assignment]
        sock.setblocking(False)
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        code = sock.connect_ex((address, port))
    except OSError as error:  # no descriptor left, or no IPv6 on this machine
        raise ConnectionFailed(_reason(error)) from None
    if code not in (0, EINPROGRESS):
        sock.close()
        raise _failed(code)
    stream = SocketStream(loop, sock)
    if code == EINPROGRESS:
        try:
            await loop.wait_fd(sock.fileno(), WRITE, deadline_ns)
            code = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        except DeadlinePassed:
            stream.close()
            raise DeadlinePassed("no connection in time") from None
        except BaseException:
            stream.close()
            raise
        if code != 0:
            stream.close()
            raise _failed(code)
    return stream


def _failed(code: int) -> ConnectionFailed:
    import posix

    text = posix.strerror(code)
    return ConnectionRefused(text) if code == ECONNREFUSED else ConnectionFailed(text)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
