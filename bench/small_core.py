"""At 1/14 of a core, as a function of 128 MB has: time to `/next`, and what a warm invocation takes longer.

The limit is the extension's alone, with Lambda's period of 20 ms; on Lambda the function shares it. Times, so nothing
here is a gate but wide ceilings. Checked: the telemetry of every warm invocation arrives inside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.extension import Program, frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.intake_latency import END, warm_invocations
from bench.scripted_lambda import NEXT, REGISTER, SUBSCRIBE, ScriptedLambda
from bench.warm import Function

SHARE = 1 / 14
WARM = 20


def boot_ms(program: Program) -> tuple[float, float]:
    """Milliseconds from exec to the registration, and to `/next`."""
    api = ScriptedLambda()
    try:
        with started(program, api, cpu_share=SHARE) as running:
            registered = api.expect(REGISTER)
            api.answer_register()
            api.expect(SUBSCRIBE)
            api.answer_subscribe()
            asked = api.expect(NEXT)
            return (registered.at_ns - running.started_ns) / 1e6, (asked.at_ns - running.started_ns) / 1e6
    finally:
        api.close()


def measure(bench: Bench) -> Iterator[Measurement]:
    layer, bare = frozen("layer"), frozen("bare")
    samples: dict[str, list[tuple[float, float]]] = {layer.name: [], bare.name: []}
    for _ in range(bench.rounds(9)):
        for program in (layer, bare):
            samples[program.name].append(boot_ms(program))
    register, asked = (statistics.median(column) for column in zip(*samples[layer.name], strict=True))
    _, bare_asked = (statistics.median(column) for column in zip(*samples[bare.name], strict=True))
    yield Measurement("register", register, "ms", "exec to the registration, median")
    yield Measurement("next", asked, "ms", f"exec to /next, median; bare {bare_asked:.0f}")
    api = ScriptedLambda()
    try:
        with IntakeProcess() as intake, started(layer, api, intake.variables | END, cpu_share=SHARE) as running:
            api.boot()
            function = Function(api)
            first_ms = function.invoke()
            times = warm_invocations(function, intake, WARM)
            running.check_silent()
    finally:
        api.close()
    yield Measurement("first_added", first_ms, "ms", "runtimeDone to /next of the first invocation, stage 1 included")
    yield Measurement("warm_added", statistics.median(times), "ms", f"the same, warm; the longest {max(times):.0f}")
