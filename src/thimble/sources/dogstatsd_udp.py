"""The DogStatsD port, 8125/UDP: drains the socket into the store of metrics.

The kernel holds what we have not read. It counts whole buffers, 768 bytes for a datagram of 60, so 200 KB are 270
datagrams, one millisecond of a function in a loop. Hence a buffer as large as the kernel gives, and a reader that
pauses between two looks only for as long as an eighth of it takes to fill. The pauses make a flood cheap: one wake-up
takes many datagrams, where epoll would wake us for each.
"""

from __future__ import annotations

import _socket
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING, Final

from thimble.core.metrics.refusals import Refusals
from thimble.reactor.loop import READ, Loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket

    from thimble.core.drops import Drops
    from thimble.kernels.metric_store import MetricStore

RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""What we ask for; the kernel grants up to twice its `rmem_max`. Only what is in use takes memory."""

SO_MEMINFO: Final = 55
_MEMINFO_BYTES: Final = 36
_USED: Final = 0
_CAPACITY: Final = 1
_DROPPED: Final = 8

DATAGRAMS_PER_TURN: Final = 1024
"""Read at most as many before others have their turn."""

DATAGRAMS_AT_FLUSH_MAX: Final = 65536
"""A flush reads what was sent before it, but does not chase a sender that never pauses."""

BUSY_DATAGRAMS: Final = 4
"""Found at one look: so many, and we look again after a pause instead of waiting for epoll."""

FILL_SHARE: Final = 8
FILL_BYTES_MAX: Final = 256 << 10
"""What may gather during a pause, by the rate seen last. Reading takes as long as sending: a backlog is kept short."""

BURST_BYTES_PER_MS: Final = 512 << 10
"""What a function in a loop fills; a pause is never longer than the whole buffer lasts then.

