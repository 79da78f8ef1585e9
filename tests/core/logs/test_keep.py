"""Lines below the level that is sent, kept for the invocations that went bad."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from tests.core.logs.support import Path, billing, event, facts, init_start
from thimble.core import limits
from thimble.core.drops import Drops
from thimble.core.lifecycle.end_call import EndCall
from thimble.core.logs.keep import KeepPolicy, KeptLines
from thimble.core.logs.levels import INFO
from thimble.core.logs.line import Line
from thimble.core.logs.options import LineOptions

LOW = "[DEBUG] step"


def keeping(*words: str, **more: Any) -> Path:
    return Path(options=LineOptions(min_level=INFO, keep=words), **more)


def begin(request_id: str) -> dict[str, Any]:
    return event("platform.start", {"requestId": request_id})


def done(request_id: str, status: str = "success", duration_ms: float = 5.0) -> dict[str, Any]:
    return event(
        "platform.runtimeDone", {"requestId": request_id, "status": status, "metrics": {"durationMs": duration_ms}}
    )


def closed(request_id: str, used_mb: int = 50, duration_ms: float = 6.0) -> dict[str, Any]:
    metrics = billing(duration_ms, 6, 128, used_mb)
    return event("platform.report", {"requestId": request_id, "status": "success", "metrics": metrics})


def function_lines(path: Path) -> list[tuple[str, str, str]]:
    """Text, request id and tags of the function's lines."""
    return [
        (entry["message"]["message"], entry["message"]["lambda"]["request_id"], entry["ddtags"])
        for entry in path.entries()
        if not entry["message"]["message"].startswith(("START", "END", "REPORT", "INIT"))
    ]


def test_of_a_thousand_requests_the_seven_bad_ones_have_complete_logs() -> None:
    saved = Drops()
    path = keeping("errors", saved=saved)
    bad = {f"r{number}" for number in (3, 141, 142, 500, 777, 998, 999)}
    lines: list[tuple[str, str, str]] = []
    for number in range(1000):
        request_id = f"r{number}"
        low = [event("function", f"[DEBUG] {request_id} step {step}") for step in range(4)]
        path.ingest(begin(request_id), low[0], low[1], event("function", f"[INFO] {request_id}"), low[2], low[3])
        path.ingest(done(request_id, "error" if request_id in bad else "success"), closed(request_id))
        lines += function_lines(path)
    kept = [line for line in lines if line[0].startswith("[DEBUG]")]
    assert [line[0] for line in kept] == [
        f"[DEBUG] {name} step {step}" for name in sorted(bad, key=lambda n: int(n[1:])) for step in range(4)
    ]
    assert {line[2] for line in kept} == {"T,kept_for:error"}
    assert [line for line in lines if line[0].startswith("[INFO]")] == [
        (f"[INFO] r{n}", f"r{n}", "T") for n in range(1000)
    ]
    assert saved.report()[0] == f"{993 * 4} lines (good_invocation)"


@pytest.mark.parametrize(
    ("words", "events", "reason"),
    [
        (("errors",), [done("r", "error")], "error"),
        (("errors",), [done("r", "failure")], "error"),
        (("errors",), [done("r", "timeout")], "timeout"),
        (("errors",), [event("function", "[WARN] MemoryError"), done("r"), closed("r")], "out_of_memory"),
        (("errors",), [done("r"), closed("r", used_mb=128)], "out_of_memory"),
        (
            ("errors",),
            [event("function", "[ERROR] ValueError: x\nTraceback (most recent call last):\n  File")],
            "error",
        ),
        (("errors",), [event("function", "2026-03-02T10:15:31Z\tr\tERROR\tInvoke Error \t{}")], "error"),
        (("errors",), [event("function", {"level": "ERROR", "errorType": "E", "stackTrace": []})], "error"),
        (
            ("errors",),
            [event("function", {"level": "ERROR", "message": {"errorType": "E", "stackTrace": ["a"]}})],
            "error",
        ),
        (
            ("errors",),
            [event("function", "[ERROR]\tZ\tr\tcaught\nTraceback (most recent call last):"), closed("r")],
            "",
        ),
        (("errors",), [event("function", {"level": "ERROR", "errorType": "E"}), closed("r")], ""),
        (("slow:9",), [event("function", "[ERROR] X: y\nTraceback (most recent call last):"), closed("r")], ""),
        (("slow:5",), [done("r", duration_ms=5.0)], "slow"),
        (("slow:6",), [done("r", duration_ms=5.0), closed("r", duration_ms=6.5)], "slow"),
        (("percent:100",), [], "percent"),
        (("cold",), [], "cold"),
        (("errors",), [done("r"), closed("r")], ""),
        (("slow:7",), [done("r", "error"), closed("r")], ""),
        (("percent:0",), [done("r", "error"), closed("r")], ""),
        (("trace",), [done("r", "error"), closed("r")], ""),
    ],
)
def test_each_condition_keeps_its_invocations(words: tuple[str, ...], events: list[Any], reason: str) -> None:
    path = keeping(*words)
    path.ingest(begin("r"), event("function", LOW), *events)
    kept = [line for line in function_lines(path) if line[0] == LOW]
    assert kept == ([(LOW, "r", f"T,kept_for:{reason}")] if reason else [])


