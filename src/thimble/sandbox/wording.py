"""Small texts that both consoles share: numbers with units, safe one-line texts, what to say about a result."""

from __future__ import annotations

import json
from typing import Final

from thimble.sandbox.run_report import Invocation, LogLine, Request, RunReport

LOST_SHOWN_MAX: Final = 20
"""Lost lines shown one by one."""

SPREAD_MIN: Final = 5
"""Warm invocations from which on a median says something."""

_BREAKS: Final = {10: " ↵ ", 13: " ↵ ", 9: "  "}
_CONTROLS: Final = {code: _BREAKS.get(code, "·") for code in (*range(32), *range(127, 160))}


def size(count: int) -> str:
    """Bytes in the unit a person would use, powers of 1000: `402 B`, `2.1 kB`, `5.2 MB`."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def milliseconds(value: float) -> str:
    """A duration with as many digits as help: `0.42 ms`, `183 ms`, `3.00 s`."""
    if value < 10:
        return f"{value:.2f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.2f} s"


def counted(count: int, noun: str) -> str:
    """`1 line`, `2 lines`, `2 entries`, `3 series`."""
    if count == 1 or noun == "series":
        return f"{count} {noun}"
    if noun.endswith("y"):
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}{'es' if noun.endswith('sh') else 's'}"


def one_line(text: str) -> str:
    """Make a text safe for a terminal: line ends become an arrow, other control characters a dot."""
    return text.strip("\r\n").replace("\r\n", "\n").translate(_CONTROLS)


def item_noun(product: str) -> str:
    """What one item of a product is called."""
    return {"logs": "entry", "series": "series", "sketches": "sketch", "traces": "span", "stats": "group"}.get(
        product, "item"
    )


def status_text(request: Request) -> str:
    """What the intake answered: a status, or the misbehaviour it was told."""
    return str(request.answer) if request.answer else "not answered"


def request_text(request: Request) -> str:
    """One request in a line."""
    parts = [f"{request.product} {status_text(request)}"]
    if request.problem:
        parts.append(request.problem)
    else:
        parts.append(counted(request.item_count, item_noun(request.product)))
    sizes = f"{size(request.wire_bytes)} on the wire"
    if request.raw_bytes != request.wire_bytes:
        sizes += f" for {size(request.raw_bytes)} ({request.ratio:.1f}x)"
    return ", ".join([*parts, sizes])


def outcome_text(invocation: Invocation) -> str:
    """What became of an invocation, for its caller."""
    if invocation.is_ok:
        return "answered"
    return {
        "Unhandled": "failed",
        "Sandbox.Timedout": "timed out",
        "Runtime.ExitError": "runtime exited",
        "Runtime.OutOfMemory": "out of memory",
        "Extension.Crash": "extension crashed",
    }.get(invocation.outcome, f"failed: {invocation.outcome}")


def shorten(text: str, width: int) -> str:
    """Cut a text to a width in characters, the cut marked."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def payload_text(invocation: Invocation) -> str:
    """The function's answer or error document as one line."""
    return one_line(invocation.result.payload.decode("utf-8", "replace"))


def answer_text(invocation: Invocation) -> str:
    """The function's answer; of an error document only what a person looks for first."""
    if invocation.is_ok:
        return payload_text(invocation)
    try:
        document = json.loads(invocation.result.payload)
        kind, message = document.get("errorType"), document.get("errorMessage")
    except (ValueError, AttributeError):
        return payload_text(invocation)
    text = ": ".join(str(part) for part in (kind, message) if part)
    return one_line(text.replace(f"RequestId: {invocation.result.request_id} Error: ", "")) or payload_text(invocation)


def text_lines(text: str) -> list[str]:
    """The rows of a log line, safe for a terminal; runtimes join a traceback's rows by a lone carriage return."""
    return [one_line(row) for row in text.strip("\r\n").splitlines()] or [""]


def offset_text(line: LogLine, invocation: Invocation) -> str:
    """When a line was written, in milliseconds after the start of its invocation."""
    if not line.timestamp_ms or not invocation.started_ms:
        return ""
    return f"{line.timestamp_ms - invocation.started_ms:+d} ms"


def losses_text(report: RunReport) -> str:
    """One sentence: did everything arrive?"""
    lines = counted(report.lines_expected, "log line")
    if not report.lines_expected:
        return "The platform recorded no log lines."
    if not report.extension:
        return f"No extension ran, so {lines} went nowhere."
    if not (report.lost or report.undelivered):
        return f"Nothing was lost: all {lines} arrived."
    parts = []
    if report.lost:
        parts.append(f"the extension accepted {len(report.lost)} and did not send them")
    if report.undelivered:
        parts.append(f"{len(report.undelivered)} the extension did not accept from the platform")
    return f"{len(report.lost) + len(report.undelivered)} of {lines} never arrived: {', '.join(parts)}."


def lost_rows(report: RunReport) -> list[str]:
    """The lines that never arrived, `LOST_SHOWN_MAX` of them at most, the rest counted."""
    texts = [one_line(text) for text in (*report.lost, *report.undelivered)] if report.extension else []
    rest = len(texts) - LOST_SHOWN_MAX
    return [*texts[:LOST_SHOWN_MAX], *([f"... and {rest} more"] if rest > 0 else [])]


def shutdown_text(report: RunReport) -> str:
    """One sentence about the end of the extension; empty without one."""
    codes = {name: code for name, code in report.shutdown.exit_codes.items() if name != "runtime"}
    if not codes:
        return ""
    parts = []
    for name, code in codes.items():
        if code == 0:
            parts.append(f"{name} exited cleanly")
        elif code is None:
            parts.append(f"{name} still runs")
        elif code < 0:
            parts.append(f"{name} was killed by signal {-code}")
        else:
            parts.append(f"{name} exited with {code}")
    return f"Shutdown took {milliseconds(report.shutdown.duration_ms)}: {', '.join(parts)}."


def start_up_text(report: RunReport) -> str:
    """One sentence about the last cold start; empty when unknown."""
    steps: dict[str, list[str]] = {}
    for name, value in report.start_up.items():
        process, _, step = name.rpartition(".")
        if process:
            word = "registered" if step == "register" else "ready"
            steps.setdefault(process, []).append(f"{word} after {milliseconds(value)}")
    texts = [f"{process} {', '.join(parts)}" for process, parts in steps.items()]
    return f"Cold start: {'; '.join(texts)}." if texts else ""


def spread_text(report: RunReport) -> str:
    """One sentence about many warm invocations: medians and 95th percentiles; empty below `SPREAD_MIN` of them."""
    warm = [invocation for invocation in report.invocations if invocation.is_ok and not invocation.result.cold]
    if len(warm) < SPREAD_MIN:
        return ""
    parts = []
    for name, values in (
        ("handler", [invocation.handler_ms for invocation in warm]),
        ("extension", [invocation.after_ms for invocation in warm]),
    ):
        ordered = sorted(values)
        median, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
        parts.append(f"{name} {milliseconds(median)} (95 %: {milliseconds(high)})")
    return f"{len(warm)} warm invocations, median: {', '.join(parts)}."
