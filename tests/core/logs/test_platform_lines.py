"""Lines for platform events; the vectors P1 to P18."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.logs.support import R1, Path, billing, init_start, report, runtime_done, start
from thimble.core.logs.platform_lines import quoted

ARN_OF_RUNTIME = "arn:aws:lambda:eu-west-1::runtime:ab12"
MEMORY_50 = "Memory Size: 128 MB Max Memory Used: 50 MB"

CASES: list[tuple[str, list[dict[str, Any]], str, str]] = [
    (
        "P1",
        [init_start(runtimeVersion="python:3.12.v61", runtimeVersionArn=ARN_OF_RUNTIME)],
        f"INIT_START Runtime Version: python:3.12.v61 Runtime Version ARN: {ARN_OF_RUNTIME}",
        "info",
    ),
    ("P2", [init_start()], "INIT_START Runtime Version: ? Runtime Version ARN: ?", "info"),
    ("P3", [start(version="7")], f"START RequestId: {R1} Version: 7", "info"),
    ("P4", [start()], f"START RequestId: {R1} Version: $LATEST", "info"),
    ("P5", [runtime_done(231.456)], f"END RequestId: {R1}", "info"),
    ("P6", [runtime_done(3003.4, "timeout")], f"END RequestId: {R1} Task timed out after 3.00 seconds", "error"),
    ("P7", [runtime_done(125, "timeout")], f"END RequestId: {R1} Task timed out after 0.12 seconds", "error"),
    (
        "P8",
        [runtime_done(10, "error", errorType="Runtime.ExitError")],
        f'END RequestId: {R1} Task failed: "Runtime.ExitError"',
        "error",
    ),
    ("P9", [runtime_done(10, "error")], f'END RequestId: {R1} Task failed: ""', "error"),
    ("P10", [runtime_done(None, "timeout")], f"END RequestId: {R1}", "info"),
    ("P11", [runtime_done(10, "failure")], f"END RequestId: {R1}", "info"),
    (
        "P12",
        [runtime_done(231.456), report(billing(245.9, 246, 512, 87, initDurationMs=412.305))],
        f"REPORT RequestId: {R1} Duration: 245.90 ms Runtime Duration: 231.46 ms Post Runtime Duration: 14.44 ms "
        "Billed Duration: 246 ms Memory Size: 512 MB Max Memory Used: 87 MB Init Duration: 412.31 ms",
        "info",
    ),
    (
        "P13",
        [report(billing(12, 12))],
        f"REPORT RequestId: {R1} Duration: 12.00 ms Runtime Duration: 0.00 ms Post Runtime Duration: 0.00 ms "
        f"Billed Duration: 12 ms {MEMORY_50}",
        "info",
    ),
    (
        "P14",
        [runtime_done(3.375), report(billing(3.125, 4))],
        f"REPORT RequestId: {R1} Duration: 3.12 ms Runtime Duration: 3.38 ms Post Runtime Duration: -0.25 ms "
        f"Billed Duration: 4 ms {MEMORY_50}",
        "info",
    ),
    ("P15", [report({"durationMs": 7.345})], f"REPORT RequestId: {R1} Runtime Duration: 7.34 ms", "info"),
    (
        "P16",
        [report({"durationMs": 15000}, "timeout")],
        f"REPORT RequestId: {R1} Runtime Duration: 15000.00 ms Task timed out after 15.00 seconds",
        "error",
    ),
    (
        "P17",
        [report({"durationMs": 200}, "error", errorType="Function.Oops")],
        f"REPORT RequestId: {R1} Runtime Duration: 200.00 ms Task failed: Function.Oops",
        "error",
    ),
    (
        "P18",
        [report({"durationMs": 150}, "error")],
        f"REPORT RequestId: {R1} Runtime Duration: 150.00 ms Task failed with an unknown error",
        "error",
    ),
    (
        "empty runtime version",
        [init_start(runtimeVersion="", runtimeVersionArn="")],
        "INIT_START Runtime Version:  Runtime Version ARN: ",
        "info",
    ),
    ("empty version", [start(version="")], f"START RequestId: {R1} Version: ", "info"),
    ("null version", [start(version=None)], f"START RequestId: {R1} Version: $LATEST", "info"),
    (
        "empty error type",
        [report({"durationMs": 200}, "error", errorType="")],
        f"REPORT RequestId: {R1} Runtime Duration: 200.00 ms Task failed: ",
        "error",
    ),
    ("status in capitals", [runtime_done(3003.4, "TIMEOUT")], f"END RequestId: {R1}", "info"),
]


@pytest.mark.parametrize(("events", "text", "status"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_platform_event_becomes_the_line_of_cloudwatch(events: list[dict[str, Any]], text: str, status: str) -> None:
    path = Path()
    answered = path.ingest(*events)
    path.processor.release_held()
    line = path.lines()[-1]
    assert (line[0], line[2]) == (text, status)
    assert [event.kind for event in answered] == [event["type"] for event in events]


def test_report_takes_the_runtime_duration_of_its_own_invocation() -> None:
    path = Path()
    path.ingest(runtime_done(3.0))
    other = report(billing(9.0, 9))
    other["record"]["requestId"] = "other"
    path.ingest(other)
    assert "Runtime Duration: 0.00 ms" in path.texts()[-1]


def test_a_report_that_comes_twice_has_its_runtime_duration_both_times() -> None:
    path = Path()
    path.ingest(runtime_done(3.0), report(billing(4.0, 4)), report(billing(4.0, 4)))
    assert ["Runtime Duration: 3.00 ms" in text for text in path.texts()[-2:]] == [True, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a"b\\c', r'"a\"b\\c"'),
        ("\n\r\t\0", r'"\n\r\t\0"'),
        ("é'ü", '"é\'ü"'),
        ("\x7f\u200b\xa0", r'"\u{7f}\u{200b}\u{a0}"'),
    ],
)
def test_error_type_is_quoted_as_a_debug_text(text: str, expected: str) -> None:
    assert quoted(text) == expected
