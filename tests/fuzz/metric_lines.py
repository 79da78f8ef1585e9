"""Fuzz target of the metrics path: any datagrams give payloads that decode, and nothing is lost uncounted.

    python tests/fuzz/metric_lines.py [seconds]

It runs whatever form is on the path: `PYTHONPATH=out/compiled` for the compiled one. A crash that this finds becomes a
named case in tests/core/metrics.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parent.parent.parent
    sys.path[:0] = [str(ROOT)] if "thimble" in sys.modules else [str(ROOT), str(ROOT / "src")]

from tests.core.metrics.datagrams import random_datagram
from tests.core.metrics.support import Metrics
from thimble.kernels import metric_codes as codes
from thimble.kernels.metric_store import MetricStore


def lines_of(datagram: bytes, is_cut: bool) -> int:
    """The lines that have to be taken or refused; those to be ignored are left out."""
    lines = datagram.split(b"\n")
    cut = 1 if is_cut else 0
    whole = lines[: len(lines) - cut]
    return cut + sum(1 for line in whole if line and not line.startswith(codes.IGNORED_PREFIXES))


def one_input(datagrams: list[bytes], is_cut: bool, contexts_max: int) -> None:
    """Check one flush; raises when a promise is broken."""
    metrics = Metrics(contexts_max=contexts_max, base={"env": "test"})
    for datagram in datagrams:
        metrics.scan(datagram, is_cut=is_cut)
    expected = sum(lines_of(datagram, is_cut) for datagram in datagrams)
    assert metrics.store.lines + len(metrics.refused()) == expected, "a line is neither taken nor refused"
    contexts = metrics.store.count
    series, sketches = metrics.sent()
    assert len(series) + len(sketches) + metrics.drops.total("metrics") == contexts, "a context is lost uncounted"


def damaged(data: bytes, random: Random) -> bytes:
    """A few bytes changed, doubled or lost."""
    changed = bytearray(data)
    for _ in range(random.randrange(4) if len(changed) > 8 else 0):
        at = random.randrange(len(changed))
        what = random.randrange(3)
        if what == 0:
            changed[at] = random.randrange(256)
        elif what == 1:
            changed[at:at] = changed[at : at + random.randrange(1, 9)]
        else:
            del changed[at : at + random.randrange(1, 4)]
    return bytes(changed)


def run(seconds: float, seed: int) -> int:
    """Try random datagrams for a while; how many flushes. Prints the input that broke a promise."""
    random = Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        datagrams = [damaged(random_datagram(random), random) for _ in range(random.randrange(1, 6))]
        arguments = (datagrams, random.random() < 0.1, random.choice((0, 2, 10_240)))
        try:
            one_input(*arguments)
        except BaseException:
            print(f"input {count} of seed {seed}: {arguments!r}", flush=True)
            raise
        count += 1
    return count


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = time.time_ns()
    print(f"{MetricStore.__module__}: {run(seconds, seed)} flushes in {seconds:.0f} s, seed {seed}: no promise broken")


if __name__ == "__main__":
    main()
