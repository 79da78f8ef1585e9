"""Start-up of the frozen extension against the bare frozen interpreter: until `/next` was sent, and until idle.

The bare one registers, subscribes and asks for `/next` by the same launcher, loader and interpreter, and nothing else.
Both run in turns on one core. CPU is exact (see `front_seat`); the instruction counts come from callgrind: the same on
a busy machine, so they are the harder gate. Checked: the calls come in order, nothing is printed, the telemetry port
answers once the extension is idle.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import telemetry_bodies
from bench.extension import Program, front_seat, frozen, started
from bench.harness import Bench, Measurement, Unavailable
from bench.processes import CALLGRIND, callgrind_total
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster
from bench.side_by_side import Comparison, compare

STEADY = True
CALLS_BEFORE_NEXT = 3
"""Register, subscription and `/next` are one `send` each, in both programs."""


class Starts:
    """Samples of one program's starts, in milliseconds. Shape (starts,) each."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.next_cpu: list[float] = []
        self.next_wall: list[float] = []
        self.idle_cpu: list[float] = []

    def take(self, is_served: bool) -> float:
        """Start it once; returns the CPU until idle. `is_served`: whether a telemetry port has to answer then."""
        api = ScriptedLambda()
        try:
            with front_seat(), started(self.program, api) as running:
                call = api.boot()
                next_cpu_ms = running.cpu_ms()
                self.next_cpu.append(next_cpu_ms)
                self.next_wall.append((call.at_ns - running.started_ns) / 1e6)
                self.idle_cpu.append(running.wait_until_idle())
                running.check_silent()
                if is_served:
                    check_served(api)
        finally:
            api.close()
        return self.idle_cpu[-1]


def check_served(api: ScriptedLambda) -> None:
    """Pass one empty invocation through: the extension has to take telemetry and ask for the next one."""
    identity = telemetry_bodies.request_id(1)
    api.invoke(identity, timeout_ms=3000)
    poster = TelemetryPoster()
    poster.post(telemetry_bodies.encode([telemetry_bodies.start(identity), telemetry_bodies.runtime_done(identity)]))
    api.expect(NEXT, timeout_s=10)
    poster.close()


def instructions_before(program: Program, function: str) -> list[int]:
    """Start a program under callgrind until it is idle.

    Returns:
        The user instructions before the first call of a C function, and between each two calls. What came after the
        last call is left out.

    Raises:
        Unavailable: valgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        tool = (*CALLGRIND, f"--callgrind-out-file={out}", f"--dump-before={function}", f"--log-file={folder}/log")
        api = ScriptedLambda()
        try:
            with started(program, api, prefix=tool) as running:
                api.boot()
                running.wait_until_idle()
                running.terminate()
        finally:
            api.close()
        parts = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        if not parts:
            raise RuntimeError(f"{program.name} never called {function}")
        return [callgrind_total(path) for path in parts]


def measure(bench: Bench) -> Iterator[Measurement]:
    layer, bare = Starts(frozen("layer")), Starts(frozen("bare"))
    compare(lambda: layer.take(is_served=True), lambda: bare.take(is_served=False), bench.rounds(15))
    for name, ours, base in (
        ("next_cpu", layer.next_cpu[1:], bare.next_cpu[1:]),
        ("idle_cpu", layer.idle_cpu[1:], bare.idle_cpu[1:]),
        ("next_wall", layer.next_wall[1:], bare.next_wall[1:]),
    ):
        both = Comparison(ours, base)
        medians = f"medians {statistics.median(ours):.1f} and {statistics.median(base):.1f} ms"
        yield Measurement(f"{name}_ratio", both.ratio_of_minimums, "x", f"minimums, to bare; {medians}")
        yield Measurement(name, both.ours_min, "ms", f"minimum; bare {both.base_min:.2f}")
    try:
        base_counts = instructions_before(bare.program, "send")
        until_next = instructions_before(layer.program, "send")
        until_idle = instructions_before(layer.program, "epoll_wait")
    except Unavailable:
        return
    if not len(base_counts) == len(until_next) == CALLS_BEFORE_NEXT:
        raise RuntimeError(
            f"{len(until_next)} sends before idle, bare {len(base_counts)}, expected {CALLS_BEFORE_NEXT}"
        )
    million = 1e6
    yield Measurement("next_instruction_ratio", sum(until_next) / sum(base_counts), "x", "to bare, by callgrind")
    yield Measurement("next_instructions", sum(until_next) / million, "M", f"bare {sum(base_counts) / million:.2f}")
    yield Measurement("idle_instruction_ratio", sum(until_idle) / sum(base_counts), "x", "to bare, by callgrind")
    yield Measurement(
        "idle_instructions", sum(until_idle) / million, "M", "until the last epoll_wait before the first event"
    )
