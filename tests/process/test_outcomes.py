"""What the extension makes of the answers of register, subscribe and `/next`, the odd ones included."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import pytest

from . import events, local_http
from .extension import Program
from .scripted_lambda import CLOSE, IDENTIFIER, NEXT, REGISTER, RESET, TELEMETRY, reply
from .world import FUNCTION_MS, World

PROMPT_MS = 100
"""An invocation of 20 ms ends in less."""
BUSY_MACHINE_MS = 500
"""What one of many may need when others keep the machine busy; a wait for telemetry would take longer still."""
GARBAGE = b"\x16\x03\x01\x00\xff garbage\r\n\r\n\r\n\r\n"
WITH_ID = {"Lambda-Extension-Identifier": IDENTIFIER}
DENIED = b'{"errorType":"Extension.UnknownExtensionIdentifier","errorMessage":"Unknown extension"}'


@pytest.mark.parametrize("status", [200, 201])
async def test_a_register_answer_without_account_is_enough(program: Program, status: int) -> None:
    async with World(program) as world:
        body = b'{"functionName":"a","functionVersion":"1","handler":""}'
        world.api.script(REGISTER, reply(status, body, WITH_ID))
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert "account_id:none" in world.intake.logs()[0]["ddtags"].split(",")
        assert await world.shutdown() == 0


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([reply(200, b"{}")], "identifier"),
        ([reply(403, DENIED)], "status 403"),
        ([reply(500, b"boom", WITH_ID)], "status 500"),
        ([GARBAGE, GARBAGE], "not an HTTP answer"),
        ([CLOSE], "ended before a complete answer"),
        ([RESET], "reset"),
    ],
    ids=["no identifier", "403", "500", "garbage", "close", "reset"],
)
async def test_a_failed_registration_ends_the_process_with_a_reason(
    program: Program, answers: list[bytes], reason: str
) -> None:
    async with World(program) as world:
        world.api.script(REGISTER, *answers)
        process = await world.start(wait=False)
        assert await process.exit() == 1
        assert len(process.err) == 1
        assert process.err[0].startswith("Error: Registration failed: ")
        assert reason in process.err[0]
        assert process.out == []
        assert world.api.of(NEXT) == []


async def test_an_api_that_nobody_serves_ends_the_process_with_a_reason(program: Program) -> None:
    async with World(program, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1") as world:
        process = await world.start(wait=False)
        assert await process.exit() == 1
        assert "Connection refused" in "".join(process.err)


async def test_without_the_address_of_the_api_it_says_who_starts_it(program: Program) -> None:
    async with World(program, AWS_LAMBDA_RUNTIME_API="") as world:
        process = await world.start(wait=False)
        assert await process.exit() == 1
        assert "AWS_LAMBDA_RUNTIME_API is not set" in "".join(process.err)


async def test_answers_in_small_pieces_and_in_chunks_are_understood(program: Program) -> None:
    body = json.dumps(events.shutdown("SandboxTerminated")).encode()
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked_id = (
        b"HTTP/1.1 200 OK\r\nlambda-extension-identifier:%b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    async with World(program) as world:
        world.api.script(REGISTER, chunked_id % IDENTIFIER.encode())
        world.api.script(NEXT, head + pieces + b"0\r\n\r\n")
        process = await world.start()
        assert await process.exit() == 0
        assert any(line.startswith("Exiting: SandboxTerminated, deadline: ") for line in process.out)


async def test_an_api_that_closes_every_connection_is_served_all_the_same(program: Program) -> None:
    closing = {"Connection": "close"}
    async with World(program) as world:
        world.api.script(REGISTER, reply(200, b"{}", WITH_ID | closing))
        world.api.script(TELEMETRY, reply(200, b'"OK"', closing))
        first, second = events.new_request_id(), events.new_request_id()
        await world.start(wait=False)
        for count, request_id in enumerate((first, second), 1):
            world.api.script(NEXT, reply(200, json.dumps(events.invoke(request_id, 3000)).encode(), closing))
            await world.api.wait_for_next(count)
            await local_http.post_events([events.runtime_done(request_id)])
        await world.api.wait_for_next(3)
        assert await world.shutdown() == 0
        assert world.own_lines() == []


async def test_shutdown_as_the_first_event_ends_the_process_at_once(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        began_s = time.monotonic()
        assert await world.shutdown() == 0
        assert time.monotonic() - began_s < 1.0
        assert world.own_lines() == []


@pytest.mark.parametrize("count", [0, 1], ids=["as the first answer", "after an invocation"])
@pytest.mark.parametrize("status", [403, 500])
async def test_a_refused_next_leads_to_an_orderly_end_within_two_seconds(
    program: Program, status: int, count: int
) -> None:
    async with World(program) as world:
        process = await world.start()
        for _ in range(count):
            await world.invocation("a line")
        world.api.script_pending(reply(status, DENIED))
        began_s = time.monotonic()
        assert await process.exit(4.0) == 0
        assert time.monotonic() - began_s < 2.0
        assert process.out == ["Exiting"]
        assert len(process.err) == 1
        assert process.err[0].startswith(f"Error: /next was answered with status {status}")


@pytest.mark.parametrize("count", [0, 1], ids=["as the first answer", "after an invocation"])
@pytest.mark.parametrize(
    "body", [b'{"eventType":"PAUSE"}', b"not json", b"[]", b'{"eventType":17}', b"\xff\xfe"], ids=repr
)
async def test_an_event_that_nobody_knows_is_logged_and_the_next_one_asked_for(
    program: Program, body: bytes, count: int
) -> None:
    async with World(program) as world:
        await world.start()
        for _ in range(count):
            await world.invocation()
        world.api.script_pending(reply(200, body))
        await world.api.wait_for_next(count + 2)
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert await world.shutdown() == 0
        assert len(world.own_lines()) == 1
        assert '"status":"WARN"' in world.own_lines()[0]


@pytest.mark.parametrize("break_off", [RESET, CLOSE, GARBAGE], ids=["reset", "close", "garbage"])
async def test_a_broken_connection_is_replaced_and_the_event_asked_for_again(
    program: Program, break_off: bytes
) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation("before")
        world.api.script_pending(break_off)
        await world.api.wait_for_next(3)
        await world.invocation("after")
        assert [text for text in world.messages() if text in ("before", "after")] == ["before", "after"]
        assert await world.shutdown() == 0


async def test_an_api_that_is_gone_ends_the_process_and_its_lines_are_sent(program: Program) -> None:
    async with World(program) as world:
        process = await world.start()
        await world.invocation("a line")
        await world.api.close()
        assert await process.exit(4.0) == 0
        assert "a line" in world.messages()


@pytest.mark.parametrize(
    "answer",
    [
        reply(202, b'{"errorType":"Telemetry.NotSupported","errorMessage":"Telemetry API is not supported"}'),
        reply(400, b'{"errorType":"ValidationError","errorMessage":"bad"}'),
        reply(403, b"{}"),
        reply(500, b""),
        RESET,
        CLOSE,
        GARBAGE,
    ],
    ids=["202", "400", "403", "500", "reset", "close", "garbage"],
)
async def test_without_a_subscription_no_invocation_waits_for_telemetry(program: Program, answer: bytes) -> None:
    async with World(program, has_telemetry=False) as world:
        world.api.script(TELEMETRY, answer, answer)
        await world.start()
        waits = [await world.invocation() for _ in range(20)]
        assert statistics.median(waits) < PROMPT_MS - FUNCTION_MS
        assert max(waits) < BUSY_MACHINE_MS
        assert await world.shutdown() == 0
        (line,) = world.own_lines()
        assert "TELEMETRY API | Subscription" in line
        assert line.endswith('No telemetry will come."}')


async def test_when_the_runtime_is_never_done_only_the_first_invocation_waits_for_it(program: Program) -> None:
    async with World(program, has_telemetry=False) as world:
        world.timeout_ms = 1000
        await world.start()
        began_s = time.monotonic()
        await world.invocation()
        assert time.monotonic() - began_s < 1.0
        waits = [await world.invocation() for _ in range(5)]
        assert statistics.median(waits) < PROMPT_MS - FUNCTION_MS
        assert max(waits) < BUSY_MACHINE_MS
        assert await world.shutdown() == 0


async def test_a_lost_word_that_the_runtime_is_done_costs_no_time_out(program: Program) -> None:
    async with World(program) as world:
        world.timeout_ms = 1000
        await world.start()
        began_s = time.monotonic()
        await world.invocation("a line", has_done=False)
        assert time.monotonic() - began_s < 1.0
        assert "a line" in world.messages()
        assert await world.invocation("another line") < 100
        assert "another line" in world.messages()


async def test_the_tracers_word_ends_the_wait_for_the_platforms(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        task = asyncio.create_task(world.invocation("a line", has_done=False))
        await world.is_function_done.wait()
        answer = await local_http.call(local_http.LIFECYCLE, "POST", "/lambda/end-invocation", b"{}")
        assert (answer.status, answer.body) == (200, b"{}")
        assert await task < 1000
        assert "a line" in world.messages()


async def test_a_done_without_metrics_ends_the_invocation(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for status in ("success", "timeout", "error", "failure"):
            done = events.runtime_done(events.new_request_id(), status, has_metrics=False)
            assert await world.invocation("a line", done=done) < 500
        assert world.messages().count("a line") == 4
