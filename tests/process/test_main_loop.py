"""One lifecycle event after the other: what is sent when, under each flush strategy, and at the shutdown."""

from __future__ import annotations

import asyncio
import time

import pytest

from . import events, local_http
from .extension import Program
from .scripted_lambda import NEXT
from .world import World

SLOW_MS = 250
SECONDS_APART_MS = 1050
"""Flush decisions count in whole seconds."""


async def test_under_end_the_next_event_is_asked_for_when_the_flush_is_over(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        world.intake.faults.slow("all", SLOW_MS)
        await world.start()
        for count in (1, 2):
            assert await world.invocation(f"line {count}") >= SLOW_MS
            asked_s = world.api.of(NEXT)[count].at_s
            (received,) = world.intake.accepted("logs")[count - 1 :]
            assert received.answered_s <= asked_s
            assert f"line {count}" in world.messages()


async def test_by_default_a_rarely_called_function_sends_within_its_invocation(program: Program) -> None:
    """One single invocation, then nothing: everything arrives before the sandbox is frozen."""
    async with World(program) as world:
        await world.start()
        await world.invocation("first", "second", {"message": "third"})
        texts = world.messages()
        assert texts[1:-1] == ["first", "second", '{"message":"third"}']
        assert texts[0].startswith("START RequestId: ")
        assert texts[-1].startswith("END RequestId: ")


@pytest.mark.parametrize("strategy", ["periodically,60000", "continuously,60000"])
async def test_other_strategies_ask_for_the_next_event_at_once(program: Program, strategy: str) -> None:
    """`/next` is pending while the function still works, so the invocation ends with the runtime."""
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY=strategy) as world:
        await world.start()
        request_id = events.new_request_id()
        world.api.send(events.invoke(request_id, 3000))
        await world.api.wait_for_next(2, 1.0)
        for text in ("one", "two"):
            assert await world.invocation(text) == 0
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text in ("one", "two")] == ["one", "two"]


async def test_a_continuous_flush_sends_beside_the_function(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,1") as world:
        world.intake.faults.slow("all", SLOW_MS)
        await world.start()
        for number in range(4):
            assert await world.invocation(f"line {number}", function_ms=SECONDS_APART_MS) == 0
        assert "line 1" in world.messages()
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text.startswith("line")] == [f"line {n}" for n in range(4)]


async def test_a_periodic_flush_begins_with_the_invocation(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,1") as world:
        await world.start()
        for number in range(3):
            await world.invocation(f"line {number}", function_ms=SECONDS_APART_MS)
        assert "line 1" in world.messages()
        assert await world.shutdown() == 0
        assert "line 2" in world.messages()


async def test_a_function_called_often_is_not_held_up_by_the_default_strategy(program: Program) -> None:
    async with World(program) as world:
        world.intake.faults.slow("all", SLOW_MS)
        await world.start()
        waits = [await world.invocation(f"line {number}", function_ms=2) for number in range(40)]
        assert max(waits[-10:]) < SLOW_MS / 2
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text.startswith("line")] == [f"line {n}" for n in range(40)]


async def test_every_report_arrives_the_last_one_included(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for _ in range(4):
            await world.invocation()
        assert await world.shutdown() == 0
        kinds = [text.split(" ")[0] for text in world.messages()]
        assert (kinds.count("START"), kinds.count("END"), kinds.count("REPORT")) == (4, 4, 4)
        assert kinds[-1] == "REPORT"


@pytest.mark.parametrize("delay_ms", [0, 5, 60, 150])
async def test_a_report_that_follows_the_shutdown_event_still_arrives(program: Program, delay_ms: int) -> None:
    async with World(program) as world:
        process = await world.start()
        request_id = events.new_request_id()
        world.api.send(events.invoke(request_id, 3000))
        await local_http.post_events([events.start(request_id), events.runtime_done(request_id)])
        await world.api.wait_for_next(2)
        world.api.send(events.shutdown())
        await process.wait_for_line("Exiting: spindown")
        await asyncio.sleep(delay_ms / 1000)
        assert (await local_http.post_events([events.report(request_id)])).status == 200
        assert await process.exit(3.0) == 0
        assert [text.split(" ")[0] for text in world.messages()] == ["START", "END", "REPORT"]


async def test_the_shutdown_sends_what_a_background_flush_has_not_yet(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,60000") as world:
        await world.start()
        for number in range(5):
            await world.invocation(f"line {number}")
        assert world.messages() == []
        began_s = time.monotonic()
        assert await world.shutdown() == 0
        assert time.monotonic() - began_s < 1.0
        assert [text for text in world.messages() if text.startswith("line")] == [f"line {n}" for n in range(5)]
        assert world.own_lines() == []


@pytest.mark.parametrize("behaviour", ["hang", "reset", 503])
async def test_the_shutdown_ends_before_its_deadline_whatever_the_intake_does(
    program: Program, behaviour: int | str
) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,60000") as world:
        await world.start()
        await world.invocation("a line")
        world.intake.faults.always("all", behaviour)
        began_s = time.monotonic()
        assert await world.shutdown() == 0
        assert time.monotonic() - began_s < 2.0
        assert "Lost in this sandbox" in world.own_lines()[-1]


async def test_a_shutdown_with_a_short_deadline_is_over_before_it(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,60000") as world:
        process = await world.start()
        await world.invocation("a line")
        world.intake.faults.always("all", "hang")
        world.api.send(events.shutdown("timeout", 600))
        began_s = time.monotonic()
        assert await process.exit(3.0) == 0
        assert time.monotonic() - began_s < 0.6


@pytest.mark.parametrize("deadline", [None, 0, 1, "soon", -5, 1e300])
async def test_a_shutdown_without_a_usable_deadline_is_orderly_too(program: Program, deadline: object) -> None:
    event = {"eventType": "SHUTDOWN", "shutdownReason": "SandboxTerminated"}
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,60000") as world:
        process = await world.start()
        await world.invocation("a line")
        world.api.send(event if deadline is None else event | {"deadlineMs": deadline})
        assert await process.exit(3.0) == 0
        if deadline != 1:
            assert "a line" in world.messages()


async def test_a_healthy_run_prints_nothing_but_the_announcement_of_its_end(program: Program) -> None:
    async with World(program) as world:
        process = await world.start()
        for _ in range(5):
            await world.invocation("a line")
        assert await world.shutdown("spindown") == 0
        assert len(process.out) == 1
        assert process.out[0].startswith("Exiting: spindown, deadline: ")
        assert process.err == []


async def test_lines_keep_their_order_and_none_is_lost_over_many_invocations(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        sent = [[f"{number:03} {line:02}" for line in range(20)] for number in range(50)]
        for lines in sent:
            await world.invocation(*lines, function_ms=1)
        assert await world.shutdown() == 0
        texts = [text for text in world.messages() if text[:3].isdigit()]
        assert texts == [line for lines in sent for line in lines]


async def test_the_process_stays_when_nothing_happens(program: Program) -> None:
    """Between events it waits without a time-out and without work."""
    async with World(program) as world:
        process = await world.start()
        await world.invocation()
        before = cpu_ticks(process.pid)
        await asyncio.sleep(1.0)  # the time in which it is to do nothing
        assert process.exit_code is None
        assert cpu_ticks(process.pid) - before <= 1
        assert len(world.api.of(NEXT)) == 2


def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
