"""How a run is put together from the platform's figures and the intake's requests."""

from __future__ import annotations

import json

from aiohttp import hdrs
from multidict import CIMultiDict

from tests.sandbox_intake import vectors
from thimble.sandbox.intake_process import dump
from thimble.sandbox.products import product_of
from thimble.sandbox.received import Received
from thimble.sandbox.run_report import (
    LogLine,
    invocation_of,
    log_lines,
    metric_texts,
    missing_lines,
    own_lines,
    request_of,
    run_totals,
    span_texts,
)
from thimble.sandbox.spec import InvokeResult

from . import runs

START = {"time": "2026-03-02T10:15:31.000Z", "type": "platform.initStart", "record": {"phase": "init"}}


def received(path: str, raw: bytes, encoding: str = "", answer: int | str = 202) -> Received:
    headers = CIMultiDict({hdrs.CONTENT_ENCODING: encoding} if encoding else {})
    request = Received(0, 1.0, 0, product_of(path), "POST", path, "", headers, vectors.compress(raw, encoding), 40000)
    request.answer = answer
    request.answered_s = 1.25
    return request


def platform(kind: str, **record: object) -> dict[str, object]:
    return {"time": "2026-03-02T10:15:31.200Z", "type": kind, "record": {"requestId": runs.REQUEST_ID, **record}}


def said(text: object) -> dict[str, object]:
    return {"time": "2026-03-02T10:15:31.200Z", "type": "function", "record": text}


def test_a_cold_start_is_split_into_init_handler_and_extension() -> None:
    result = InvokeResult(request_id="r", cold=True, post_runtime_ms=4.0)
    figures = {"durationMs": 30.0, "initDurationMs": 180.5, "billedDurationMs": 211, "memorySizeMB": 512}
    result.report = {"metrics": {**figures, "maxMemoryUsedMB": 70}}
    result.runtime_done = {"metrics": {"durationMs": 25.5, "producedBytes": 2}}
    made = invocation_of(1, "cold start", result, [START], 512)
    assert (made.init_ms, made.handler_ms, made.after_ms) == (180.5, 25.5, 4.0)
    assert (made.duration_ms, made.billed_ms, made.memory_used_mb, made.outcome) == (30.0, 211, 70, "ok")
    assert made.started_ms == runs.START_MS


def test_an_init_inside_the_invocation_is_taken_out_of_its_duration() -> None:
    result = InvokeResult(request_id="r", cold=True, error_type="Sandbox.Timedout", function_error="Unhandled")
    result.report = {"metrics": {"durationMs": 1000.0, "billedDurationMs": 1000}}
    report = {"type": "platform.initReport", "record": {"phase": "invoke", "metrics": {"durationMs": 300.0}}}
    made = invocation_of(2, "x", result, [START, report], 128)
    assert (made.init_ms, made.handler_ms, made.duration_ms) == (300.0, 700.0, 1000.0)
    assert (made.outcome, made.memory_mb) == ("Sandbox.Timedout", 128)


def test_an_entry_becomes_a_line_and_anything_else_becomes_visible_too() -> None:
    entry = {
        "message": {
            "message": "hi\n",
            "lambda": {"arn": "a", "request_id": runs.REQUEST_ID},
            "timestamp": 5,
            "status": "warn",
        },
        "ddsource": "lambda",
    }
    orphan = {"message": {"message": "START RequestId: x Version: 1", "lambda": {"request_id": None}}}
    assert log_lines([entry, orphan, 7]) == [
        LogLine("hi\n", "warn", 5, runs.REQUEST_ID, False),
        LogLine("START RequestId: x Version: 1", "?", 0, "", True),
        LogLine("7", "?", 0, "", False),
    ]


def test_all_lines_that_arrived_are_found_again() -> None:
    events = [START, platform("platform.start"), said("a\n"), said("a\n"), said({"k": 1}), platform("platform.report")]
    lines = [
        runs.line(0, "INIT_START Runtime Version: ? Runtime Version ARN: ?"),
        runs.line(0, f"START RequestId: {runs.REQUEST_ID} Version: $LATEST"),
        runs.line(0, "a"),
        runs.line(0, "a\n"),
        runs.line(0, '{"k":1}'),
        runs.line(0, f"REPORT RequestId: {runs.REQUEST_ID} Duration: 1.00 ms"),
    ]
    assert missing_lines(events, events, lines) == (6, [], [])


