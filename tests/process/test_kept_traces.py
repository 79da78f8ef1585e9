"""What tracers send to port 8126 decides about log lines: those of kept traces, and those of durable executions."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from . import events, local_http
from .extension import Program
from .scripted_lambda import NEXT
from .world import World

TRACER = 8126
LOW = "[DEBUG] step"
PRIORITY = "_sampling_priority_v1"
KEEP = {"THIMBLE_LOGS_KEEP": "trace", "THIMBLE_LOGS_PLATFORM": "off"}


def invocation_span(request_id: str, priority: int, **meta: str) -> dict[str, Any]:
    return {
        "service": "orders-api", "name": "aws.lambda", "resource": "orders-api", "trace_id": 900, "span_id": 901,
        "parent_id": 0, "start": 1, "duration": 5000, "error": 0, "type": "serverless",
        "meta": {"request_id": request_id, "_dd.origin": "lambda"} | meta, "metrics": {PRIORITY: priority, "x": 0.5},
    }  # fmt: skip


def as_v04(span: dict[str, Any]) -> bytes:
    body: bytes = msgpack.packb([[span, {"trace_id": 900, "span_id": 902, "parent_id": 901, "name": "inner"}]])
    return body


def as_v05(span: dict[str, Any]) -> bytes:
    strings = ["", *{*span["meta"], *span["meta"].values(), *span["metrics"], span["name"]}]
    at = {text: number for number, text in enumerate(strings)}
    meta = {at[key]: at[value] for key, value in span["meta"].items()}
    metrics = {at[key]: value for key, value in span["metrics"].items()}
    row = [0, at[span["name"]], 0, 900, 901, 0, 1, 5000, 0, meta, metrics, 0]
    body: bytes = msgpack.packb([strings, [[row]]])
    return body


async def send_traces(version: str, body: bytes) -> local_http.Answer:
    headers = {"Content-Type": "application/msgpack", "Datadog-Meta-Lang": "python"}
    return await local_http.call(TRACER, "PUT", f"/{version}/traces", body, headers)


async def begin(world: World, request_id: str) -> None:
    asked = len(world.api.of(NEXT))
    world.api.send(events.invoke(request_id, 30_000))
    await world.api.wait_for_next(asked + 1)


def low_lines(world: World) -> list[tuple[str, str]]:
    """Request id and reason of the low lines that arrived."""
    return [
        (entry["message"]["lambda"]["request_id"], entry["ddtags"].rpartition("kept_for:")[2])
        for entry in world.intake.logs()
        if entry["message"]["message"] == LOW
    ]


@pytest.mark.parametrize("version", ["v0.4", "v0.5"])
async def test_lines_of_invocations_whose_trace_is_kept_arrive_whichever_comes_first(
    program: Program, version: str
) -> None:
    encode = as_v04 if version == "v0.4" else as_v05
    ids = [events.new_request_id() for _ in range(5)]
    kept_early, dropped, kept, kept_late, silent = ids
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **KEEP) as world:
        await world.start()
        report: list[events.Event] = []
        for request_id in ids:
            await begin(world, request_id)
            if report and report[0]["record"]["requestId"] == kept_late:
                assert (await send_traces(version, encode(invocation_span(kept_late, 2)))).status == 200
            if request_id == kept_early:
                assert (await send_traces(version, encode(invocation_span(request_id, 1)))).status == 200
            await local_http.post_events([*report, events.start(request_id), events.function_line(LOW)])
            if request_id in (dropped, kept):
                priority = 1 if request_id == kept else -1
                answer = await send_traces(version, encode(invocation_span(request_id, priority)))
                assert (answer.status, answer.body) == (200, b'{"rate_by_service":{}}')
            await local_http.post_events([events.runtime_done(request_id)])
            report = [events.report(request_id)]
        await local_http.post_events(report)
        assert await world.shutdown() == 0
        assert low_lines(world) == [(kept_early, "trace"), (kept, "trace"), (kept_late, "trace")]
        assert "2 lines (good_invocation)" in "".join(world.own_lines()), silent


async def test_the_sampling_priority_of_the_end_call_keeps_as_well(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **KEEP) as world:
        await world.start()
        kept = events.new_request_id()
        for request_id, priority in ((events.new_request_id(), "0"), (kept, "1"), (events.new_request_id(), "")):
            await begin(world, request_id)
            headers = {"lambda-runtime-aws-request-id": request_id, "x-datadog-sampling-priority": priority}
            await local_http.call(local_http.LIFECYCLE, "POST", "/lambda/end-invocation", b"{}", headers)
            lines = [events.start(request_id), events.function_line(LOW), events.runtime_done(request_id)]
            await local_http.post_events(lines)
        assert await world.shutdown() == 0
        assert low_lines(world) == [(kept, "trace")]


async def test_a_payload_that_cannot_be_read_is_refused_and_changes_nothing(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **KEEP) as world:
        await world.start()
        request_id = events.new_request_id()
        good = as_v04(invocation_span(request_id, 1))
        await begin(world, request_id)
        await local_http.post_events([events.start(request_id), events.function_line(LOW)])
        for body in (b"", b"[]", good[:-1], b"\x92" + good[1:], b"\x1f\x8b\x08\x00"):
            answer = await send_traces("v0.4", body)
            assert answer.status == 500, body
            assert answer.body.startswith(b"Error deserializing trace from request body: "), answer.body
        await local_http.post_events([events.runtime_done(request_id)])
        assert await world.shutdown() == 0
        assert low_lines(world) == []


async def test_without_a_setting_that_needs_them_traces_are_not_looked_at(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        answer = await send_traces("v0.4", b"[]")
        assert (answer.status, answer.body) == (200, b'{"rate_by_service":{}}')
        assert await world.shutdown() == 0


DURABLE = {
    "aws.durable.execution_id": "9f/7", "aws.durable.execution_name": "nightly",
    "aws.durable.first_invocation": "true", "aws.durable.execution_status": "PENDING",
}  # fmt: skip

DURABLE_SETTINGS = {
    "DD_LAMBDA_DURABLE_FUNCTION_LOG_BUFFER_SIZE": "5", "DD_SERVERLESS_FLUSH_STRATEGY": "continuously,60000"
}  # fmt: skip


async def test_held_lines_of_a_durable_function_leave_with_what_the_functions_span_tells(program: Program) -> None:
    async with World(program, **DURABLE_SETTINGS) as world:
        await world.start()
        told, untold = events.new_request_id(), events.new_request_id()
        version = {"runtimeVersion": "python:3.14.DurableFunction.v2"}
        init = events.event("platform.initStart", {"initializationType": "on-demand", "phase": "init", **version})
        await begin(world, told)
        await local_http.post_events([init, events.start(told), events.function_line("one")])
        assert (await send_traces("v0.4", as_v04(invocation_span(told, 1, **DURABLE)))).status == 200
        await local_http.post_events([events.function_line("two"), events.runtime_done(told)])
        await begin(world, untold)
        lines = [events.start(untold), events.function_line("three"), events.runtime_done(untold)]
        await local_http.post_events([events.report(told), *lines])
        assert await world.shutdown() == 0
        found = {
            entry["message"]["message"].split(":")[0]: {
                key.removeprefix("durable_function."): value
                for key, value in entry["message"]["lambda"].items()
                if key.startswith("durable_function.")
            }
            for entry in world.intake.logs()
            if entry["message"]["lambda"]["request_id"] == told
        }
        others = [e["message"]["lambda"] for e in world.intake.logs() if e["message"]["message"] == "three"]
    names = {"execution_id": "9f/7", "execution_name": "nightly"}
    first = names | {"first_invocation": True}
    assert found == {
        "INIT_START Runtime Version": names, "START RequestId": first, "one": names, "two": names,
        "REPORT RequestId": first,
        "END RequestId": first | {"execution_status": "PENDING"},
    }  # fmt: skip
    assert [[key for key in each if key.startswith("durable")] for each in others] == [[]]
