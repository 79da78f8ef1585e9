"""Lines of the function and of extensions; the vectors F1 to F20, S1, S3 to S5 and the signs of exhausted memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.logs.support import ARN, R1, TIME_MS, Path, billing, event, init_start, report, runtime_done, start

F1_ENTRY = (
    b'{"message":{"message":"plain line\\n","lambda":{'
    b'"arn":"arn:aws:lambda:eu-west-1:210987654321:function:orders-api",'
    b'"request_id":"11111111-2222-3333-4444-555555555555"},"timestamp":1741944645123,"status":"info"},'
    b'"hostname":"arn:aws:lambda:eu-west-1:210987654321:function:orders-api","service":"orders","ddtags":"T",'
    b'"ddsource":"lambda"}'
)
DURABLE_ARN = "arn:aws:lambda:eu-west-1:210987654321:function:orders:3/durable-execution/nightly/9f/7"
F2 = {"timestamp": "2025-03-14T09:30:45Z", "level": "WARN", "requestId": "aaa-1", "message": "low stock"}


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# name, kind, record, text (None: as received), request id, status, tags
RECORDS: list[tuple[str, str, Any, str | None, str, str, str]] = [
    ("F1", "function", "plain line\n", None, R1, "info", "T"),
    ("F2", "function", F2, compact(F2), "aaa-1", "warn", "T"),
    ("F3", "function", {"requestId": 7, "AWSRequestId": "bbb", "message": "x"},
     '{"requestId":7,"AWSRequestId":"bbb","message":"x"}', R1, "info", "T"),
    ("empty id", "function", {"requestId": "", "AWSRequestId": "bbb"}, '{"requestId":"","AWSRequestId":"bbb"}', "",
     "info", "T"),
    ("F4", "function", {"AWSRequestId": "bbb", "message": "x"}, '{"AWSRequestId":"bbb","message":"x"}', "bbb", "info",
     "T"),
    ("F5", "function", '{"level":"fatal","msg":"boom"}', None, R1, "critical", "T"),
    ("F6", "function", '{"level":"verbose","status":"error"}', None, R1, "info", "T"),
    ("F7", "function", '{"status":"Warning","msg":"m"}', None, R1, "warn", "T"),
    ("F8", "function", '{"level":3,"status":"error"}', None, R1, "info", "T"),
    ("F9", "function", '{"a":1,"ddtags":"team:pay,tier:1","b":2,"c":3}', '{"a":1,"b":2,"c":3}', R1, "info",
     "T,team:pay,tier:1"),
    ("F10", "function", '{ "a" : 1.0 , "ddtags" : "" }\n', '{"a":1.0}', R1, "info", "T,"),
    ("F11", "function", '{"level":"ERROR","message":{"code":42,"ddtags":"k:v","why":"bad"},"extra":true}',
     '{"code":42,"why":"bad"}', R1, "error", "T,k:v"),
    ("F12", "function", '{"ddtags":["k:v"],"message":"m"}', None, R1, "info", "T"),
    ("F13", "function", '{"ddtags":["k:v"],"message":{"ddtags":"z:1"}}', "{}", R1, "info", "T,z:1"),
    ("F14", "function", '[{"ddtags":"k:v"}]', None, R1, "info", "T"),
    ("F15", "function", {"executionArn": DURABLE_ARN, "message": "step"},
     compact({"executionArn": DURABLE_ARN, "message": "step"}), R1, "info", "T"),
    ("F18", "function", "[ERROR] 2025-… boom", None, R1, "info", "T"),
    ("F19", "extension", '{"status":"DEBUG","message":"DD_EXTENSION | DEBUG | hi"}', None, R1, "debug", "T"),
    ("F20", "extension", {"requestId": "zzz", "message": "m"}, '{"requestId":"zzz","message":"m"}', R1, "info", "T"),
    ("spaced JSON", "function", ' \n{ "level" : "err" }\t', None, R1, "error", "T"),
    ("trailing text", "function", '{"level":"err"} x', None, R1, "info", "T"),
    ("trailing comma", "function", '{"level":"err",}', None, R1, "info", "T"),
    ("not a number", "function", '{"level":"err","x":NaN}', None, R1, "info", "T"),
    ("byte order mark", "function", '\ufeff{"level":"err"}', None, R1, "info", "T"),
    ("empty text", "function", "", None, R1, "info", "T"),
    ("escapes", "extension", 'a"b\\c/\x00\x1f\b\f\r\t\x7f\u2028é😀', None, R1, "info", "T"),
]  # fmt: skip


@pytest.mark.parametrize("case", RECORDS, ids=[case[0] for case in RECORDS])
def test_record_becomes_an_entry(case: tuple[str, str, Any, str | None, str, str, str]) -> None:
    _, kind, record, text, request_id, status, tags = case
    path = Path()
    path.ingest(start(), event(kind, record))
    entry = path.entries()[-1]
    assert entry["message"]["message"] == (record if text is None else text)
    assert entry["message"]["lambda"]["request_id"] == request_id
    assert entry["message"]["status"] == status
    assert entry["message"]["timestamp"] == TIME_MS
    assert entry["ddtags"] == tags
    assert (entry["hostname"], entry["service"], entry["ddsource"]) == (ARN, "orders", "lambda")


def test_plain_line_is_exact_to_the_byte() -> None:
    path = Path()
    path.ingest(start())
    path.bodies()
    path.ingest(event("function", "plain line\n"))
    assert path.bodies() == [b"[" + F1_ENTRY + b"]"]


def test_durable_execution_is_named_beside_the_request() -> None:
    path = Path()
    path.ingest(start(), event("function", {"executionArn": DURABLE_ARN, "message": "step"}))
    assert (
        f'"lambda":{{"arn":"{ARN}","request_id":"{R1}","durable_function.execution_id":"9f/7",'
        '"durable_function.execution_name":"nightly"}'
    ).encode() in path.bodies()[0]


@pytest.mark.parametrize("arn", ["x/durable-execution/", "x/durable-execution/name", "x/durable-execution//id", "x"])
def test_incomplete_durable_execution_is_not_named(arn: str) -> None:
    path = Path()
    path.ingest(start(), event("function", {"executionArn": arn}))
    assert list(path.entries()[-1]["message"]["lambda"]) == ["arn", "request_id"]


@pytest.mark.parametrize("record", [12, 1.5, True, None, ["x"]])
def test_record_that_is_no_text_and_no_object_makes_no_entry(record: Any) -> None:
    path = Path()
    assert path.ingest(event("function", record), event("extension", record)) == []
    path.processor.release_held()
    assert path.entries() == []
    assert path.processor.skipped_events == 2


def test_numbers_and_characters_of_an_object_keep_their_value() -> None:
    path = Path()
    path.ingest(start())
    body = b'[{"time":"2025-03-14T09:30:45.123Z","type":"function","record":{"n":1e3,"f":2.50,"u":"\\u00e9\\/"}}]'
    path.processor.ingest(body, 0)
    assert path.texts()[-1] == '{"n":1000.0,"f":2.5,"u":"é/"}'


def test_cold_start_sends_start_first_and_late_lines_after_the_report() -> None:
    path = Path()
    path.ingest(
        init_start(),
        event("function", "import done"),
        event("extension", "hello"),
        event("platform.telemetrySubscription", {"name": "x", "state": "Subscribed", "types": ["platform"]}),
        event(
            "platform.initReport", {"initializationType": "on-demand", "phase": "init", "metrics": {"durationMs": 1}}
        ),
        start(),
        event("function", "work"),
        runtime_done(5.0),
        event("function", "late"),
        report(billing(6.0, 6)),
    )
    lines = path.lines()
    assert {line[1] for line in lines} == {R1}
    assert [line[0].split(" ")[0] for line in lines] == [
        "START", "INIT_START", "import", "hello", "work", "END", "REPORT", "late",
    ]  # fmt: skip


def test_line_with_an_id_of_its_own_does_not_release_orphans() -> None:
    path = Path()
    path.ingest(event("function", "held"), event("function", {"requestId": "q", "message": "m"}))
    assert path.lines() == [('{"requestId":"q","message":"m"}', "q", "info")]
    path.processor.release_held()
    assert path.lines() == [("held", None, "info")]


def test_managed_instance_attributes_only_what_names_its_invocation() -> None:
    path = Path(managed_instance=True)
    path.ingest(
        init_start(),
        event("function", "boot"),
        start("R1"),
        start("R2"),
        event("function", "anon"),
        event("function", {"requestId": "R1", "message": "a"}),
        event("platform.report", {"requestId": "R1", "status": "success", "metrics": {"durationMs": 7.345}}),
    )
    assert path.lines() == [
        ("INIT_START Runtime Version: ? Runtime Version ARN: ?", None, "info"),
        ("boot", None, "info"),
        ("START RequestId: R1 Version: $LATEST", "R1", "info"),
        ("START RequestId: R2 Version: $LATEST", "R2", "info"),
        ("anon", None, "info"),
        ('{"requestId":"R1","message":"a"}', "R1", "info"),
        ("REPORT RequestId: R1 Runtime Duration: 7.34 ms", "R1", "info"),
    ]


def test_line_before_a_shutdown_without_invocation_goes_out_without_id() -> None:
    path = Path()
    path.ingest(event("function", "x"))
    assert path.entries() == []
    path.processor.release_held()
    assert b'"request_id":null}' in path.bodies()[0]


def test_unknown_type_does_not_lose_its_neighbours() -> None:
    path = Path()
    path.ingest(start(), event("function", "a"), event("platform.fault", {"x": 1}), event("function", "b"))
    assert path.texts()[1:] == ["a", "b"]
    assert path.processor.skipped_events == 1
    assert path.drops.total("logs") == 0


def test_logs_off_answers_platform_events_and_queues_nothing() -> None:
    path = Path(logs_on=False)
    answered = path.ingest(init_start(), event("function", "MemoryError"), start(), runtime_done(1.0))
    assert [event.kind for event in answered] == ["platform.initStart", "platform.start", "platform.runtimeDone"]
    path.processor.release_held()
    assert path.entries() == []


@pytest.mark.parametrize(
    ("record", "request_id"),
    [
        ("[ERROR] MemoryError\nTraceback…", R1),
        ({"requestId": "q1", "errorType": "MemoryError"}, "q1"),
        ("java.lang.OutOfMemoryError: Java heap space", R1),
        ("FATAL ERROR: JavaScript heap out of memory", R1),
        ("Runtime exited with error: signal: killed", R1),
        ("fatal error: runtime: out of memory", R1),
        ("[FATAL] failed to allocate memory (NoMemoryError)", R1),
        ("System.OutOfMemoryException: …", R1),
    ],
)
def test_sign_of_exhausted_memory_is_told_once_and_the_line_still_sent(record: Any, request_id: str) -> None:
    path = Path()
    answered = path.ingest(start(), event("function", record))
    assert [(event.kind, event.request_id, event.time_ms) for event in answered[1:]] == [
        ("out_of_memory", request_id, TIME_MS)
    ]
    assert len(path.entries()) == 2


def test_other_words_about_memory_tell_nothing() -> None:
    path = Path()
    path.ingest(start())
    assert path.ingest(event("function", "memoryerror"), event("function", "signal: killed")) == []
    assert path.texts()[1:] == ["memoryerror", "signal: killed"]


def test_sign_of_exhausted_memory_between_invocations_has_no_id() -> None:
    path = Path()
    answered = path.ingest(start(), runtime_done(1.0), event("function", "System.OutOfMemoryException: …"))
    assert (answered[-1].kind, answered[-1].request_id) == ("out_of_memory", "")