def test_a_line_that_arrived_twice_does_not_stand_for_another() -> None:
    events = [said("a\n"), said("b\n"), said({"k": 1}), platform("platform.runtimeDone")]
    lines = [runs.line(0, "a"), runs.line(0, "a")]
    assert missing_lines(events, events, lines) == (
        4,
        ["b", "(a JSON object)", f"END RequestId: {runs.REQUEST_ID}"],
        [],
    )


def test_a_line_that_no_extension_accepted_is_told_apart_from_one_that_it_lost() -> None:
    events = [said("a\n"), said("b\n"), platform("platform.report")]
    assert missing_lines(events, events[:1], []) == (3, ["a"], ["b", f"REPORT RequestId: {runs.REQUEST_ID}"])


def test_the_last_words_of_an_extension_are_not_missed() -> None:
    last = {"time": "2026-03-02T10:15:31.200Z", "type": "extension", "record": "Exiting"}
    assert missing_lines([last], [], []) == (0, [], [])
    assert missing_lines([last], [last], []) == (1, ["Exiting"], [])


def test_what_an_extension_printed_is_read_with_its_status() -> None:
    logged = {"type": "extension", "record": '{"status":"ERROR","message":"DD_EXTENSION | ERROR | x"}'}
    bare = {"type": "extension", "record": "DD_EXTENSION | WARN | y"}
    assert own_lines([logged, bare, {"type": "extension", "record": "plain"}, said("no")]) == [
        ("error", "DD_EXTENSION | ERROR | x"),
        ("warn", "DD_EXTENSION | WARN | y"),
        ("?", "plain"),
    ]


def test_events_that_become_no_log_line_are_not_missed() -> None:
    events = [
        platform("platform.initReport"),
        platform("platform.extension"),
        platform("platform.telemetrySubscription"),
    ]
    assert missing_lines(events, events, []) == (0, [], [])


def test_a_request_tells_its_sizes_and_how_long_it_was_held() -> None:
    made = request_of(received("/api/v2/logs", b"[{},{}]" + b" " * 1000, "zstd"))
    assert (made.product, made.accepted, made.raw_bytes, made.item_count, made.held_ms) == (
        "logs",
        True,
        1007,
        2,
        250.0,
    )
    assert made.ratio > 10


def test_totals_count_items_of_accepted_requests_only() -> None:
    requests = [received("/api/v2/logs", b"[1,2]", answer=503), received("/api/v2/logs", b"[1,2]")]
    assert run_totals(requests)["logs"] == {
        "requests": 2, "accepted": 1, "connections": 1, "wire_bytes": 10, "raw_bytes": 10, "item_count": 2,
        "problems": 0,
    }  # fmt: skip


def test_metrics_and_spans_are_told_in_a_line_each() -> None:
    series = b'{"series":[{"metric":"orders","points":[{"timestamp":1,"value":3.0}],"tags":[]}]}'
    assert metric_texts([received("/api/v2/series", series), received("/api/beta/sketches", vectors.SKETCHES)]) == [
        "orders = 3.0",
        "aws.lambda.enhanced.invocations: 1 x, 1 to 1, sum 1",
    ]
    assert span_texts([received("/api/v0.2/traces", vectors.TRACES, answer=200)]) == ["svc op res 0.01 ms, error"]
    assert metric_texts([received("/api/v2/series", series, answer=500)]) == []


def test_the_report_has_a_json_form() -> None:
    report = runs.report([runs.invocation(), runs.failed()], unattributed=[runs.line(1, "x")])
    read = json.loads(dump(report.as_dict()))
    assert [one["number"] for one in read["invocations"]] == [1, 2]
    assert read["invocations"][0]["logs"][2]["text"] == "order received\n"
    assert read["invocations"][1]["result"]["function_error"] == "Unhandled"
    assert read["invocations"][0]["requests"][0]["wire_bytes"] == 400
    assert read["shutdown"]["exit_codes"] == {"datadog-agent": 0, "runtime": -15}
    assert read["lines"] == {"expected": 14, "arrived": 14, "lost": [], "undelivered": []}
