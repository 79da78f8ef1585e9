"""Metrics by DogStatsD, side by side with Datadog's agent in Rust: CPU per line, losses in bursts, memory.

Both read the same datagrams at the same rate in turns; 200 contexts, and 10,240 for the memory. Losses are what the
kernel counts at the port: ours has to report the same number itself. Checked: every context arrives at the intake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench import datagrams
from bench.extension import Program, Running, frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import ScriptedLambda
from bench.sibling import TRACE_PORT, sibling, wait_for_port

STEADY = True
CONTEXTS = 200
CONTEXTS_MAX = 10_240
VARIABLES = {"DD_ENHANCED_METRICS": "false", "DD_SERVERLESS_FLUSH_STRATEGY": "end"}
PACKED = 20
PACED = {"one": (1, 40_000, 20_000.0), "packed": (PACKED, 80_000, 2_000.0)}
"""Lines a datagram, lines, datagrams a second."""

USUAL_CAP = {"DD_DOGSTATSD_SO_RCVBUF": "212992"}
"""What Linux grants at most unless told otherwise (`net.core.rmem_max`), before it doubles it."""

BURSTS = {"one": (1, 200_000), "packed": (PACKED, 200_000)}


@dataclass(frozen=True)
class Cost:
    """What one side made of a load."""

    cpu_us_per_line: float
    lost_share: float
    growth_kb: int


class Side:
    """One of the two programs."""

    def __init__(self, program: Program, is_extension: bool) -> None:
        self.program = program
        self._is_extension = is_extension

    def take(
        self, texts: list[bytes], per_datagram: int, per_second: float = 0.0, more: dict[str, str] | None = None
    ) -> Cost:
        """Start it, send it everything, and read what it cost until it is at rest.

        Args:
            per_second: Datagrams a second; 0 for as fast as they can be sent.
            more: Variables beyond the usual ones.
        """
        load = datagrams.packed(texts, per_datagram)
        api = ScriptedLambda()
        try:
            variables = VARIABLES | (more or {})
            with IntakeProcess() as intake, started(self.program, api, intake.variables | variables) as running:
                if self._is_extension:
                    api.boot()
                wait_for_port(TRACE_PORT)
                before_ms = running.wait_until_idle()
                before_kb = running.memory().private_dirty_kb
                datagrams.send(load, per_second)
                cpu_ms = running.wait_until_idle() - before_ms
                growth_kb = running.memory().private_dirty_kb - before_kb
                drops = datagrams.kernel_drops()
                if self._is_extension:
                    self._check(running, api, intake, drops, len({name_and_tags(text) for text in texts}))
        finally:
            api.close()
        arrived = len(texts) * (1 - drops / len(load))
        return Cost(cpu_ms * 1000 / arrived, drops / len(load), growth_kb)

    def _check(self, running: Running, api: ScriptedLambda, intake: IntakeProcess, drops: int, contexts: int) -> None:
        """Every context of every bucket arrives, and what the kernel dropped is reported."""
        api.shut_down()
        code = running.wait(60)
        totals = intake.stop_all()
        arrived = sum(totals.get(product, {}).get("item_count", 0) for product in ("series", "sketches"))
        if code != 0 or arrived < contexts:
            raise RuntimeError(f"{arrived} contexts arrived of at least {contexts}, exit code {code}")
        said = re.search(r"(\d+) metric datagrams \(receive_buffer_full\)", running.output())
        if (int(said.group(1)) if said else 0) != drops:
            raise RuntimeError(f"the kernel dropped {drops} datagrams, the extension says: {running.output()[-500:]}")


def name_and_tags(text: bytes) -> bytes:
    return text.partition(b":")[0] + text.rpartition(b"|")[2]


def measure(bench: Bench) -> Iterator[Measurement]:
    ours, rust = Side(frozen("layer"), True), Side(sibling(bench.out), False)
    for name, (per_datagram, count, per_second) in PACED.items():
        texts = datagrams.lines(count, CONTEXTS)
        mine: list[Cost] = []
        theirs: list[Cost] = []
        for _ in range(bench.rounds(3)):
            mine.append(ours.take(texts, per_datagram, per_second))
            theirs.append(rust.take(texts, per_datagram, per_second))
        cpu_us, rust_us = min_cpu(mine), min_cpu(theirs)
        rate = f"{per_second * per_datagram:,.0f} lines a second"
        yield Measurement(f"{name}_ratio", cpu_us / rust_us, "x", "CPU per line at a steady rate, ours to Rust's")
        yield Measurement(f"{name}_ours", cpu_us, "us", f"minimum; {rate}")
        yield Measurement(f"{name}_rust", rust_us, "us", "minimum")
        yield Measurement(f"{name}_loss", max_loss(mine), "%", f"at that rate; Rust: {max_loss(theirs):.1f}")
    for name, (per_datagram, count) in BURSTS.items():
        texts = datagrams.lines(count, CONTEXTS)
        mine = [ours.take(texts, per_datagram) for _ in range(bench.rounds(3))]
        theirs = [rust.take(texts, per_datagram) for _ in range(bench.rounds(3))]
        note = f"of {count // per_datagram:,} datagrams at once; Rust: up to {max_loss(theirs):.1f}"
        yield Measurement(f"{name}_burst_loss", max_loss(mine), "%", note)
        capped = max_loss([ours.take(texts, per_datagram, more=USUAL_CAP) for _ in range(bench.rounds(3))])
        yield Measurement(f"{name}_burst_loss_capped", capped, "%", "the same with the usual cap of receive buffers")
        yield Measurement(f"{name}_burst_ours", min_cpu(mine), "us", "CPU per line that arrived, minimum")
        yield Measurement(f"{name}_burst_rust", min_cpu(theirs), "us", "minimum")
    texts = datagrams.lines(CONTEXTS_MAX, CONTEXTS_MAX)
    mine = [ours.take(texts, 5, 2000.0) for _ in range(bench.rounds(3))]
    rust_mb = rust.take(texts, 5, 2000.0).growth_kb / 1024
    growth_mb = min(cost.growth_kb for cost in mine) / 1024
    yield Measurement("growth", growth_mb, "MB", f"private dirty at {CONTEXTS_MAX:,} contexts; Rust: {rust_mb:.1f}")


def min_cpu(costs: list[Cost]) -> float:
    return min(cost.cpu_us_per_line for cost in costs)


def max_loss(costs: list[Cost]) -> float:
    return max(cost.lost_share for cost in costs) * 100