Packed datagrams fill 460 KB per millisecond. With the usual buffer of 416 KB and pauses up to 1.6 ms, 24 % of a
one-line burst and 60 % of a packed one were lost on a busy machine, with short ones about 5 and 10 %.
"""

PAUSE_NS_MIN: Final = 50_000
PAUSE_NS_MAX: Final = 4_000_000
MILLISECOND_NS: Final = 1_000_000
BLOCKING_PAUSE_NS_MAX: Final = 300_000
"""The loop counts milliseconds. Shorter pauses hold everything else up, which costs less than waking for nothing."""


class DogStatsd:
    """Reads datagrams until it is cancelled.

    Args:
        wall_ms: Unix milliseconds.
        warn, debug: Write a line of our own log.
        receive_buffer_bytes: As configured, or below 0 for as much as we can get.
    """

    def __init__(
        self,
        loop: Loop,
        sock: Socket,
        store: MetricStore,
        drops: Drops,
        wall_ms: Callable[[], int],
        warn: Callable[[str], None],
        debug: Callable[[str], None],
        receive_buffer_bytes: int = -1,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._store = store
        self._drops = drops
        self._wall_ms = wall_ms
        self._warn = warn
        self._debug = debug
        self._refusals = Refusals(drops)
        self._kernel_drops = 0
        self.is_open = True
        wanted = RECEIVE_BUFFER_BYTES if receive_buffer_bytes < 0 else receive_buffer_bytes
        try:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, wanted)
            debug(f"METRICS | Receive buffer of {sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF)} bytes")
        except OSError as error:
            warn(f"METRICS | The receive buffer keeps its size: {error}")
        sock.setblocking(False)

    async def serve(self) -> None:
        """Empty the socket whenever something is in it, until cancelled."""
        fd = self._sock.fileno()
        longest_ns = longest_pause(self._fill()[1])
        looked_ns = 0
        try:
            self._loop.watch(fd)
            while True:
                await self._loop.wait_fd(fd, READ)
                count = self._receive(DATAGRAMS_PER_TURN)
                now_ns = monotonic_ns()
                # Two wake-ups within half a pause: one look after the pause finds more than both.
                if count >= BUSY_DATAGRAMS or now_ns - looked_ns < longest_ns // 2:
                    # Not registered meanwhile: each datagram would be an event.
                    self._loop.forget(fd)
                    await self._read_by_clock(now_ns, longest_ns // FILL_SHARE)
                    self._loop.watch(fd)
                looked_ns = monotonic_ns()
        finally:
            self.is_open = False
            self._loop.forget(fd)
            self._sock.close()

    def drain(self) -> None:
        """Take in what was sent so far, and say what was refused or lost: before a flush empties the store."""
        if self.is_open:
            self._receive(DATAGRAMS_AT_FLUSH_MAX)
            dropped = _number(self._memory(), _DROPPED)
            self._drops.add("metric datagrams", "receive_buffer_full", dropped - self._kernel_drops & 0xFFFFFFFF)
            self._kernel_drops = dropped
        warnings, details = self._refusals.report(self._store.take_refused(), self._store.take_refusals())
        for text in warnings:
            self._warn(text)
        for text in details:
            self._debug(text)

    async def _read_by_clock(self, emptied_ns: int, pause_ns: int) -> None:
        """Pause and read again and again, until there is nothing: epoll then sees the next burst begin.

        Args:
            emptied_ns: When the socket was last emptied.
            pause_ns: The first pause.
        """
        count = 1
        while count:
            if pause_ns >= MILLISECOND_NS:
                await self._loop.sleep_ms(pause_ns // MILLISECOND_NS)
            else:
                if pause_ns > 0:
                    sleep(min(pause_ns, BLOCKING_PAUSE_NS_MAX) / 1e9)
                await self._loop.pause()
            used, capacity = self._fill()
            pause_ns = pause_between(monotonic_ns() - emptied_ns, used, capacity)
            count = self._receive(DATAGRAMS_PER_TURN)
            if count >= DATAGRAMS_PER_TURN:
                pause_ns = 0  # there is more
            emptied_ns = monotonic_ns()

    def _receive(self, datagrams_max: int) -> int:
        try:
            return self._store.receive(self._sock, self._wall_ms() // 1000, datagrams_max)
        except OSError as error:
            self._debug(f"METRICS | Reading from port 8125 failed: {error}")
            return 0

    def _fill(self) -> tuple[int, int]:
        """Bytes of the receive buffer in use, and its size."""
        memory = self._memory()
        return _number(memory, _USED), _number(memory, _CAPACITY)

    def _memory(self) -> bytes:
        """What the kernel says of the socket: nine numbers, or nothing where it does not know."""
        try:
            return self._sock.getsockopt(_socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO_BYTES)
        except OSError:
            return b""


def _number(memory: bytes, index: int) -> int:
    return int.from_bytes(memory[4 * index : 4 * index + 4], "little")


def longest_pause(capacity_bytes: int) -> int:
    """The longest time, in nanoseconds, to leave a socket alone whose receive buffer has this size."""
    return min(capacity_bytes * MILLISECOND_NS // BURST_BYTES_PER_MS, PAUSE_NS_MAX)


def pause_between(elapsed_ns: int, used_bytes: int, capacity_bytes: int) -> int:
    """How long to leave a socket alone.

    Args:
        elapsed_ns: Since it was empty.
        used_bytes: What has gathered since then.
        capacity_bytes: Size of the receive buffer.

    Returns:
        Nanoseconds until an eighth of the buffer (at most `FILL_BYTES_MAX`) is used at the same rate, or all of it at
        the rate of a burst, if that is earlier: 0, or between the limits.
    """
    pause_ns = longest_pause(capacity_bytes)
    if used_bytes > 0:
        pause_ns = min(elapsed_ns * min(capacity_bytes // FILL_SHARE, FILL_BYTES_MAX) // used_bytes, pause_ns)
    return pause_ns if pause_ns >= PAUSE_NS_MIN else 0
