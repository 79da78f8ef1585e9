"""Much of everything: lines beside each other, a flood into a dead intake, and the memory that it costs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from . import events, local_http
from .extension import Program
from .world import World

MEBIBYTE = 1024 * 1024


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had resident."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def test_batches_posted_beside_each_other_arrive_whole(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        request_id = events.new_request_id()
        world.api.send(events.invoke(request_id, 20_000))
        await local_http.post_events([events.start(request_id)])

        async def poster(name: int) -> None:
            for batch in range(10):
                await local_http.post_events([events.function_line(f"line {name} {batch} {n}") for n in range(100)])

        await asyncio.gather(*[poster(name) for name in range(8)])
        await local_http.post_events([events.runtime_done(request_id)])
        await world.api.wait_for_next(2)
        assert await world.shutdown() == 0
        found = [text for text in world.messages() if text.startswith("line ")]
        assert Counter(found) == Counter(f"line {a} {b} {c}" for a in range(8) for b in range(10) for c in range(100))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("behaviour", ["hang", "reset"])
async def test_a_flood_into_a_dead_intake_stays_within_bounds_and_is_counted(program: Program, behaviour: str) -> None:
    """More than the store holds, in lines that do not compress."""
    noise = [f"{number:08x}" * 4 for number in range(4000)]
    async with World(program, DD_LOGS_CONFIG_USE_COMPRESSION="false") as world:
        world.timeout_ms = 30_000
        await world.start()
        await world.invocation("before")
        idle_bytes = peak_bytes(world.extension.pid)
        world.intake.faults.always("all", behaviour)
        for _ in range(8):
            lines = [noise[at % 4000] * 8 for at in range(20_000)]
            body = json.dumps([events.function_line(line) for line in lines]).encode()
            for _ in range(2):
                await local_http.call(local_http.TELEMETRY, "POST", "/", body, timeout_s=20)
        assert await world.invocation("in the flood") < 2500
        assert peak_bytes(world.extension.pid) - idle_bytes < 120 * MEBIBYTE
        world.intake.faults.clear()
        await world.invocation("after")
        assert await world.shutdown() == 0
        assert "after" in world.messages()
        assert any("Lost in this sandbox" in line for line in world.own_lines())


async def test_memory_does_not_grow_with_the_number_of_invocations(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for _ in range(30):
            await world.invocation(*["a line of the function"] * 20, function_ms=0)
        warm_bytes = peak_bytes(world.extension.pid)
        for _ in range(200):
            await world.invocation(*["a line of the function"] * 20, function_ms=0)
        assert peak_bytes(world.extension.pid) - warm_bytes < 4 * MEBIBYTE
        assert await world.shutdown() == 0
        assert world.messages().count("a line of the function") == 230 * 20
