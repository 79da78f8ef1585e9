"""CPU per log line when the user wants something of the lines: rules, a lowest level, lines kept for bad invocations.

The same lines and bodies as `log_lines`, which measures what nobody pays who sets nothing. Every wish makes the scan
hand back each line, so these figures are those of the way through Python objects. And what 1 GB of lines leaves in
memory when nobody takes the payloads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.harness import Bench, Measurement, Unavailable
from bench.log_lines import CHILD, FORMS, LINES_PER_BODY, environment

STEADY = True

WISHES = {
    "rules3": "three rules: an exclusion and two masks, none of which matches",
    "mask": "one mask that matches once in each line",
    "level": "a lowest level that lets all lines through",
    "below": "a lowest level above all lines",
    "keep": "lines kept for errors: all held, then dropped as the invocation was good",
    "kept": "the same, and the invocation failed: all held, then sent",
}

MAKE = r"""
wish = shape_and_wish.split("-")[1]
from thimble.config.model import ProcessingRule as Rule
from thimble.core.logs.options import LineOptions
from thimble.core.logs.rules import LogRules
saved = Drops()
rules = {
    "rules3": [Rule("exclude_at_match", "a", r"GET /health(z|y)?$", ""),
               Rule("mask_sequences", "b", r"\b4\d{15}\b", "[cc]"),
               Rule("mask_sequences", "c", r"[\w.+-]+@[\w-]+\.[\w.]+", "[mail]")],
    "mask": [Rule("mask_sequences", "a", r"order (\d+)", "order $1 (masked)")],
}.get(wish)
options = LineOptions(
    LogRules(rules, saved) if rules else None,
    {"level": 2, "below": 6, "keep": 5, "kept": 5}.get(wish, 0), "all", ("errors",) if wish.startswith("ke") else (),
)
"""

DRIVE = r"""
ends = [write([event("platform.runtimeDone", {"requestId": RID, "status": status, "metrics": {"durationMs": 5}}),
               event("platform.report", {"requestId": RID, "status": "success", "metrics": {"durationMs": 6,
                     "billedDurationMs": 6, "memorySizeMB": 512, "maxMemoryUsedMB": 50}}),
               event("platform.start", {"requestId": RID})]) for status in ("success", "error")]
processor = LogProcessor(ARN, "orders", TAGS, True, aggregator, drops, False, options, saved)
processor.ingest(ends[0], 0)
best_ns = 1 << 62
lines = 0
for _ in range(rounds):
    saved_before = saved.total("lines")
    aggregator.take()
    begin = time.process_time_ns()
    for body in bodies:
        processor.ingest(body, 0)
        if wish.startswith("ke"):
            processor.ingest(ends[wish == "kept"], 0)
        kept[:-1] = []
    best_ns = min(best_ns, time.process_time_ns() - begin)
    lines = sum(payload.item_count for payload in aggregator.take()) + saved.total("lines") - saved_before
    expected = bodies_count * lines_per_body
    assert expected <= lines <= expected + 3 * bodies_count, (lines, expected)
assert drops.report() == []
print(best_ns)
"""

STORE = r"""
import os, resource, sys
from thimble.core.drops import Drops
from thimble.core.limits import LOG_ENTRIES_MAX, LOG_PAYLOAD_BYTES_MAX, LOG_STORE_BYTES_MAX
from thimble.core.logs.aggregator import LogAggregator
from thimble.core.logs.processor import LogProcessor
from thimble.shell.compress import zstd_compressor

drops = Drops()
aggregator = LogAggregator(LOG_ENTRIES_MAX, LOG_PAYLOAD_BYTES_MAX, LOG_STORE_BYTES_MAX, zstd_compressor(3), drops)
processor = LogProcessor("arn", "orders", "T", True, aggregator, drops)
EVENT = b'{"time":"2026-03-02T10:15:31.431Z","type":"function","record":"'
START = b'[{"time":"2026-03-02T10:15:31Z","type":"platform.start","record":{"requestId":"r"}}]'
processor.ingest(START, 0)
taken = 0
peaks = []
count = int(sys.argv[1])
for number in range(count):
    noise = os.urandom(350 * 140).hex()
    lines = [EVENT + noise[at : at + 140].encode() + b"x" * 160 + b'"}' for at in range(0, len(noise), 140)]
    body = b"[" + b",".join(lines) + b"]"
    taken += len(lines) * 300
    processor.ingest(body, 0)
    if number in (count // 2, count - 1):
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
assert drops.total("logs") > 0, "the store was never full"
print(taken / 1e6, aggregator.held_bytes / 1e6, *peaks)
"""


def child() -> str:
    """The program of `log_lines` up to its processor, then ours."""
    head, _, _ = CHILD.partition("processor = LogProcessor(")
    head = head.replace("shape, bodies_count", "shape_and_wish, bodies_count", 1)
    imports, _, rest = head.partition('ARN = "arn')
    return imports + 'shape = shape_and_wish.split("-")[0]\n' + MAKE + 'ARN = "arn' + rest + DRIVE


def run(form: str, program: str, *arguments: str) -> list[float]:
    """Numbers that a fresh interpreter prints."""
    command = [sys.executable, "-B", "-c", program, *arguments]
    result = subprocess.run(command, env=environment(form), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{form} {arguments}: {result.stderr.strip()[-800:]}")
    return [float(number) for number in result.stdout.split()]


def us_per_line(form: str, shape: str, wish: str, bodies: int, rounds: int) -> float:
    """The least CPU per line over the rounds, in microseconds."""
    (best_ns,) = run(form, child(), f"{shape}-{wish}", str(bodies), str(rounds), str(LINES_PER_BODY))
    return best_ns / 1e3 / (bodies * LINES_PER_BODY)


def measure(bench: Bench) -> Iterator[Measurement]:
    if not (FORMS["compiled"] / "thimble" / "_native").is_dir():
        raise Unavailable("out/compiled is not built: make compile")
    for wish, what in WISHES.items():
        for shape in ("text", "object"):
            compiled = us_per_line("compiled", shape, wish, 20, bench.rounds(5))
            pure = us_per_line("pure", shape, wish, 5, 3)
            yield Measurement(f"{wish}_{shape}_compiled", compiled, "us", f"{what}; {shape}; minimum")
            yield Measurement(f"{wish}_{shape}_pure", pure, "us", "minimum")
            yield Measurement(f"{wish}_{shape}_ratio", compiled / pure, "x", "compiled to pure")
    taken, held, half, whole = run("compiled", STORE, str(4762))
    yield Measurement("store_taken", taken, "MB", "of log lines, and nobody takes the payloads")
    yield Measurement("store_held", held, "MB", "of payloads at the end")
    yield Measurement("store_peak", whole, "MB", "most resident memory, the interpreter and the lines' writer included")
    yield Measurement("store_growth", whole - half, "MB", "of that in the second half")
