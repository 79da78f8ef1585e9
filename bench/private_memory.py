"""Private dirty memory: idle, after the first flush over TLS, and its growth over 1,000 warm invocations.

Private dirty is what a sandbox pays for; resident memory depends on which pages of the files the kernel maps ahead.
Checked: every log line of every invocation arrives, nothing is printed, the exit code is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.extension import Program, frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import ScriptedLambda
from bench.warm import LINE_COUNT, PLATFORM_LINES, Function

STEADY = True
FIRST, LAST = 20, 1000
"""Growth is measured from the 20th invocation on: until then every one ends with a flush."""


def idle_and_first_flush(program: Program, bench: Bench) -> tuple[int, int, int]:
    """Private dirty KB when idle and after an invocation that flushed over TLS, and resident KB when idle."""
    ca_file = bench.out / "ca.pem"
    api = ScriptedLambda()
    try:
        with IntakeProcess(ca_file) as intake, started(program, api, intake.variables) as running:
            api.boot()
            running.wait_until_idle()
            idle = running.memory()
            function = Function(api)
            function.invoke()
            if intake.accepted() < 1:
                raise RuntimeError("the first invocation ended without its flush")
            running.wait_until_idle()
            flushed = running.memory()
            running.check_silent()
            function.shut_down()
            code = running.wait()
            check_arrived(intake.stop(), 1, code)
    finally:
        api.close()
    return idle.private_dirty_kb, flushed.private_dirty_kb, idle.rss_kb


def growth(program: Program) -> tuple[int, int, int]:
    """Private dirty KB after the 20th and after the last of many warm invocations, and the peak of resident KB."""
    api = ScriptedLambda()
    try:
        with IntakeProcess() as intake, started(program, api, intake.variables) as running:
            api.boot()
            function = Function(api)
            for _ in range(FIRST):
                function.invoke()
            before = running.memory().private_dirty_kb
            for _ in range(LAST - FIRST):
                function.invoke()
            after, peak = running.memory().private_dirty_kb, running.peak_rss_kb()
            running.check_silent()
            function.shut_down()
            code = running.wait()
            check_arrived(intake.stop(), LAST, code)
    finally:
        api.close()
    return before, after, peak


def check_arrived(totals: dict[str, int], invocations: int, code: int) -> None:
    expected = invocations * (LINE_COUNT + PLATFORM_LINES)
    if totals.get("item_count", 0) != expected or code != 0:
        raise RuntimeError(f"{totals.get('item_count', 0)} of {expected} log entries arrived, exit code {code}")


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    samples = [idle_and_first_flush(layer, bench) for _ in range(bench.rounds(3))]
    idle_kb, flushed_kb, rss_kb = (min(column) for column in zip(*samples, strict=True))
    yield Measurement("idle", idle_kb / 1024, "MB", "private dirty, stage 1 done")
    yield Measurement("first_tls_flush", flushed_kb / 1024, "MB", "private dirty after it")
    yield Measurement("idle_resident", rss_kb / 1024, "MB", "for orientation")
    before_kb, after_kb, peak_kb = growth(layer)
    yield Measurement(
        "growth", (after_kb - before_kb) / 1024, "MB", f"{before_kb} KB after {FIRST}, {after_kb} after {LAST}"
    )
    yield Measurement("growth_peak_resident", peak_kb / 1024, "MB", "for orientation")
