"""The DogStatsD port, 8125/UDP, before metrics are collected: datagrams are read and counted as dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.reactor.loop import READ, Loop

if TYPE_CHECKING:
    from socket import socket as Socket

    from thimble.core.drops import Drops

DATAGRAM_BYTES_MAX: Final = 8192


async def count_datagrams(loop: Loop, sock: Socket, drops: Drops) -> None:
    """Empty the socket whenever something is in it, until cancelled."""
    sock.setblocking(False)
    fd = sock.fileno()
    loop.watch(fd)
    try:
        while True:
            count = 0
            try:
                while sock.recv(DATAGRAM_BYTES_MAX) is not None:
                    count += 1
            except BlockingIOError:
                pass
            except OSError:
                count += 0  # an ICMP error of an answer that we never sent: nothing is lost
            drops.add("metric datagrams", "metrics_not_supported", count)
            await loop.wait_fd(fd, READ)
    finally:
        loop.forget(fd)
        sock.close()
