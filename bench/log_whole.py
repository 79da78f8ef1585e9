"""CPU and memory per log line from POSTs in to POSTs out, frozen and interpreted: three shapes of lines, three wishes.

Shapes: a text, a text that is JSON, and a record that is an object (the JSON log format). Wishes: none, three rules of
which none matches, and lines kept for bad invocations. Those kept are below the lowest level, 500 in each of many good
invocations, and none of them is sent; the invocations are in the figure. Checked: all other lines arrive, once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bench import telemetry_bodies as bodies
from bench.extension import Program, frozen, pure, started
from bench.harness import Bench, Measurement
from bench.intake import IntakeProcess
from bench.log_flood import Flood, flood
from bench.scripted_lambda import NEXT, ScriptedLambda, TelemetryPoster
from bench.warm import PLATFORM_LINES

STEADY = True
LINES = 50_000
LINES_PURE = 10_000
LINES_PER_POST = 700
KEPT_PER_INVOCATION = 500
"""Bodies of about 256 KB; of the lines of one request no more are kept than that."""

RULES = [
    {"type": "exclude_at_match", "name": "a", "pattern": "GET /health(z|y)?$"},
    {"type": "mask_sequences", "name": "b", "pattern": r"\b4\d{15}\b", "replace_placeholder": "[cc]"},
    {"type": "mask_sequences", "name": "c", "pattern": r"[\w.+-]+@[\w-]+\.[\w.]+", "replace_placeholder": "[mail]"},
]
WISHES = {
    "plain": {},
    "rules3": {"DD_LOGS_CONFIG_PROCESSING_RULES": json.dumps(RULES)},
    "keep": {"THIMBLE_LOGS_KEEP": "errors|slow:60000", "DD_SERVERLESS_FLUSH_STRATEGY": "periodically,60000"},
}
"""Settings. Where lines are kept, no flush disturbs: it would cost more than the invocation's lines."""


def as_object(text: str, level: str) -> dict[str, Any]:
    """A record of the JSON log format, about as long as the text."""
    record = {"timestamp": bodies.TIME, "level": level, "message": "", "requestId": bodies.request_id(1)}
    return record | {"message": text[-(bodies.LINE_BYTES - len(json.dumps(record))) :]}


SHAPES: dict[str, Callable[[str, str], Any]] = {
    "text": lambda text, level: text.replace("[INFO]", f"[{level}]", 1),
    "json": lambda text, level: json.dumps(as_object(text, level)),
    "object": as_object,
}


def posts(records: list[Any], count: int) -> list[bytes]:
    """Bodies of so many of these records each."""
    events = [bodies.event("function", record) for record in records]
    return [bodies.encode(events[at : at + count]) for at in range(0, len(events), count)]


def kept(program: Program, records: list[Any]) -> Flood:
    """Invocations that end well and whose lines are all kept in vain: nothing but their platform lines is sent."""
    filled = posts(records, KEPT_PER_INVOCATION)
    api = ScriptedLambda()
    try:
        with IntakeProcess() as intake, started(program, api, intake.variables) as running:
            api.boot()
            before_ms = running.wait_until_idle()
            before = running.memory()
            poster = TelemetryPoster()
            for number, post in enumerate(filled):
                identity = bodies.request_id(number)
                api.invoke(identity)
                poster.post(bodies.encode([bodies.start(identity)]))
                poster.post(post)
                poster.post(bodies.encode([bodies.runtime_done(identity)]))
                api.expect(NEXT)
                poster.post(bodies.encode([bodies.report(identity)]))
            cpu_ms = running.wait_until_idle() - before_ms
            peak_rss_kb, after = running.peak_rss_kb(), running.memory()
            poster.close()
            api.shut_down()
            code = running.wait()
            output = running.output()
            totals = intake.stop()
    finally:
        api.close()
    expected = len(filled) * PLATFORM_LINES
    arrived = totals.get("item_count", 0)
    if arrived != expected or code != 0 or f"{len(records)} lines (good_invocation)" not in output:
        raise RuntimeError(f"{arrived} of {expected} entries arrived, exit code {code}, output {output[:800]}")
    return Flood(
        cpu_ms, peak_rss_kb, before.private_dirty_kb, after.private_dirty_kb, totals["wire_bytes"], totals["requests"]
    )


def take(program: Program, wish: str, shape: str, texts: list[str]) -> Flood:
    """One run of these lines in this shape."""
    level = "DEBUG" if wish == "keep" else "INFO"
    records = [SHAPES[shape](text, level) for text in texts]
    program = replace(program, variables=program.variables | WISHES[wish])
    if wish == "keep":
        return kept(program, records)
    return flood(program, posts(records, LINES_PER_POST), len(records))


def measure(bench: Bench) -> Iterator[Measurement]:
    layer, source = frozen("layer"), pure()
    texts = bodies.lines(LINES)
    for wish in WISHES:
        for shape in SHAPES:
            runs = [take(layer, wish, shape, texts) for _ in range(bench.rounds(3))]
            interpreted = take(source, wish, shape, texts[:LINES_PURE]).cpu_ms * 1000 / LINES_PURE
            cpu_us = min(run.cpu_ms for run in runs) * 1000 / LINES
            peak_kb = max(run.peak_rss_kb for run in runs)
            yield Measurement(f"{wish}_{shape}", cpu_us, "us", f"minimum of {len(runs)}; interpreted {interpreted:.3g}")
            yield Measurement(f"{wish}_{shape}_ratio", cpu_us / interpreted, "x", "frozen to pure")
            yield Measurement(f"{wish}_{shape}_peak", peak_kb / 1024, "MB", "most resident memory")
