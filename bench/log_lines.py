"""CPU per log line, from the body of a telemetry POST to closed payloads, compression left out; both forms.

Lines are 300 bytes, a body has 700 of them (what the platform sends at its usual buffering), and the compressor is one
that costs nothing. Every round checks that all lines came out, with the text of the last one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from bench.harness import ROOT, Bench, Measurement, Unavailable
from bench.processes import instructions

STEADY = True

FORMS = {"compiled": ROOT / "out" / "compiled", "pure": ROOT / "src"}
SHAPES = ("text", "unicode", "object", "json", "tagged")
LINES_PER_BODY = 700

CHILD = r"""
import json, sys, time
from thimble.core.drops import Drops
from thimble.core.logs.aggregator import LogAggregator
from thimble.core.logs.processor import LogProcessor

shape, bodies_count, rounds, lines_per_body = sys.argv[1], *map(int, sys.argv[2:])
ARN = "arn:aws:lambda:eu-west-1:210987654321:function:orders-api"
TAGS = ("region:eu-west-1,account_id:210987654321,aws_account:210987654321,functionname:Orders-API"
        ",resource:Orders-API,function_arn:" + ARN + ",env:prod,memorysize:512,architecture:arm64")
RID = "5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33"

def line(number):
    if shape in ("text", "unicode"):
        word = "\u00e9t\u00e9" if shape == "unicode" else "paid"
        return f"[INFO]\t2026-03-02T10:15:31.431Z\t{RID}\torder {number} {word} ".ljust(299, "x") + "\n"
    fields = {"timestamp": "2026-03-02T10:15:31Z", "level": "WARN", "message": "", "logger": "orders", "requestId": RID}
    if shape == "tagged":
        fields["ddtags"] = "team:pay"
    fields["message"] = f"order {number} paid ".ljust(299 - len(json.dumps(fields)), "x")
    return fields if shape == "object" else json.dumps(fields)

def event(kind, record, number=0):
    return {"time": f"2026-03-02T10:15:31.{number % 1000:03}Z", "type": kind, "record": record}

def write(events):
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()

bodies = [write([event("function", line(n), n) for n in range(lines_per_body)]) for _ in range(bodies_count)]
kept = []
drops = Drops()
aggregator = LogAggregator(1000, 5_242_880, 1 << 25, lambda body: kept.append(body) or b"", drops)
processor = LogProcessor(ARN, "orders", TAGS, True, aggregator, drops)
processor.ingest(write([event("platform.start", {"requestId": RID})]), 0)
best_ns = 1 << 62
for _ in range(rounds):
    begin = time.process_time_ns()
    for body in bodies:
        processor.ingest(body, 0)
        kept[:-1] = []
    best_ns = min(best_ns, time.process_time_ns() - begin)
    count = sum(payload.item_count for payload in aggregator.take())
    expected = bodies_count * lines_per_body
    assert expected <= count <= expected + 1, (count, expected)
assert f"order {lines_per_body - 1} " in json.loads(kept[-1])[-1]["message"]["message"]
assert drops.report() == []
print(best_ns)
"""


def command(shape: str, bodies: int, rounds: int) -> list[str]:
    """A fresh interpreter that takes `bodies` bodies of one shape, `rounds` times."""
    return [sys.executable, "-B", "-c", CHILD, shape, str(bodies), str(rounds), str(LINES_PER_BODY)]


def environment(form: str) -> dict[str, str]:
    """The environment that leads to one form of the package."""
    return dict(os.environ, PYTHONPATH=str(FORMS[form]), PYTHONHASHSEED="0")


def us_per_line(form: str, shape: str, bodies: int, rounds: int) -> float:
    """The least CPU per line over the rounds, in microseconds."""
    child = command(shape, bodies, rounds)
    result = subprocess.run(child, env=environment(form), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{form} {shape}: {result.stderr.strip()[-800:]}")
    return float(result.stdout) / 1e3 / (bodies * LINES_PER_BODY)


def instructions_per_line(shape: str) -> float:
    """Instructions of the compiled form for one more line: a run of eleven rounds against a run of one."""
    bodies, more = 3, 10
    few = instructions(command(shape, bodies, 1), environment("compiled"))
    many = instructions(command(shape, bodies, 1 + more), environment("compiled"))
    return (many - few) / (more * bodies * LINES_PER_BODY)


def measure(bench: Bench) -> Iterator[Measurement]:
    if not (FORMS["compiled"] / "thimble" / "_native").is_dir():
        raise Unavailable("out/compiled is not built: make compile")
    notes = {
        "text": "plain text, ASCII",
        "unicode": "plain text with accents",
        "object": "JSON log format: the record is an object",
        "json": "JSON inside a text",
        "tagged": "the same with tags of its own, which Python takes out",
    }
    for shape in SHAPES:
        compiled = us_per_line("compiled", shape, 30, bench.rounds(9))
        pure = us_per_line("pure", shape, 6, 3)
        yield Measurement(f"{shape}_compiled", compiled, "us", f"{notes[shape]}; minimum")
        yield Measurement(f"{shape}_pure", pure, "us", "minimum")
        yield Measurement(f"{shape}_ratio", compiled / pure, "x", "compiled to pure")
    try:
        for shape in ("text", "json"):
            yield Measurement(f"{shape}_instructions", instructions_per_line(shape), "", "per line, compiled")
    except Unavailable:
        return
