"""CPU per DogStatsD line, from the bytes of a datagram to its context, and per sketch insert; both forms.

200 contexts of three tags, distributions, counts and gauges in turn, 20 lines a datagram; no socket. Checked: every
line is taken, and the counts add up.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.harness import Bench, Measurement, Unavailable
from bench.log_lines import FORMS, environment
from bench.processes import instructions

STEADY = True
CONTEXTS = 200
SHAPES = {
    "known": "contexts that are known, tags in any order",
    "new": "every line a context of its own, up to the limit",
    "packed": "eight values a line",
    "refused": "a value that is no number",
    "insert": "one value into a sketch, no line",
}

CHILD = r"""
import sys, time
from thimble.kernels.metric_store import MetricStore, Sketch

shape, lines_count, rounds, contexts = sys.argv[1], *map(int, sys.argv[2:])
NOW_S = 1_772_446_530

def line(number):
    context = number if shape == "new" else number % contexts
    kind = "dcg"[number % 3] if shape == "new" else "dcg"[context % 3]
    value = {"d": f"{number * 7919 % 10007 / 10:.1f}", "c": "1", "g": str(number % 1000)}[kind]
    if shape == "packed":
        value = ":".join([value] * 8)
    if shape == "refused":
        value = "none"
    return f"orders.{kind}:{value}|{kind}|#route:r{context},env:prod,tier:gold".encode()

lines = [line(number) for number in range(lines_count)]
datagrams = [b"\n".join(lines[at:at + 20]) for at in range(0, len(lines), 20)]
store = MetricStore(10_240, 8192, b"", (), False)
values = [number * 7919 % 10007 / 10 for number in range(lines_count)]
of_kind = sum(b"|c|" in text for text in lines)
best_ns = 1 << 62
for number in range(rounds):
    sketch = Sketch()
    taken = store.lines
    begin = time.process_time_ns()
    if shape == "insert":
        for value in values:
            sketch.insert(value)
    else:
        for datagram in datagrams:
            store.scan(datagram, False, NOW_S)
    best_ns = min(best_ns, time.process_time_ns() - begin)
    if shape == "insert":
        assert sketch.count == lines_count
        continue
    refused = sum(store.take_refused())
    assert store.lines - taken + refused == lines_count
    assert refused == (lines_count if shape == "refused" else 0)
    assert store.count == {"refused": 0, "new": lines_count}.get(shape, min(contexts, lines_count))
    counts = sum(store.value(index) for index in range(store.count) if store.entry(index)[0] == 0)
    assert counts == {"refused": 0, "packed": 8 * of_kind}.get(shape, of_kind)
    store.clear()
print(best_ns)
"""


def command(shape: str, lines: int, rounds: int) -> list[str]:
    """A fresh interpreter that takes so many lines of one shape, `rounds` times."""
    return [sys.executable, "-B", "-c", CHILD, shape, str(lines), str(rounds), str(CONTEXTS)]


def us_per_line(form: str, shape: str, lines: int, rounds: int) -> float:
    """The least CPU per line over the rounds, in microseconds."""
    result = subprocess.run(
        command(shape, lines, rounds), env=environment(form), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"{form} {shape}: {result.stderr.strip()[-800:]}")
    return float(result.stdout) / 1e3 / lines


def instructions_per_line(shape: str) -> float:
    """Instructions of the compiled form for one more line: a run with ten rounds more against a run of one."""
    lines, more = 4000, 10
    few = instructions(command(shape, lines, 2), environment("compiled"))
    many = instructions(command(shape, lines, 2 + more), environment("compiled"))
    return (many - few) / (more * lines)


def measure(bench: Bench) -> Iterator[Measurement]:
    if not (FORMS["compiled"] / "thimble" / "_native").is_dir():
        raise Unavailable("out/compiled is not built: make compile")
    for shape, note in SHAPES.items():
        lines = 10_000
        compiled = us_per_line("compiled", shape, lines, bench.rounds(15))
        pure = us_per_line("pure", shape, lines, 3)
        yield Measurement(f"{shape}_compiled", compiled, "us", f"{note}; minimum")
        yield Measurement(f"{shape}_pure", pure, "us", "minimum")
        yield Measurement(f"{shape}_ratio", compiled / pure, "x", "compiled to pure")
    try:
        yield Measurement("known_instructions", instructions_per_line("known"), "", "per line, compiled")
    except Unavailable:
        return
