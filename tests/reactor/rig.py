"""Run coroutines on a real loop, and check afterwards that they left nothing behind."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Any

from thimble.reactor.loop import Loop, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LIVES_ON = "resolver"
"""The one task that ends with its process: it waits for lookup threads."""


class CountingPoller:
    """An epoll that counts how often it was asked."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.polls = 0

    def register(self, fd: int, mask: int) -> None:
        self._epoll.register(fd, mask)

    def unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def poll(self, timeout: float, count_max: int) -> list[tuple[int, int]]:
        self.polls += 1
        return self._epoll.poll(timeout, count_max)

    def close(self) -> None:
        self._epoll.close()


def run(main: Callable[[Loop], Coroutine[Any, Any, Any]], expected_errors: int = 0) -> Any:
    """Run `main(loop)` to its end and return what it returned.

    Fails when a task or a watched descriptor is left, or when more or fewer tasks than expected ended with an error
    that nobody joined for.
    """
    errors: list[Task] = []
    poller = CountingPoller()
    loop = Loop(poller, time.monotonic_ns, errors.append)  # type: ignore[arg-type]
    try:
        result = loop.run(main(loop))
        left = [task.name for task in loop.tasks if task.name != LIVES_ON]
        assert left == [], "tasks are left"
        assert len(loop._watches) <= len(loop.tasks), "descriptors are still watched"
        assert [task.error for task in errors][expected_errors:] == [], "tasks ended with an error"
        assert len(errors) == expected_errors
        return result
    finally:
        for task in loop.tasks[:]:
            task.coroutine.close()
        poller.close()


def polls_of(loop: Loop) -> int:
    """How often the loop has polled so far."""
    poller: Any = loop._poller
    return int(poller.polls)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def reset(sock: socket.socket) -> None:
    """Close a TCP connection so that the peer sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
