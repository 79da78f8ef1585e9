"""CPU of the first flush over TLS: handshake, 100 log lines compressed and sent, the answer read; and of the second.

The first flush loads TLS and the compressor. Its cost without TLS is measured beside it, so the difference is the price
of TLS. Checked: all lines arrive, nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.extension import Program, frozen, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.scripted_lambda import ScriptedLambda
from bench.warm import PLATFORM_LINES, Function

LINE_COUNT = 100
END = {"DD_SERVERLESS_FLUSH_STRATEGY": "end", "DD_ENHANCED_METRICS": "false"}


def flush_cpu_ms(layer: Program, ca_file: Path | None) -> tuple[float, float]:
    """CPU of the first and of the second invocation with its flush."""
    with closing(ScriptedLambda()) as api, IntakeProcess(ca_file) as intake:
        with started(layer, api, intake.variables | END) as running:
            api.boot()
            function = Function(api, LINE_COUNT)
            marks = [running.wait_until_idle()]
            for _ in range(2):
                function.invoke(LINE_COUNT)
                marks.append(running.wait_until_idle())
            running.check_silent()
            function.shut_down()
            code = running.wait()
        arrived = intake.stop().get("item_count", 0)
    if code != 0 or arrived != 2 * (LINE_COUNT + PLATFORM_LINES):
        raise RuntimeError(f"{arrived} log entries arrived, exit code {code}")
    return marks[1] - marks[0], marks[2] - marks[1]


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    with TemporaryDirectory() as folder:
        for name, ca_file in (("tls", Path(folder) / "ca.pem"), ("plain", None)):
            runs = [flush_cpu_ms(layer, ca_file) for _ in range(bench.rounds(9))]
            yield Measurement(f"{name}_first", min(first for first, _ in runs), "ms", "CPU, minimum")
            yield Measurement(f"{name}_second", min(second for _, second in runs), "ms", "CPU, minimum")
