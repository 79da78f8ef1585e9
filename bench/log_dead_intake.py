"""1 GB of log lines of 300 bytes while nobody takes the payloads: the memory of the frozen process, tenth by tenth.

Two dead intakes: one accepts every connection and never answers, the other refuses them. The lines come as the platform
sends them, in bodies of 256 KB, over 20 invocations that each want to flush. Two thirds of a line are random digits,
so the store of 32 MB fills after about a tenth. Checked: every line that went in is counted as lost.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import telemetry_bodies as bodies
from bench.extension import Program, Running, frozen, pure, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster
from bench.warm import PLATFORM_LINES

STEADY = True
BYTES = 1_000_000_000
BYTES_PURE = 150_000_000
"""For the interpreted form: past the bound of the store, and short enough to wait for."""
INVOCATIONS = 20
"""The first one alone is more than the retry queue holds, so what waits there does not grow later."""
TENTHS = 10
POSTS_APART = 8
"""Posts between two looks at the private memory; a look takes as long as a post."""
DIFFERENT_POSTS = 24
"""Bodies made beforehand. None comes twice within a payload, so repeating them does not make them shorter."""


@dataclass(frozen=True)
class Tenth:
    """The most memory in one tenth of the run."""

    resident_kb: int
    private_kb: int


@dataclass(frozen=True)
class Drowned:
    """What a run without an intake cost."""

    lines: int
    cpu_ms: float
    tenths: list[Tenth]
    reasons: str


def noisy_posts() -> tuple[list[bytes], int]:
    """Bodies of log lines of which two thirds are hexadecimal noise, and the lines in each."""
    source = random.Random(2)
    texts = [line[:100] + source.randbytes(100).hex() for line in bodies.lines(800 * DIFFERENT_POSTS, seed=2)]
    made = bodies.posts(texts)[:DIFFERENT_POSTS]
    counts = {post.count(b'"function"') for post in made}
    if len(made) != DIFFERENT_POSTS or len(counts) != 1:
        raise RuntimeError(f"{len(made)} bodies of {counts} lines")
    return made, counts.pop()


def forget_peak(running: Running) -> None:
    """Let the kernel count the most resident memory from here on."""
    Path(f"/proc/{running.pid}/clear_refs").write_text("5", encoding="ascii")


def drown(program: Program, variables: dict[str, str], volume: int) -> Drowned:
    """Post so many bytes of log lines while the intake of these variables is dead, and shut down."""
    posts, lines_per_post = noisy_posts()
    count = volume // (lines_per_post * bodies.LINE_BYTES)
    shares = [count * (number + 1) // INVOCATIONS - count * number // INVOCATIONS for number in range(INVOCATIONS)]
    tenths: list[Tenth] = []
    api = ScriptedLambda()
    try:
        with started(program, api, variables | {"DD_SERVERLESS_FLUSH_STRATEGY": "end"}) as running:
            api.boot()
            before_ms = running.wait_until_idle()
            poster = TelemetryPoster()
            sent = private_kb = 0
            for number, share in enumerate(shares, 1):
                identity = bodies.request_id(number)
                api.invoke(identity)
                poster.post(bodies.encode([bodies.start(identity)]))
                for _ in range(share):
                    poster.post(posts[sent % DIFFERENT_POSTS])
                    sent += 1
                    if sent % POSTS_APART == 0:
                        private_kb = max(private_kb, running.memory().private_dirty_kb)
                poster.post(bodies.encode([bodies.runtime_done(identity)]))
                api.expect(NEXT)
                poster.post(bodies.encode([bodies.report(identity)]))
                if number % (INVOCATIONS // TENTHS) == 0:
                    tenths.append(Tenth(running.peak_rss_kb(), private_kb))
                    forget_peak(running)
                    private_kb = 0
            cpu_ms = running.cpu_ms() - before_ms
            poster.close()
            api.shut_down()
            code = running.wait()
            output = running.output()
    finally:
        api.close()
    lines = count * lines_per_post
    check_counted(lines + INVOCATIONS * PLATFORM_LINES, output, code)
    reasons = ", ".join(f"{int(entries):,} {reason}" for entries, reason in lost(output))
    return Drowned(lines, cpu_ms, tenths, reasons)


def lost(output: str) -> list[tuple[str, str]]:
    """How many log entries were lost for which reason, out of what the extension printed at its end."""
    _, _, told = output.partition("Lost in this sandbox: ")
    return re.findall(r"(\d+) logs \((\w+)\)", told)


def check_counted(entries: int, output: str, code: int) -> None:
    told = sum(int(count) for count, _ in lost(output))
    if told != entries or code != 0 or "data is kept" not in output:
        raise RuntimeError(f"{told} of {entries} entries are counted as lost, exit code {code}, output {output[:800]}")


def drown_in(kind: str, program: Program, volume: int) -> Drowned:
    """Against the intake that never answers (`hang`), or the one that refuses (`refused`)."""
    if kind == "refused":
        return drown(program, {}, volume)  # nobody listens at the usual addresses of a measurement
    with IntakeProcess() as intake:
        intake.command("always all hang")
        return drown(program, intake.variables, volume)


def megabytes(kb: float) -> float:
    return kb / 1024


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    volume = BYTES // 5 if bench.quick else BYTES
    os.sync()
    for kind in ("hang", "refused"):
        run = drown_in(kind, layer, volume)
        resident = [tenth.resident_kb for tenth in run.tenths]
        private = [tenth.private_kb for tenth in run.tenths]
        half = TENTHS // 2
        course = " ".join(f"{megabytes(kb):.0f}" for kb in resident)
        yield Measurement(f"{kind}_peak", megabytes(max(resident)), "MB", f"most resident; by tenths {course}")
        yield Measurement(f"{kind}_private", megabytes(max(private)), "MB", "most private dirty memory")
        growth = max(resident[half:]) - max(resident[:half])
        yield Measurement(f"{kind}_growth", megabytes(growth), "MB", "most in the second half less most in the first")
        yield Measurement(f"{kind}_cpu", run.cpu_ms * 1000 / run.lines, "us", f"per line, all of it; {run.reasons}")
    short = drown_in("hang", layer, BYTES_PURE)
    interpreted = drown_in("hang", pure(), BYTES_PURE)
    most = max(tenth.resident_kb for tenth in interpreted.tenths)
    yield Measurement("hang_peak_pure", megabytes(most), "MB", f"interpreted, {BYTES_PURE // 10**6} MB of lines")
    yield Measurement("hang_cpu_pure", interpreted.cpu_ms * 1000 / interpreted.lines, "us", "interpreted, per line")
    yield Measurement("hang_cpu_ratio", short.cpu_ms / interpreted.cpu_ms, "x", "frozen to pure, the same lines")