def test_lines_are_not_delayed_at_or_above_the_level() -> None:
    path = keeping("errors")
    path.ingest(begin("r"), event("function", LOW), event("function", "[INFO] now"))
    assert function_lines(path) == [("[INFO] now", "r", "T")]


def test_only_the_first_invocation_is_cold() -> None:
    path = keeping("cold")
    path.ingest(init_start(), event("function", LOW), begin("r1"), done("r1"), closed("r1"))
    assert [line[1] for line in function_lines(path)] == ["r1"]
    path.ingest(begin("r2"), event("function", LOW), done("r2"), closed("r2"))
    assert function_lines(path) == []


def test_lines_before_the_first_invocation_are_kept_for_it() -> None:
    path = keeping("errors")
    path.ingest(event("function", LOW), begin("r"), done("r", "error"))
    assert function_lines(path) == [(LOW, "r", "T,kept_for:error")]


def test_a_line_after_the_verdict_is_sent_with_it() -> None:
    path = keeping("errors")
    path.ingest(begin("r"), done("r", "error"), event("function", LOW), closed("r"))
    assert function_lines(path) == [(LOW, "r", "T,kept_for:error")]


ANSWER_500 = EndCall("", has_error=False, has_server_error=True, is_trace_kept=False)
RAISED = EndCall("", has_error=True, has_server_error=False, is_trace_kept=False)
KEPT_TRACE = EndCall("", has_error=False, has_server_error=False, is_trace_kept=True)
GOOD = EndCall("", has_error=False, has_server_error=False, is_trace_kept=False)


@pytest.mark.parametrize(
    ("call", "reason"), [(ANSWER_500, "server_error"), (RAISED, "error"), (KEPT_TRACE, "trace"), (GOOD, "")]
)
@pytest.mark.parametrize("is_early", [False, True])
def test_a_tracers_end_call_may_come_before_or_after_the_telemetry_of_its_invocation(
    call: EndCall, reason: str, is_early: bool
) -> None:
    path = keeping("errors", "trace")
    if is_early:
        path.processor.on_end_call("r1", call)
    path.ingest(begin("r1"), event("function", LOW))
    if not is_early:
        path.processor.on_end_call("r1", call)
    path.ingest(event("function", LOW), done("r1"), closed("r1"), begin("r2"), event("function", LOW), done("r2"))
    assert function_lines(path) == ([(LOW, "r1", f"T,kept_for:{reason}")] * 2 if reason else [])


def test_an_end_call_of_no_known_invocation_keeps_nothing() -> None:
    path = keeping("errors", "trace")
    path.processor.on_end_call("", ANSWER_500)
    path.ingest(event("function", LOW), begin("r1"), event("function", LOW), done("r1"), closed("r1"))
    assert function_lines(path) == []


@pytest.mark.parametrize("moment", [0, 1, 2, 3, 4, 5, 6])
def test_a_kept_trace_keeps_the_lines_of_its_invocation_whenever_it_comes(moment: int) -> None:
    steps = [
        [begin("r1"), event("function", LOW)],
        [event("function", LOW)],
        [done("r1")],
        [closed("r1")],
        [begin("r2"), event("function", LOW)],
        [done("r2"), closed("r2"), begin("r3"), done("r3")],
    ]
    path = keeping("trace")
    sent = []
    for number, events in enumerate(steps):
        if number == moment:
            path.processor.on_traces(facts("r1"), "r2")
        path.ingest(*events)
        sent += function_lines(path)
    if moment == 6:
        path.processor.on_traces(facts("r1"), "r3")
        sent += function_lines(path)
    # Its payload may be frozen on the way into the next invocation, and no longer.
    assert sent == ([(LOW, "r1", "T,kept_for:trace")] * 2 if moment < 6 else [])


def test_a_kept_trace_that_names_no_invocation_keeps_the_one_that_runs() -> None:
    path = keeping("trace")
    path.ingest(begin("r1"), event("function", LOW))
    path.processor.on_traces(facts("other"), "r1")
    assert function_lines(path) == []
    path.processor.on_traces(facts("other", unnamed=True), "")
    assert function_lines(path) == []
    path.processor.on_traces(facts("other", unnamed=True), "r1")
    assert function_lines(path) == [(LOW, "r1", "T,kept_for:trace")]


def test_lines_that_no_trace_kept_are_counted_once_the_next_invocation_is_done() -> None:
    saved = Drops()
    path = keeping("trace", saved=saved)
    path.ingest(begin("r1"), event("function", LOW), done("r1"), closed("r1"))
    assert saved.report() == []
    path.ingest(begin("r2"), event("function", LOW), done("r2"))
    assert saved.report() == ["1 lines (good_invocation)", f"{len(LOW)} bytes of lines (good_invocation)"]
    path.ingest(closed("r2"))
    path.processor.release_held()
    assert saved.report() == ["2 lines (good_invocation)", f"{2 * len(LOW)} bytes of lines (good_invocation)"]
    assert function_lines(path) == []


