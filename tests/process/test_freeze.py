"""The sandbox freezes in the middle of everything, for longer than any time-out, and thaws."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from . import events, local_http, namespaces
from .extension import Program
from .scripted_lambda import NEXT
from .world import World

SHORT_S = 3.0
LONG_S = 30.0


async def freeze(world: World, seconds: float) -> None:
    world.extension.stop()
    await asyncio.sleep(seconds)  # the sandbox is frozen
    world.extension.go_on()


def lines_of(world: World) -> list[str]:
    return [text for text in world.messages() if not text.startswith(("START ", "END ", "REPORT "))]


async def a_flush_in_the_middle_delivers_every_line_once(program: Program, pause_s: float, answers: str) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="periodically,1") as world:
        world.timeout_ms = int(pause_s * 1000) + 10_000
        await world.start()
        await world.invocation("first", function_ms=1100)
        world.intake.faults.slow("logs", 700 if answers == "while frozen" else pause_s * 1000 + 500)
        count = len(world.log_requests())
        invocation = asyncio.create_task(world.invocation("second"))
        await world.intake.wait_until(lambda: len(world.log_requests()) > count)
        await freeze(world, pause_s)
        await invocation
        world.intake.faults.clear()
        await world.invocation("third", function_ms=1100)
        assert await world.shutdown() == 0
        assert lines_of(world) == ["first", "second", "third"]
        assert world.own_lines() == []


async def a_peer_that_gave_up_gets_the_lines_afterwards(program: Program, pause_s: float) -> None:
    """The intake closes the connection while we are frozen: that is no failed attempt, and not worth a line."""
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,1") as world:
        await world.start()
        await world.invocation("first", function_ms=1100)
        count = len(world.log_requests())
        world.intake.faults.always("logs", "hang")
        await world.invocation("second")
        await world.intake.wait_until(lambda: len(world.log_requests()) > count)
        world.extension.stop()
        await world.intake.close()
        world.intake.faults.clear()
        await world.intake.open()
        await asyncio.sleep(pause_s)  # the sandbox is frozen
        world.extension.go_on()
        await world.intake.wait_until(lambda: len(world.intake.accepted("logs")) > count)
        assert await world.shutdown() == 0
        assert lines_of(world) == ["first", "second"]
        assert world.own_lines() == []


async def events_that_came_meanwhile_are_served_at_once(program: Program, pause_s: float) -> None:
    """INVOKE and the whole telemetry of a short invocation wait in the sockets when the sandbox thaws."""
    async with World(program) as world:
        world.timeout_ms = int(pause_s * 1000) + 10_000
        await world.start()
        await world.invocation("before")
        world.extension.stop()
        request_id = events.new_request_id()
        batch = [events.start(request_id), events.function_line("meanwhile"), events.runtime_done(request_id)]
        post = asyncio.create_task(local_http.post_events(batch, pause_s + 5))
        world.api.send(events.invoke(request_id, world.timeout_ms))
        await asyncio.sleep(pause_s)  # the sandbox is frozen
        thawed_s = time.monotonic()
        world.extension.go_on()
        assert (await post).status == 200
        await world.api.wait_for_next(3)
        assert world.api.of(NEXT)[2].at_s - thawed_s < 0.5
        assert lines_of(world) == ["before", "meanwhile"]
        assert world.own_lines() == []


async def an_idle_extension_wakes_without_a_burst(program: Program, pause_s: float) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation("before")
        await freeze(world, pause_s)
        assert await world.invocation("after") < 500
        assert lines_of(world) == ["before", "after"]
        assert len(world.log_requests()) == 2
        assert world.own_lines() == []
        assert await world.shutdown() == 0


Scenario = Callable[[Program, float], Coroutine[Any, Any, None]]

SCENARIOS: dict[str, Scenario] = {
    "answer while frozen": partial(a_flush_in_the_middle_delivers_every_line_once, answers="while frozen"),
    "answer after the thaw": partial(a_flush_in_the_middle_delivers_every_line_once, answers="after the thaw"),
    "the peer gives up": a_peer_that_gave_up_gets_the_lines_afterwards,
    "events meanwhile": events_that_came_meanwhile_are_served_at_once,
    "idle": an_idle_extension_wakes_without_a_burst,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_short_freeze_delivers_every_line_once(program: Program, scenario: str) -> None:
    await SCENARIOS[scenario](program, SHORT_S)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_freezes_of_half_a_minute_deliver_every_line_once(program: Program) -> None:
    """All scenarios beside each other, since they only wait."""

    def one(scenario: Scenario) -> None:
        with namespaces.network_namespace():
            asyncio.run(scenario(program, LONG_S))

    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        for outcome in [pool.submit(one, scenario) for scenario in SCENARIOS.values()]:
            outcome.result()
