"""An intake that is dead, slow, mad or refuses: invocations end in time, and what can arrive arrives once."""

from __future__ import annotations

import time

import pytest

from .extension import Program, intake_variables
from .world import World

ALLOWED_MS = 2500
"""What a flush may add to an invocation after the runtime is done: 2 s, and room for a busy machine."""


@pytest.mark.parametrize(
    "behaviour", ["hang", "reset", "reset-early", "close", "truncate", "garbage", 500, 503, 429, 403, 413]
)
async def test_invocations_end_in_time_whatever_the_intake_does(program: Program, behaviour: int | str) -> None:
    async with World(program) as world:
        world.intake.faults.always("all", behaviour)
        world.timeout_ms = 10_000
        await world.start()
        for number in range(2):
            assert await world.invocation(f"line {number}") < ALLOWED_MS
        world.intake.faults.clear()
        assert await world.invocation("after") < ALLOWED_MS
        assert await world.shutdown() == 0
        texts = [text for text in world.messages() if text.startswith(("line", "after"))]
        assert len(texts) == len(set(texts)), "a line arrived twice"
        assert "after" in texts
        assert len([line for line in world.own_lines() if "LOGS |" in line]) <= 3


@pytest.mark.parametrize("behaviour", ["hang", "reset", "garbage", 500])
async def test_what_one_flush_could_not_send_a_later_one_does(program: Program, behaviour: int | str) -> None:
    async with World(program) as world:
        world.intake.faults.always("all", behaviour)
        await world.start()
        await world.invocation("held up")
        assert world.messages() == []
        world.intake.faults.clear()
        await world.invocation("behind it")
        expected = ["held up", "behind it"]
        if behaviour != "hang":  # what has cost two seconds is left alone for a while
            assert [text for text in world.messages() if text in expected] == expected
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text in expected] == expected


async def test_an_intake_that_dies_and_returns_gets_every_line_once(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation("line 0")
        await world.intake.close()
        for number in (1, 2):
            assert await world.invocation(f"line {number}") < ALLOWED_MS
        await world.intake.open()
        await world.invocation("line 3")
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text.startswith("line")] == [f"line {n}" for n in range(4)]


async def test_a_refused_key_is_named_once_and_refused_lines_are_not_sent_again(program: Program) -> None:
    async with World(program) as world:
        world.intake.faults.always("logs", 403)
        await world.start()
        for _ in range(3):
            assert await world.invocation("a line") < ALLOWED_MS
        assert len(world.log_requests()) == 3
        assert await world.shutdown() == 0
        denied = [
            line for line in world.own_lines() if "Access denied. Please verify that your API key is valid." in line
        ]
        assert len(denied) == 1
        assert '"status":"ERROR"' in denied[0]


async def test_without_a_key_nothing_is_sent_and_one_line_says_so(program: Program) -> None:
    async with World(program, DD_API_KEY="") as world:
        await world.start()
        for _ in range(20):
            assert await world.invocation("a line") < 500
        assert await world.shutdown() == 0
        assert world.intake.received == []
        assert len([line for line in world.own_lines() if "Failed to resolve API key" in line]) == 1


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:1", "http://[::1]:1"],
    ids=["refused", "unknown host", "TLS refused", "no IPv6"],
)
async def test_an_intake_that_cannot_be_reached_costs_little(program: Program, url: str) -> None:
    async with World(program, **intake_variables(url)) as world:
        await world.start()
        for _ in range(3):
            assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        assert any("Failed to send to" in line for line in world.own_lines())


async def test_a_slow_intake_never_drives_an_invocation_into_its_time_out(program: Program) -> None:
    async with World(program) as world:
        world.timeout_ms = 800
        world.intake.faults.always("all", "hang")
        await world.start()
        for _ in range(3):
            began_s = time.monotonic()
            await world.invocation("a line")
            assert time.monotonic() - began_s < 0.8
        assert await world.shutdown() == 0
