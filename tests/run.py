"""Run the suite as `make test` does: on the pure form, on the compiled form, then the black-box tests of the bundle.

    python tests/run.py [pure] [compiled] [bundle] [-- arguments for pytest]

Each part is a pytest process of its own, since a process holds one form. The last line printed adds up their outcomes
in pytest's own words.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "pure": ["--form", "pure", "--ignore", "tests/bundle"],
    "compiled": ["--form", "compiled", "--ignore", "tests/bundle"],
    "bundle": [
        *("--form", "pure", "--extension", "dist/layer/extensions/datadog-agent"),
        *("tests/bundle", "tests/process", "tests/clients"),
    ],
}
PLACES = {"pure": "src", "compiled": "out/compiled", "bundle": "src"}
OUTCOMES = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "error")
NO_TESTS = 5
"""pytest's exit code when it collected nothing."""


AGAIN_MAX = 8
"""So many failures of one part may be due to a busy machine; more of them are not."""


def run_part(part: str, extra: list[str]) -> tuple[int, Counter[str]]:
    """Run one part; answer pytest's exit code and the outcome counts.

    Many tests here stop processes, fill queues and watch deadlines of milliseconds, and share two cores with what else
    runs. The few that fail are run once more, alone: a defect fails again. What passes only then is named, so that it
    gets mended.
    """
    print(f"\ntest: {part}", flush=True)
    code, counts = pytest_run(part, [*PARTS[part], *extra])
    failures = counts["failed"] + counts["error"]
    if code != 1 or not 0 < failures <= AGAIN_MAX:
        return code, counts
    print(f"\ntest: {part}, {failures} that failed once more, alone", flush=True)
    code, again = pytest_run(part, ["--last-failed", "--last-failed-no-failures", "none", "-rA", *PARTS[part], *extra])
    print(f"test: {again['passed']} of {failures} passed only alone; their names stand above.", flush=True)
    for outcome in ("failed", "error"):
        counts[outcome] = again[outcome]
    counts["passed"] += again["passed"]
    return code, counts


def pytest_run(part: str, arguments: list[str]) -> tuple[int, Counter[str]]:
    """One pytest process; its exit code and the outcome counts."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT / PLACES[part]))
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        environment["THIMBLE_TEST_COUNTS"] = file.name
        cache = f"cache_dir=out/pytest_cache/{part}"  # what failed is remembered per part
        command = [sys.executable, "-m", "pytest", "-q", "-o", cache, *arguments]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        text = Path(file.name).read_text(encoding="utf-8")
    return code, Counter(json.loads(text) if text else {})


def summary(counts: Counter[str], seconds: float) -> str:
    """One line as pytest writes it: `= 3 failed, 120 passed in 12.34s =`."""
    parts = [f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]]
    if counts["error"] > 1:
        parts = [part.replace("error", "errors") for part in parts]
    return f" {', '.join(parts) or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


def main(arguments: list[str]) -> int:
    extra: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, extra = arguments[:at], arguments[at + 1 :]
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        print(f"test: {unknown[0]!r} is no part of the suite; write one of: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    # A job that a script starts in the background ignores interrupts, and so would every process that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    total: Counter[str] = Counter()
    worst = 0
    lines = []
    for part in arguments or list(PARTS):
        code, counts = run_part(part, extra)
        if code == NO_TESTS and extra:
            code = 0
        worst = max(worst, code)
        total += counts
        lines.append(f"{part:9} {'ok' if code == 0 else f'pytest ended with {code}'}: {dict(counts)}")
    print("\n" + "\n".join(lines))
    if worst and not total["failed"] and not total["error"]:
        total["error"] += 1
    print(summary(total, time.monotonic() - started), flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