def test_what_was_not_asked_for_is_not_kept_when_told_from_outside() -> None:
    path = keeping("cold")
    path.ingest(begin("r1"), done("r1"), closed("r1"), begin("r2"), event("function", LOW))
    path.processor.on_end_call("r2", ANSWER_500)
    path.processor.on_traces(facts("r2"), "r2")
    assert function_lines(path) == []


def test_lines_that_name_a_cold_invocation_before_it_begins_are_kept_with_it() -> None:
    path = keeping("cold")
    record = {"level": "DEBUG", "message": "early", "requestId": "r1"}
    path.ingest(init_start(), event("function", record), begin("r1"), event("function", LOW), done("r1"))
    assert [line[1:] for line in function_lines(path)] == [("r1", "T,kept_for:cold")] * 2


def test_an_invocation_that_has_not_ended_at_shutdown_is_a_bad_one() -> None:
    path = keeping("errors")
    path.ingest(begin("r1"), event("function", LOW), done("r1"), begin("r2"), event("function", LOW))
    path.processor.release_held()
    assert function_lines(path) == [(LOW, "r2", "T,kept_for:unfinished")]


def test_an_invocation_near_its_deadline_is_a_bad_one_and_stays_so() -> None:
    path = keeping("errors")
    path.ingest(begin("r1"), event("function", LOW))
    path.processor.on_deadline("r1")
    path.ingest(event("function", LOW))
    assert function_lines(path) == [(LOW, "r1", "T,kept_for:unfinished")] * 2


def test_a_line_that_names_another_request_is_kept_for_the_one_that_wrote_it() -> None:
    path = keeping("errors")
    record = {"level": "DEBUG", "requestId": "upstream", "message": "m", "ddtags": "team:pay"}
    path.ingest(begin("r"), event("function", record), done("r", "error"))
    ((_, request_id, tags),) = function_lines(path)
    assert (request_id, tags) == ("upstream", "T,team:pay,kept_for:error")


def test_invocations_of_a_managed_instance_are_judged_one_by_one() -> None:
    path = keeping("errors", managed_instance=True)
    low = [event("function", {"level": "DEBUG", "requestId": name}) for name in ("r1", "r2")]
    path.ingest(begin("r1"), begin("r2"), *low, event("function", LOW))
    for name, status in (("r1", "success"), ("r2", "error")):
        path.ingest(event("platform.report", {"requestId": name, "status": status, "metrics": {"durationMs": 1}}))
    assert [line[1] for line in function_lines(path)] == ["r2"]


@pytest.mark.parametrize("percent", ["0", "0.5", "12.5", "50", "99", "100"])
def test_the_percentage_is_taken_by_the_request_id_alone(percent: str) -> None:
    policy = KeepPolicy([f"percent:{percent}"])
    names = [f"{crc32(b'%d' % number):08x}-0c57-4d0a-9a0c-{number:012x}" for number in range(20_000)]
    chosen = [name for name in names if policy.is_chosen(name)]
    assert abs(len(chosen) / 200 - float(percent)) < 1.5
    assert chosen == [name for name in names if policy.is_chosen(name)]


def held_line(size: int) -> Line:
    return Line(b'"' + b"x" * size + b'"', 1, "debug", None, None, True, "")


def test_a_full_ring_gives_up_its_oldest_lines_and_counts_them() -> None:
    saved = Drops()
    kept = KeptLines(KeepPolicy(["errors"]), saved, 10_000, 50_000, 10)
    lines = [held_line(1000 + number) for number in range(30)]
    for line in lines:
        assert kept.hold(line, "r") == ""
    assert kept.held_bytes <= 10_000
    shipped = kept.mark("r", "error")
    assert shipped == lines[-len(shipped) :]
    assert saved.total("lines") == 30 - len(shipped)
    assert kept.held_bytes == 0


def test_all_rings_together_have_a_bound_and_the_oldest_request_pays() -> None:
    saved = Drops()
    kept = KeptLines(KeepPolicy(["errors"]), saved, 10_000, 25_000, 100)
    for number in range(5):
        for _ in range(5):
            kept.hold(held_line(1500), f"r{number}")
    assert kept.held_bytes <= 25_000
    assert kept.mark("r0", "error") == []
    assert len(kept.mark("r4", "error")) == 5


def test_too_many_requests_forget_the_oldest() -> None:
    kept = KeptLines(KeepPolicy(["errors"]), Drops(), 10_000, 50_000, 2)
    for name in ("r1", "r2", "r3"):
        kept.hold(held_line(10), name)
    assert [len(kept.mark(name, "error")) for name in ("r3", "r2", "r1")] == [1, 1, 0]


def test_held_lines_of_one_invocation_stay_within_their_limit() -> None:
    path = keeping("errors")
    path.ingest(begin("r"), *[event("function", f"[DEBUG] {number} " + "x" * 1000) for number in range(500)])
    path.ingest(done("r", "error"))
    texts = [line[0] for line in function_lines(path)]
    assert texts[-1].startswith("[DEBUG] 499 ")
    assert sum(map(len, texts)) <= limits.KEPT_REQUEST_BYTES_MAX
    assert len(texts) > 200
