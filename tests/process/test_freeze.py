"""The sandbox freezes in the middle of everything, for longer than any time-out, and thaws."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from . import events, local_http
from .extension import Program
from .scripted_lambda import NEXT
from .world import World

PAUSES = [pytest.param(3.0, id="3 s"), pytest.param(30.0, id="30 s", marks=pytest.mark.slow)]


async def freeze(world: World, seconds: float) -> None:
    world.extension.send_signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)  # the sandbox is frozen
    world.extension.send_signal(signal.SIGCONT)


def lines_of(world: World) -> list[str]:
    return [text for text in world.messages() if not text.startswith(("START ", "END ", "REPORT "))]


@pytest.mark.parametrize("pause_s", PAUSES)
@pytest.mark.parametrize("answers", ["while frozen", "after the thaw"])
async def test_a_freeze_in_the_middle_of_a_flush_delivers_every_line_once(
    program: Program, pause_s: float, answers: str
) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,1") as world:
        world.timeout_ms = int(pause_s * 1000) + 10_000
        await world.start()
        await world.invocation("first", function_ms=1100)
        world.intake.faults.slow("all", 700 if answers == "while frozen" else pause_s * 1000 + 500)
        invocation = asyncio.create_task(world.invocation("second"))
        await world.intake.wait_until(lambda: len(world.intake.received) == 1)
        await freeze(world, pause_s)
        await invocation
        world.intake.faults.clear()
        await world.invocation("third", function_ms=1100)
        assert await world.shutdown() == 0
        assert lines_of(world) == ["first", "second", "third"]
        assert world.own_lines() == []


@pytest.mark.parametrize("pause_s", PAUSES)
async def test_a_peer_that_gave_up_during_the_freeze_gets_the_lines_afterwards(
    program: Program, pause_s: float
) -> None:
    """The intake closes the connection while we are frozen: that is no failed attempt, and not worth a line."""
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,1") as world:
        await world.start()
        await world.invocation("first", function_ms=1100)
        world.intake.faults.always("all", "hang")
        await world.invocation("second")
        await world.intake.wait_until(lambda: len(world.intake.received) == 1)
        world.extension.send_signal(signal.SIGSTOP)
        await world.intake.close()
        world.intake.faults.clear()
        await world.intake.open()
        await asyncio.sleep(pause_s)  # the sandbox is frozen
        world.extension.send_signal(signal.SIGCONT)
        await world.intake.wait_until(lambda: "first" in lines_of(world))
        assert await world.shutdown() == 0
        assert lines_of(world) == ["first", "second"]
        assert world.own_lines() == []


@pytest.mark.parametrize("pause_s", PAUSES)
async def test_events_that_came_during_the_freeze_are_served_at_once(program: Program, pause_s: float) -> None:
    """INVOKE and the whole telemetry of a short invocation wait in the sockets when the sandbox thaws."""
    async with World(program) as world:
        world.timeout_ms = int(pause_s * 1000) + 10_000
        await world.start()
        await world.invocation("before")
        world.extension.send_signal(signal.SIGSTOP)
        request_id = events.new_request_id()
        batch = [events.start(request_id), events.function_line("meanwhile"), events.runtime_done(request_id)]
        post = asyncio.create_task(local_http.post_events(batch, pause_s + 5))
        world.api.send(events.invoke(request_id, world.timeout_ms))
        await asyncio.sleep(pause_s)  # the sandbox is frozen
        thawed_s = time.monotonic()
        world.extension.send_signal(signal.SIGCONT)
        assert (await post).status == 200
        await world.api.wait_for_next(3)
        assert world.api.of(NEXT)[2].at_s - thawed_s < 0.5
        assert lines_of(world) == ["before", "meanwhile"]
        assert world.own_lines() == []


@pytest.mark.parametrize("pause_s", PAUSES)
async def test_a_frozen_idle_extension_wakes_for_the_next_event_without_a_burst(
    program: Program, pause_s: float
) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation("before")
        await freeze(world, pause_s)
        assert await world.invocation("after") < 500
        assert lines_of(world) == ["before", "after"]
        assert len(world.intake.received) == 2
        assert world.own_lines() == []
        assert await world.shutdown() == 0
