"""What 100 invocations pay for an intake that accepts and never answers: the first one, and each after the fifth.

The first pays the budget (2,000 ms), then the breaker is open. The function's time-out is 3 s and 15 s; the strategies
are those under which an invocation waits for its flush at all.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.extension import frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import ScriptedLambda
from bench.warm import Function

INVOCATIONS = 100
SETTLED_AFTER = 5
CASES = {
    "end_3s": ("end", 3_000),
    "end_15s": ("end", 15_000),
    "default_3s": ("default", 3_000),
    "default_15s": ("default", 15_000),
}


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    cases = list(CASES.items())
    for case, (strategy, timeout_ms) in cases[:2] if bench.quick else cases:
        api = ScriptedLambda()
        try:
            with IntakeProcess() as intake:
                intake.command("always all hang")
                variables = intake.variables | {"DD_SERVERLESS_FLUSH_STRATEGY": strategy}
                with started(layer, api, variables) as running:
                    api.boot()
                    function = Function(api)
                    function.timeout_ms = timeout_ms
                    added = [function.invoke() for _ in range(INVOCATIONS)]
                    function.shut_down()
                    code = running.wait()
                    output = running.output()
        finally:
            api.close()
        if code != 0 or "Lost in this sandbox" not in output or "data is kept" not in output:
            raise RuntimeError(f"exit code {code}, output {output}")
        settled = added[SETTLED_AFTER:]
        yield Measurement(f"{case}_first", added[0], "ms", "bound by the specification: 2,100")
        note = f"longest {max(settled):.1f}, all beside the first {sum(added[1:]):.0f}; bound 5"
        yield Measurement(f"{case}_settled", statistics.median(settled), "ms", note)
