"""What a function sends by DogStatsD in the figures: lines over a number of contexts, packed and paced as asked."""

from __future__ import annotations

import socket
import time
from pathlib import Path

PORT = 8125
PER_GROUP = 50
"""A paced sender sleeps after so many datagrams: finer sleeps are not kept."""


def lines(count: int, contexts: int) -> list[bytes]:
    """Distributions, counts and gauges in turn, with three tags each."""
    texts = []
    for number in range(count):
        context = number % contexts
        kind = "dcg"[context % 3]
        name = {"d": "orders.latency", "c": "orders.placed", "g": "orders.open"}[kind]
        value = {"d": f"{number * 7919 % 10007 / 10:.1f}", "c": "1", "g": str(number % 1000)}[kind]
        texts.append(f"{name}:{value}|{kind}|#route:r{context},env:prod,tier:gold".encode())
    return texts


def packed(texts: list[bytes], per_datagram: int) -> list[bytes]:
    return [b"\n".join(texts[at : at + per_datagram]) for at in range(0, len(texts), per_datagram)]


def send(datagrams: list[bytes], per_second: float = 0.0) -> float:
    """Send all, as fast as possible or at a rate; returns the seconds it took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", PORT))
        began_s = time.monotonic()
        for number, datagram in enumerate(datagrams):
            if per_second and number % PER_GROUP == 0:
                ahead_s = began_s + number / per_second - time.monotonic()
                if ahead_s > 0:
                    time.sleep(ahead_s)
            sock.send(datagram)
        return time.monotonic() - began_s


def kernel_drops() -> int:
    """Datagrams that the kernel dropped at the port so far, for want of room; raises RuntimeError if nobody listens."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{PORT:04X}"):
            return int(fields[-1])
    raise RuntimeError(f"nobody listens on UDP port {PORT}")
