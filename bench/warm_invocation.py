"""CPU of one warm invocation under `end`, 20 log lines each: without TLS, over TLS, and how many connections it opens.

On a small function this CPU is billed time, 14-fold at 128 MB. Checked: the telemetry of every invocation leaves inside
it, everything arrives, and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.extension import frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.intake_latency import END, warm_invocations
from bench.private_memory import check_arrived
from bench.scripted_lambda import ScriptedLambda
from bench.warm import Function


def sample(ca_file: Path | None, count: int) -> tuple[float, float]:
    """CPU in ms per warm invocation, and connections to the intake per invocation."""
    api = ScriptedLambda()
    try:
        with IntakeProcess(ca_file) as intake, started(frozen("layer"), api, intake.variables | END) as running:
            api.boot()
            function = Function(api)
            function.invoke()
            before_ms = running.wait_until_idle()
            connections = intake.connections()
            warm_invocations(function, intake, count)
            cpu_ms = (running.wait_until_idle() - before_ms) / count
            connections = intake.connections() - connections
            running.check_silent()
            function.shut_down()
            code = running.wait()
            check_arrived(intake.stop(), count + 1, code)
    finally:
        api.close()
    return cpu_ms, connections / count


def measure(bench: Bench) -> Iterator[Measurement]:
    count = bench.rounds(60)
    for name, ca_file in (("plain", None), ("tls", bench.out / "ca.pem")):
        samples = [sample(ca_file, count) for _ in range(3)]
        cpu_ms, connections = min(samples)
        yield Measurement(f"cpu_{name}", cpu_ms, "ms", f"per invocation, minimum of 3 times {count}")
        yield Measurement(f"connections_{name}", connections, "", "per invocation")
