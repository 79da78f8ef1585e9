"""Side by side with Datadog's own small agent in Rust, from the package `datadog-serverless-compat`: start-up, memory.

It is the closest relative that can be had as a binary: the trace and DogStatsD agent for functions elsewhere, without
Lambda's APIs, logs or enhanced metrics. So this compares what both do: start, listen for traces and metrics, wait. Its
start asks Google's metadata server, which nobody runs here: waiting takes wall time, not CPU. Checked: both answer on
their ports.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from bench.extension import VARIABLES, Program, frozen, started
from bench.harness import Bench, Measurement, Unavailable
from bench.scripted_lambda import ScriptedLambda
from bench.side_by_side import compare

STEADY = False
TRACE_PORT = 8126
WAIT_S = 10.0


def sibling(out: Path) -> Program:
    """The binary of the package, made executable as the package itself does at run time.

    Raises:
        Unavailable: The package is not installed, or has no binary for this machine.
    """
    spec = importlib.util.find_spec("datadog_serverless_compat")
    if spec is None or spec.origin is None:
        raise Unavailable("not installed: pip install datadog-serverless-compat==0.19.0")
    source = Path(spec.origin).parent / "bin" / "linux-amd64" / "datadog-serverless-compat"
    if os.uname().machine != "x86_64" or not source.exists():
        raise Unavailable("the package has no binary for this machine")
    target = out / "programs" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
    os.sync()
    no_lambda = {name: "" for name in VARIABLES if name.startswith("AWS_")}
    variables = no_lambda | {"K_SERVICE": "orders", "FUNCTION_TARGET": "handler", "DD_LOG_LEVEL": "off"}
    return Program("sibling", (str(target),), variables)


class Sample:
    """Figures of one program over its starts. Shape (starts,) each."""

    def __init__(self, program: Program, is_extension: bool) -> None:
        self._program = program
        self._is_extension = is_extension
        self.private_kb: list[int] = []
        self.resident_kb: list[int] = []

    def cpu_ms(self) -> float:
        """Start it, wait until it is at rest and answers; returns its CPU in milliseconds."""
        api = ScriptedLambda()
        try:
            with started(self._program, api) as running:
                if self._is_extension:
                    api.boot()
                wait_for_port(TRACE_PORT)
                cpu_ms = running.wait_until_idle()
                memory = running.memory()
        finally:
            api.close()
        self.private_kb.append(memory.private_dirty_kb)
        self.resident_kb.append(memory.rss_kb)
        return cpu_ms


def wait_for_port(port: int) -> None:
    """Raises RuntimeError when nobody listens in time. Looks into the kernel's table: a probe would cost the probed."""
    end_s = time.monotonic() + WAIT_S
    wanted = f":{port:04X} 00000000:0000 0A "
    while wanted not in Path("/proc/net/tcp").read_text(encoding="ascii"):
        if time.monotonic() > end_s:
            raise RuntimeError(f"nobody listens on port {port}")
        time.sleep(0.01)


def measure(bench: Bench) -> Iterator[Measurement]:
    rust = Sample(sibling(bench.out), is_extension=False)
    ours = Sample(frozen("layer"), is_extension=True)
    both = compare(ours.cpu_ms, rust.cpu_ms, bench.rounds(9))
    yield Measurement("idle_cpu_ratio", both.ratio_of_minimums, "x", "CPU until at rest, ours to the Rust agent's")
    yield Measurement("idle_cpu_ours", both.ours_min, "ms", "minimum; with register, subscription and /next")
    yield Measurement("idle_cpu_rust", both.base_min, "ms", "minimum")
    private_kb, rust_kb = min(ours.private_kb), min(rust.private_kb)
    yield Measurement(
        "private_ratio", private_kb / rust_kb, "x", "private dirty when at rest, ours to the Rust agent's"
    )
    yield Measurement("private_ours", private_kb / 1024, "MB", f"resident {min(ours.resident_kb) / 1024:.1f}")
    yield Measurement("private_rust", rust_kb / 1024, "MB", f"resident {min(rust.resident_kb) / 1024:.1f}")
