"""CPU per second of an invocation that only lasts: what watching /tmp, descriptors and threads costs.

In a process namespace of its own, so that /proc shows a sandbox and not this machine: the extension, and beside it what
each figure is about. CPU is the extension's alone, without the first half second of the invocation.
Checked: our own metrics arrive within the invocation, and nothing is printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import telemetry_bodies as bodies
from bench.extension import Program, frozen, started
from bench.harness import Bench, Measurement, Unavailable
from bench.intake import IntakeProcess
from bench.processes import cpu_seconds_of
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster

STEADY = True

SETTLE_S = 0.5
OPEN_S = 6.0

QUIET = "import time; time.sleep(1000)"
RESTLESS = """
import time
while True:
    files = [open("/dev/null") for _ in range(20)]
    time.sleep(0.004)
    del files
    time.sleep(0.004)
"""
THREADS = """
import threading, time
for _ in range(22):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
time.sleep(1000)
"""
BESIDE = {"quiet": (QUIET, 5), "restless": (RESTLESS, 1), "threads": (THREADS, 4), "crowd": (QUIET, 60)}
"""What runs beside the extension, and how often."""


def sandbox(code: str, count: int) -> tuple[str, ...]:
    """A prefix that puts a command into a process namespace, beside `count` interpreters that run `code`."""
    script = f'for _ in $(seq {count}); do "$PYTHON" -S -c "$CODE" & done; unset PYTHON CODE; sleep 0.3; exec "$@"'
    variables = ("env", f"PYTHON={sys.executable}", f"CODE={code}")
    return ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *variables, "/bin/sh", "-c", script, "sh")


def extension_below(pid: int) -> int:
    """The extension, as we see it from outside: the one child of `unshare`."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    if not children:
        raise Unavailable("no process namespaces here")
    return int(children[0])


def ms_per_second(program: Program, name: str, open_s: float) -> float:
    """Milliseconds of the extension's CPU per second of one open invocation."""
    code, count = BESIDE[name]
    api = ScriptedLambda()
    try:
        with IntakeProcess() as intake, started(program, api, intake.variables, prefix=sandbox(code, count)) as running:
            api.boot()
            identity = bodies.request_id(1)
            api.invoke(identity)
            poster = TelemetryPoster()
            poster.post(bodies.encode([bodies.start(identity)]))
            time.sleep(SETTLE_S)
            pid = extension_below(running.pid)
            before_s = cpu_seconds_of(pid)
            time.sleep(open_s)
            used_s = cpu_seconds_of(pid) - before_s
            poster.post(bodies.encode([bodies.runtime_done(identity)]))
            api.expect(NEXT)
            poster.close()
            running.check_silent()
            if not intake.command("totals")["totals"].get("sketches", {}).get("accepted"):
                raise RuntimeError("no metrics arrived within the invocation")
    finally:
        api.close()
    return used_s * 1000 / open_s


def measure(bench: Bench) -> Iterator[Measurement]:
    layer = frozen("layer")
    notes = {
        "quiet": "5 processes beside it; the Rust reference takes 20",
        "restless": "one that opens and closes 20 files every 8 ms",
        "threads": "92 threads; the Rust reference takes 180",
        "crowd": "60 processes",
    }
    for name, note in notes.items():
        yield Measurement(name, ms_per_second(layer, name, OPEN_S / (2 if bench.quick else 1)), "ms/s", note)
