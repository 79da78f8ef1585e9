"""100,000 log lines of 300 bytes in one invocation, in by telemetry POSTs of 256 KB, out to the intake: CPU and memory.

The whole way counts: HTTP in, decoding, tags, encoding, compression, HTTP out. Frozen form against the pure one in the
same run. Checked: every line arrives once, and nothing is printed. The instruction count is of a shorter flood under
callgrind, less the same invocation without lines.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import telemetry_bodies as bodies
from bench.extension import Program, frozen, pure, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.processes import CALLGRIND, callgrind_total
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster
from bench.warm import PLATFORM_LINES

STEADY = True
LINES = 100_000
LINES_COUNTED = 10_000
"""Under callgrind."""


@dataclass(frozen=True)
class Flood:
    """What one flood cost."""

    cpu_ms: float
    peak_rss_kb: int
    private_before_kb: int
    private_after_kb: int
    wire_bytes: int
    requests: int


def flood(program: Program, posts: list[bytes], lines: int, prefix: tuple[str, ...] = ()) -> Flood:
    """Pass one invocation with these bodies through; its `end` flush is part of it."""
    api = ScriptedLambda()
    variables = {"DD_SERVERLESS_FLUSH_STRATEGY": "end"}
    try:
        with IntakeProcess() as intake, started(program, api, intake.variables | variables, prefix=prefix) as running:
            api.boot()
            before_ms = running.wait_until_idle()
            before = running.memory()
            identity = bodies.request_id(1)
            api.invoke(identity, timeout_ms=600_000)
            poster = TelemetryPoster()
            poster.post(bodies.encode([bodies.start(identity)]))
            for post in posts:
                poster.post(post)
            poster.post(bodies.encode([bodies.runtime_done(identity)]))
            api.expect(NEXT)
            cpu_ms = running.wait_until_idle() - before_ms
            peak_rss_kb, after = running.peak_rss_kb(), running.memory()
            running.check_silent()
            poster.post(bodies.encode([bodies.report(identity)]))
            poster.close()
            api.shut_down()
            code = running.wait(60)
            totals = intake.stop()
    finally:
        api.close()
    if totals.get("item_count", 0) != lines + PLATFORM_LINES or code != 0:
        raise RuntimeError(
            f"{totals.get('item_count', 0)} of {lines + PLATFORM_LINES} entries arrived, exit code {code}"
        )
    return Flood(
        cpu_ms, peak_rss_kb, before.private_dirty_kb, after.private_dirty_kb, totals["wire_bytes"], totals["requests"]
    )


def instructions(program: Program, posts: list[bytes], lines: int) -> int:
    """User instructions of a whole run with this flood."""
    with tempfile.TemporaryDirectory() as folder:
        tool = (*CALLGRIND, f"--callgrind-out-file={folder}/out", f"--log-file={folder}/log")
        flood(program, posts, lines, tool)
        return callgrind_total(Path(folder, "out"))


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    texts = bodies.lines(LINES)
    posts = bodies.posts(texts)
    runs = [flood(layer, posts, LINES) for _ in range(bench.rounds(3))]
    interpreted = flood(pure(), posts, LINES)
    best = min(runs, key=lambda run: run.cpu_ms)
    per_line = 1000 / LINES
    sizes = f"{best.requests} payloads, {best.wire_bytes / 1e6:.2f} MB sent"
    yield Measurement("cpu_per_line", best.cpu_ms * per_line, "us", f"minimum of {len(runs)}; {sizes}")
    yield Measurement("cpu_per_line_pure", interpreted.cpu_ms * per_line, "us", "interpreted, for orientation")
    yield Measurement("cpu_ratio", best.cpu_ms / interpreted.cpu_ms, "x", "frozen to pure")
    yield Measurement("peak_resident", max(run.peak_rss_kb for run in runs) / 1024, "MB", "intake answering")
    yield Measurement("private_before", best.private_before_kb / 1024, "MB", "private dirty")
    yield Measurement("private_after", max(run.private_after_kb for run in runs) / 1024, "MB", "private dirty")
    if shutil.which("valgrind") is None:
        return
    some = texts[:LINES_COUNTED]
    counted = instructions(layer, bodies.posts(some), LINES_COUNTED) - instructions(layer, [], 0)
    yield Measurement("instructions_per_line", counted / LINES_COUNTED, "", "by callgrind")
