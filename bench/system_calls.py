"""System calls of the frozen extension's start: all of them, files opened and looked for, until `/next` and until idle.

Each look-up of a file costs a few microseconds on a quiet machine and much more with a cold cache or at 1/14 of a core.
The counts are the same in every run, so they are gates: a module that is imported from a file shows here at once.
Checked: exactly two `execve` (the launcher, the loader), and nothing outside the layer is looked for but /proc, the
resolver's files and the function's folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.extension import Program, frozen, started
from bench.harness import Bench, Measurement, Unavailable
from bench.scripted_lambda import ScriptedLambda

STEADY = True
CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
PATH = re.compile(r'^(?:AT_FDCWD, )?"([^"]+)"')
FILE_CALLS = {"open", "openat", "stat", "lstat", "newfstatat", "access", "faccessat", "faccessat2", "readlink"}
ALLOWED = ("/opt", "/proc", "/etc/resolv.conf", "/etc/hosts", "/var/task", "/tmp/")
BY_PROCESSOR = re.compile(r"/lib/(?:glibc-hwcaps|tls|haswell|xeon_phi|avx512_1|x86_64|atomics|platform)\b")
"""Folders where the loader looks for a library made for this processor: 12 to 40 look-ups, by its model."""
NEXT_PATH = "/2020-01-01/extension/event/next"


def trace(program: Program) -> list[tuple[str, str]]:
    """Start a program under strace until it is idle; returns `(call, the rest of the line)`, in order, from exec on.

    The loader's search of `BY_PROCESSOR` is left out: the figures are to be the same on every machine.

    Raises:
        Unavailable: strace is not installed.
    """
    if shutil.which("strace") is None:
        raise Unavailable("strace is not installed")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        api = ScriptedLambda()
        try:
            with started(program, api, prefix=("strace", "-f", "-s", "200", "-o", str(out))) as running:
                api.boot()
                running.wait_until_idle()
                lines = out.read_text(encoding="utf-8", errors="replace").splitlines()
        finally:
            api.close()
    calls = [(match.group(1), match.group(2)) for match in map(CALL.match, lines) if match]
    return [(name, rest) for name, rest in calls if not BY_PROCESSOR.search(rest)]


def paths(calls: list[tuple[str, str]]) -> list[str]:
    """The files that were opened or looked for."""
    found = [PATH.match(rest) for name, rest in calls if name in FILE_CALLS]
    return [match.group(1) for match in found if match]


def measure(_: Bench) -> Iterator[Measurement]:
    calls = trace(frozen("layer"))
    bare = trace(frozen("bare"))
    executed = sum(name == "execve" for name, _ in calls)
    if executed != 2:
        raise RuntimeError(f"{executed} execve instead of the launcher's and the loader's")
    outside = {path for path in paths(calls) if not path.startswith(ALLOWED)}
    if outside:
        raise RuntimeError(f"looked for outside the layer: {sorted(outside)}")
    asked = next(index for index, (_, rest) in enumerate(calls) if NEXT_PATH in rest)
    for name, part in (("next", calls[: asked + 1]), ("idle", calls)):
        note = f"bare {len(bare)}" if name == "next" else ""
        yield Measurement(f"{name}_calls", len(part), "calls", note)
        looked = paths(part)
        yield Measurement(f"{name}_files", len(looked), "look-ups", f"{len(set(looked))} different names")
