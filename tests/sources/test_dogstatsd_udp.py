"""The DogStatsD port with real sockets: nothing that was sent before a flush misses it, and no loss is silent."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from tests.core.metrics.support import Metrics
from tests.reactor.rig import run
from thimble.reactor.loop import Loop
from thimble.sources import dogstatsd_udp
from thimble.sources.dogstatsd_udp import DogStatsd, pause_between


class Port:
    """A DogStatsD source on a port of its own, and a function's socket connected to it."""

    def __init__(self, loop: Loop, receive_buffer_bytes: int = -1, **options: Any) -> None:
        self.metrics = Metrics(**options)
        self.warnings: list[str] = []
        self.details: list[str] = []
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        self.function = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.function.connect(sock.getsockname())
        self.socket = sock
        self.source = DogStatsd(
            loop,
            sock,
            self.metrics.store,
            self.metrics.drops,
            lambda: time.time_ns() // 1_000_000,
            self.warnings.append,
            self.details.append,
            receive_buffer_bytes,
        )

    def close(self) -> None:
        self.function.close()
        self.socket.close()


async def until(loop: Loop, condition: Any) -> None:
    end_ns = loop.deadline_in_ms(10_000)
    while not condition():
        assert loop.now_ns() < end_ns, "it does not come true"
        await loop.sleep_ms(1)


def test_what_was_sent_before_a_flush_is_in_it() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop)
        for number in range(200):
            port.function.send(f"x:1|c|#n:{number % 10}".encode())
        port.source.drain()
        assert sum(entry[4] for entry in port.metrics.contents()) == 200
        assert port.metrics.drops.report() == []
        port.close()

    run(main)


def test_reader_takes_metrics_in_as_they_come_and_ends_with_its_socket() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop)
        task = loop.spawn(port.source.serve(), "dogstatsd")
        for count in (1, 100, 1, 300):
            before = port.metrics.store.lines
            for _ in range(count):
                port.function.send(b"x:1|c\ny:2|d")
            await until(loop, lambda expected=before + 2 * count: port.metrics.store.lines == expected)
        loop.cancel(task)
        await loop.join(task)
        assert port.socket.fileno() == -1
        assert not port.source.is_open
        port.source.drain()
        port.close()

    run(main)


def test_flood_from_another_thread_is_taken_in_or_counted() -> None:
    lines, per_datagram = 40_000, 10

    async def main(loop: Loop) -> None:
        port = Port(loop)
        task = loop.spawn(port.source.serve(), "dogstatsd")

        def send() -> None:
            datagram = b"\n".join([b"x:1|c|#a:b"] * per_datagram)
            for _ in range(lines // per_datagram):
                port.function.send(datagram)

        thread = threading.Thread(target=send)
        thread.start()
        await until(loop, lambda: not thread.is_alive())
        thread.join()
        port.source.drain()
        lost = port.metrics.drops.total("metric datagrams") * per_datagram
        assert port.metrics.store.lines + lost == lines
        loop.cancel(task)
        await loop.join(task)
        port.close()

    run(main)


def test_datagrams_that_the_kernel_dropped_are_counted_once() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop, receive_buffer_bytes=4096)
        for _ in range(100):
            port.function.send(b"x:1|c")
        port.source.drain()
        taken = port.metrics.store.lines
        assert 0 < taken < 100
        assert port.metrics.drops.report() == [f"{100 - taken} metric datagrams (receive_buffer_full)"]
        port.source.drain()
        assert port.metrics.drops.total("metric datagrams") == 100 - taken
        for _ in range(100):
            port.function.send(b"x:1|c")
        port.source.drain()
        assert port.metrics.store.lines + port.metrics.drops.total("metric datagrams") == 200
        port.close()

    run(main)


@pytest.mark.parametrize(("size", "taken", "cut"), [(99, 2, 0), (100, 2, 0), (101, 1, 1), (5000, 1, 1)])
def test_longer_datagram_than_the_buffer_loses_its_last_line(size: int, taken: int, cut: int) -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop, datagram_bytes_max=100)
        port.function.send(b"first:1|c\nsecond:1|c|#".ljust(size, b"x"))
        port.source.drain()
        assert port.metrics.store.lines == taken
        assert port.metrics.drops.total("metrics") == cut
        assert len(port.warnings) == cut
        port.close()

    run(main)


def test_empty_datagram_is_nothing() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop)
        port.function.send(b"")
        port.function.send(b"x:1|c")
        port.source.drain()
        assert (port.metrics.store.lines, port.metrics.drops.report(), port.warnings) == (1, [], [])
        port.close()

    run(main)


def test_refused_line_is_told_once_per_name_and_reason_and_always_counted() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop)
        for _ in range(3):
            port.function.send(b"a:x|c\na:x|c\nb:y|c\na:1|q\ndatadog.t:1|ms\nfine:1|c")
            port.source.drain()
        assert port.warnings == [
            "METRICS | Refused 3 lines: the value is no finite number: a, b",
            "METRICS | Refused 1 line: the type is unknown: a",
        ]
        assert [detail.rpartition(": ")[2] for detail in port.details[1:]] == ["datadog.t"]
        assert port.metrics.drops.report() == ["9 metrics (value)", "3 metrics (unknown_type)"]
        port.close()

    run(main)


def test_ever_new_bad_names_end_in_silence() -> None:
    async def main(loop: Loop) -> None:
        port = Port(loop)
        for number in range(300):
            port.function.send(f"name{number}:x|c".encode())
            port.source.drain()
        assert len(port.warnings) == 64
        assert port.metrics.drops.report() == ["300 metrics (value)"]
        port.close()

    run(main)


def test_configured_buffer_is_used_and_otherwise_more_than_the_default() -> None:
    async def main(loop: Loop) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            usual = plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        small, large = Port(loop, receive_buffer_bytes=20_000), Port(loop)
        assert small.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 40_000
        assert large.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= usual
        small.close()
        large.close()

    run(main)


@pytest.mark.parametrize(
    ("elapsed_ns", "used", "capacity", "expected_ns"),
    [
        (1_000_000, 0, 425_984, 812_500),  # nothing came: what a burst of 512 KB per ms needs to fill it
        (1_000_000, 0, 8 << 20, 4_000_000),  # the longest
        (1_000_000, 1 << 20, 8 << 20, 250_000),  # four times what may gather came in a millisecond
        (1_000_000, 106_496, 425_984, 500_000),  # twice as much
        (100_000, 425_984, 425_984, 0),  # it is full: no pause at all
        (0, 1000, 425_984, 0),
        (1_000_000, 0, 0, 0),  # the kernel does not say
    ],
)
def test_pause_is_what_an_eighth_of_the_buffer_lasts(
    elapsed_ns: int, used: int, capacity: int, expected_ns: int
) -> None:
    assert pause_between(elapsed_ns, used, capacity) == expected_ns


def test_pauses_and_bounds_fit_together() -> None:
    assert dogstatsd_udp.PAUSE_NS_MIN < dogstatsd_udp.BLOCKING_PAUSE_NS_MAX < dogstatsd_udp.MILLISECOND_NS
    assert dogstatsd_udp.longest_pause(212_992) < dogstatsd_udp.longest_pause(1 << 30) == dogstatsd_udp.PAUSE_NS_MAX
