"""Bodies that the platform posts to port 8999, and what arrives at the intake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from . import events, local_http
from .extension import Program
from .world import World

AT = "2026-03-02T10:15:30.120Z"
REQUEST_ID = "5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33"
INIT_START: dict[str, Any] = {
    "time": AT,
    "type": "platform.initStart",
    "record": {"initializationType": "on-demand", "phase": "init", "runtimeVersion": "python:3.13.v64"},
}
INIT_LINE = "INIT_START Runtime Version: python:3.13.v64 Runtime Version ARN: ?"
REPORT_METRICS = {"durationMs": 17.5, "billedDurationMs": 18, "memorySizeMB": 512, "maxMemoryUsedMB": 97}


def function(record: object, time: str = AT) -> dict[str, Any]:
    return {"time": time, "type": "function", "record": record}


def report(**metrics: object) -> dict[str, Any]:
    record = {"requestId": REQUEST_ID, "status": "success", "metrics": metrics}
    return {"time": AT, "type": "platform.report", "record": record}


def end() -> dict[str, Any]:
    return {"time": AT, "type": "platform.end", "record": {"requestId": "a"}}


async def post(body: bytes, status: int = 200) -> bytes:
    headers = {"Content-Type": "application/json"}
    answer = await local_http.call(local_http.TELEMETRY, "POST", "/", body, headers)
    assert answer.status == status, answer.body
    return answer.body


async def messages_of(program: Program, body: bytes) -> list[Any]:
    """Post a body within an invocation; the messages of that body, START and END of the invocation left out."""
    async with World(program) as world:
        await world.start()
        task_body = await post(body)
        is_array = body.lstrip().startswith(b"[")
        assert task_body == (b"OK" if is_array else b"Failed to parse telemetry events")
        await world.invocation("after")
        assert await world.shutdown(has_report=False) == 0
        texts = world.messages()
        assert texts.count("after") == 1
        assert [line for line in world.own_lines() if "Lost in this sandbox" not in line] == []
        return [text for text in texts if text != "after" and not str(text).startswith(("START ", "END "))]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([], []),
        ([INIT_START], [INIT_LINE]),
        ([INIT_START | {"record": INIT_START["record"] | {"phase": "snap-start"}}], [INIT_LINE]),
        ([INIT_START, end(), function("kept")], [INIT_LINE, "kept"]),
        ([function({"message": "x"})], ['{"message":"x"}']),
        ([function("first"), {"time": AT, "type": "platform.newThing", "record": {"a": [1]}}, function("last")],
         ["first", "last"]),
        ([function("no time", time="yesterday"), function("last")], ["last"]),
        ([{"type": "function"}, 7, None, "text", [], function("last")], ["last"]),
    ],
    ids=["empty", "init start", "snap-start", "platform.end", "object", "unknown type", "bad time", "no events"],
)  # fmt: skip
async def test_one_odd_event_does_not_cost_its_neighbours(
    program: Program, batch: list[object], expected: list[object]
) -> None:
    found = await messages_of(program, json.dumps(batch).encode())
    assert [text for text in found if text != "no time"] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"not json", []),
        (b"", []),
        (b'[\xff"]', []),
        (b"[" * 100_000, []),
        (b"[[[[[[]]]]]]", []),
        (b"[{}]", []),
        (b"null", []),
    ],
    ids=["no json", "empty", "invalid UTF-8", "100,000 brackets", "nested", "empty event", "null"],
)
async def test_a_body_that_makes_no_sense_is_taken_and_forgotten(
    program: Program, body: bytes, expected: list[object]
) -> None:
    assert await messages_of(program, body) == expected


async def test_text_that_is_not_utf_8_arrives_with_the_bad_bytes_replaced(program: Program) -> None:
    body = (
        json.dumps([function("before"), function("bad @ byte"), function("after all")]).encode().replace(b"@", b"\xff")
    )
    assert await messages_of(program, body) == ["before", "bad \N{REPLACEMENT CHARACTER} byte", "after all"]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({"billedDurationMs": 18.0}, "Billed Duration: 18 ms"),
        ({"durationMs": 12}, "Duration: 12.00 ms"),
    ],
)
async def test_numbers_of_a_report_may_be_whole_or_not(program: Program, metrics: dict[str, object], text: str) -> None:
    (message,) = await messages_of(program, json.dumps([report(**(REPORT_METRICS | metrics))]).encode())
    assert message.startswith(f"REPORT RequestId: {REQUEST_ID} ")
    assert text in message


async def test_a_body_of_six_mebibytes_arrives_whole(program: Program) -> None:
    lines = [f"{number:05} " + "x" * 1000 for number in range(6000)]
    body = json.dumps([function(line) for line in lines]).encode()
    assert len(body) > 6 * 1024 * 1024
    assert await messages_of(program, body) == lines


async def test_only_posts_to_the_root_are_telemetry(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        answers = [
            await local_http.call(local_http.TELEMETRY, "GET", "/"),
            await local_http.call(local_http.TELEMETRY, "PUT", "/", b"[]"),
            await local_http.call(local_http.TELEMETRY, "POST", "/telemetry", b"[]"),
        ]
        assert [(answer.status, answer.body) for answer in answers] == [(405, b""), (405, b""), (404, b"Not Found")]
        assert answers[0].headers["allow"] == "POST"


@pytest.mark.parametrize("cut", [0.0001, 0.3, 0.77, 0.9999])
async def test_a_huge_line_cut_anywhere_by_the_platform_arrives(program: Program, cut: float) -> None:
    """A record above `maxBytes` ends in the middle, framed as if whole; the next POST repeats its envelope."""
    text = "".join(f"{number:07} " for number in range(190_000))
    envelope = b'{"time":"' + AT.encode() + b'","type":"function","record":'
    value = b'"' + text.encode() + b'"'
    at = int(len(value) * cut)
    first = b"[" + json.dumps(function("before")).encode() + b"," + envelope + value[:at] + b"}]"
    second = b"[" + envelope + value[at:] + b"}," + json.dumps(function("behind")).encode() + b"]"
    async with World(program) as world:
        await world.start()
        assert await world.invocation("warm") < 500
        await post(first)
        await post(second)
        assert await world.invocation("after") < 500
        messages = [message for message in world.messages() if not message.startswith(("START ", "END ", "REPORT "))]
        assert messages[:2] == ["warm", "before"]
        assert messages[-2:] == ["behind", "after"]
        (huge,) = messages[2:-2]
        assert huge[:100_000] == text[:100_000]
        assert text.startswith(huge.removesuffix("...TRUNCATED..."))
        assert world.own_lines() == []


async def test_a_done_in_the_body_behind_a_cut_line_ends_the_invocation(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        request_id = events.new_request_id()
        world.api.send(events.invoke(request_id, 3000))
        await post(b"[" + json.dumps(events.start(request_id)).encode() + b',{"time":"' + AT.encode() + b'","typ')
        await post(json.dumps([function("behind"), events.runtime_done(request_id)]).encode())
        await world.api.wait_for_next(2, 1.0)
        assert "behind" in world.messages()
