"""What the extension adds to a warm invocation after the runtime is done, with the intake 0, 50 and 300 ms away.

Under the `end` strategy the invocation lasts until its telemetry is delivered, so an answer is awaited once: the figure
is the latency and a little more. Checked: the telemetry of every invocation leaves inside it, and nothing is printed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.extension import frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import ScriptedLambda
from bench.warm import LINE_COUNT, PLATFORM_LINES, Function

LATENCIES_MS = (0, 50, 300)
END = {"DD_SERVERLESS_FLUSH_STRATEGY": "end"}


def warm_invocations(function: Function, intake: IntakeProcess, count: int) -> list[float]:
    """Pass warm invocations through; returns the milliseconds from runtimeDone to `/next` of each.

    Raises:
        RuntimeError: The telemetry of one was not delivered when `/next` came.
    """
    times = []
    for _ in range(count):
        before = intake.accepted()
        times.append(function.invoke())
        if intake.accepted() <= before:
            raise RuntimeError(f"invocation {function.count} ended before its telemetry was delivered")
    return times


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    for latency_ms in LATENCIES_MS:
        api = ScriptedLambda()
        try:
            with IntakeProcess(latency_ms=latency_ms) as intake, started(layer, api, intake.variables | END) as running:
                api.boot()
                function = Function(api)
                first_ms = function.invoke()
                times = warm_invocations(function, intake, bench.rounds(15))
                running.check_silent()
                function.shut_down()
                code = running.wait()
                arrived = intake.stop().get("item_count", 0)
        finally:
            api.close()
        expected = function.count * (LINE_COUNT + PLATFORM_LINES)
        if arrived != expected or code != 0:
            raise RuntimeError(f"{arrived} of {expected} log entries arrived, exit code {code}")
        note = f"median; longest {max(times):.1f}, first {first_ms:.1f}"
        yield Measurement(f"added_at_{latency_ms}", statistics.median(times), "ms", note)
        yield Measurement(f"beyond_{latency_ms}", min(times) - latency_ms, "ms", "minimum less the latency")
