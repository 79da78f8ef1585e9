"""What an intake's answer means, over two invocations: how often a payload is sent, and whether it arrives.

Source: specification of the egress, "Retry and status handling" with its rules for us: a 4xx but 408 and 429 is final,
anything else that is no success is tried three times per flush, with a pause between, and again by the next flush.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from thimble.sandbox.received import Received

from .extension import Program
from .world import World

TABLE: dict[str, tuple[list[int | str], int, int]] = {
    "200": ([200], 1, 0),
    "202": ([202], 1, 0),
    "204": ([204], 1, 0),
    "403": ([403], 1, 1),
    "400": ([400], 1, 1),
    "404": ([404], 1, 1),
    "413": ([413], 1, 1),
    "500, then well": ([500], 2, 0),
    "408, 429, then well": ([408, 429], 3, 0),
    "503 three times": ([503, 503, 503], 4, 0),
    "302 three times": ([302, 302, 302], 4, 0),
    "reset, garbage, then well": (["reset", "garbage"], 3, 0),
    "500, then 400": ([500, 400], 2, 1),
}
"""What the first payload meets; how often it is sent in all, and whether it is lost."""


def requests_of(world: World, product: str) -> list[Received]:
    return [received for received in world.intake.received if received.product.name == product]


def open_connections(port: int) -> int:
    """TCP connections of this network namespace that end at a port, as /proc/net/tcp of proc(5) lists them.

    A connection may be listed twice, since the list changes while it is read.
    """
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return len({row[2] for row in rows if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port})


@pytest.mark.parametrize(("answers", "sent", "lost"), TABLE.values(), ids=TABLE)
async def test_an_answer_decides_about_another_try(
    program: Program, answers: list[int | str], sent: int, lost: int
) -> None:
    async with World(program, DD_ENHANCED_METRICS="false") as world:
        world.intake.faults.script("logs", *answers)
        await world.start()
        await world.invocation("line 1")
        await world.invocation("line 2")
        assert [text for text in world.messages() if text.startswith("line")] == ["line 1", "line 2"][lost:]
        assert len(requests_of(world, "logs")) == sent + 1
        assert await world.shutdown() == 0
        assert len([text for text in world.messages() if text.startswith("line")]) == 2 - lost
        assert any("Lost in this sandbox" in line for line in world.own_lines()) == bool(lost)


async def test_tries_within_one_flush_are_apart(program: Program) -> None:
    async with World(program, DD_ENHANCED_METRICS="false") as world:
        world.intake.faults.script("logs", 500, 500)
        await world.start()
        await world.invocation("a line")
        first, second, third = [received.answered_s for received in requests_of(world, "logs")]
        assert second - first >= 0.1
        assert third - second >= 0.2


async def test_a_payload_is_given_up_after_the_first_flush_and_three_more(program: Program) -> None:
    async with World(program, DD_ENHANCED_METRICS="false", DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        world.timeout_ms = 10_000
        world.intake.faults.always("logs", 500)
        await world.start()
        await world.invocation("a line")
        for pause_s in (0, 0, 5, 10):  # the breaker opens at the third failure and probes after 5 and 10 s
            await asyncio.sleep(pause_s)
            await world.invocation()
        assert await world.shutdown() == 0
        lost = next(line for line in world.own_lines() if "Lost in this sandbox" in line)
        assert "(undeliverable)" in lost


async def test_no_connection_outlives_its_flush_and_one_serves_all_of_it(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for number in range(1, 4):
            await world.invocation("a line")
            assert open_connections(world.intake.port) == 0, "asked for the next event with a connection open"
            assert world.intake.connections <= number * 3
        assert await world.shutdown() == 0


async def test_at_most_eight_connections_are_open_at_a_time(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        world.timeout_ms = 20_000
        world.intake.faults.slow("all", 200)
        await world.start()
        seen = 0

        async def watch() -> None:
            nonlocal seen
            while True:
                seen = max(seen, open_connections(world.intake.port))
                await asyncio.sleep(0.01)  # looked at from outside

        watcher = asyncio.create_task(watch())
        await world.invocation(*[f"line {number}" for number in range(20_000)])
        watcher.cancel()
        assert len(requests_of(world, "logs")) >= 20
        assert seen == world.intake.connections == 8
        assert len(world.messages()) == 20_002
        assert await world.shutdown() == 0
