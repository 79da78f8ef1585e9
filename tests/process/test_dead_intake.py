"""An intake that accepts and never answers, answers late, or is not there: what it costs invocations, and what arrives.

Expectations: the first invocation pays the budget at most, then the breaker keeps the cost away; what was kept arrives
once when the intake is back; what is lost in the end is counted and said once.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from thimble.sandbox.intake import Intake

from .extension import Program
from .world import World

BUDGET_MS = 2000
BUSY_MS = 500
"""Room for a busy machine."""
SETTLED_AFTER = 5
SETTLED_MEAN_MS = 25
"""Telling that the runtime is done, and asking for `/next`, take some of it; bench/dead_intake.py has the figure."""
MANY, SOME = 100, 30
APART_MS = 55
"""So that a hundred invocations last longer than the pause before the first probe."""

END = {"DD_SERVERLESS_FLUSH_STRATEGY": "end"}
SETTINGS: dict[str, tuple[int, dict[str, str], int, int]] = {
    "end, 3 s": (MANY, END, 3000, BUDGET_MS),
    "end, 15 s": (SOME, END, 15_000, BUDGET_MS),
    "default, 3 s": (SOME, {}, 3000, BUDGET_MS),
    "default, 15 s": (MANY, {}, 15_000, BUDGET_MS),
    "periodically": (SOME, {"DD_SERVERLESS_FLUSH_STRATEGY": "periodically,1"}, 3000, BUDGET_MS),
    "continuously": (SOME, {"DD_SERVERLESS_FLUSH_STRATEGY": "continuously,1"}, 3000, 0),
    "flush time-out of 1 s": (SOME, {"DD_FLUSH_TIMEOUT": "1"}, 3000, 1000),
    "budget of 100 ms": (SOME, {"THIMBLE_MAX_BILLED_MS_PER_INVOCATION": "100"}, 3000, 100),
    "no budget": (SOME, {"THIMBLE_MAX_BILLED_MS_PER_INVOCATION": "0"}, 3000, 0),
}


def lines_of(world: World) -> list[str]:
    return [text for text in world.messages() if text.startswith("line ")]


def lost_logs(world: World) -> int:
    """The count of lost log entries that the last line names, 0 when none was lost."""
    found = [re.search(r"Lost in this sandbox: (.*)", line) for line in world.own_lines()]
    texts = [match.group(1) for match in found if match]
    assert len(texts) <= 1, "losses are said more than once"
    return sum(int(count) for count in re.findall(r"(\d+) logs", texts[0])) if texts else 0


@pytest.mark.parametrize(("count", "variables", "timeout_ms", "first_ms"), SETTINGS.values(), ids=SETTINGS)
@pytest.mark.timeout(60)
async def test_a_dead_intake_costs_one_budget_and_then_nothing(
    program: Program, count: int, variables: dict[str, str], timeout_ms: int, first_ms: int
) -> None:
    async with World(program, **variables) as world:
        world.timeout_ms = timeout_ms
        world.intake.faults.always("all", "hang")
        await world.start()
        waits = [await world.invocation(f"line {n}", function_ms=APART_MS) for n in range(count)]
        assert max(waits) < first_ms + BUSY_MS
        assert sum(wait > BUSY_MS for wait in waits) <= 1, waits
        # Under `periodically` the first flush is due at one of the first twenty or so, by the clock.
        settled = [wait for wait in waits[0 if "periodically" in str(variables) else SETTLED_AFTER :] if wait < BUSY_MS]
        assert sum(settled) / len(settled) < SETTLED_MEAN_MS, settled
        assert await world.shutdown() == 0
        assert lost_logs(world) >= count
        assert len(world.own_lines()) <= 4


async def test_what_the_breaker_kept_arrives_once_and_in_order_when_the_intake_is_back(program: Program) -> None:
    async with World(program) as world:
        world.intake.faults.always("all", "hang")
        await world.start()
        for number in range(4):
            await world.invocation(f"line {number}")
        world.intake.faults.clear()
        for number in range(4, 12):
            assert await world.invocation(f"line {number}", function_ms=1000) < BUSY_MS
        assert lines_of(world) == [f"line {n}" for n in range(12)], "a probe let everything through"
        assert await world.shutdown() == 0
        assert lines_of(world) == [f"line {n}" for n in range(12)]
        assert lost_logs(world) == 0


async def test_what_the_breaker_kept_arrives_at_the_shutdown(program: Program) -> None:
    """A probe under way belongs to a connection that nobody will answer: its payload is sent anew."""
    async with World(program) as world:
        world.intake.faults.always("all", "hang")
        await world.start()
        for number in range(4):
            await world.invocation(f"line {number}")
        await asyncio.sleep(5.1)  # the pause before a probe
        probed = len(world.intake.received)
        await world.invocation("line 4")
        await world.intake.wait_until(lambda: len(world.intake.received) > probed)
        await asyncio.sleep(1.1)  # the probe is stale
        world.intake.faults.clear()
        assert await world.shutdown() == 0
        assert lines_of(world) == [f"line {n}" for n in range(5)]
        assert lost_logs(world) == 0


async def test_an_intake_slower_than_the_budget_gets_everything_beside_the_invocations(program: Program) -> None:
    """Ending each request at the budget would send the same lines again and again."""
    latency_ms, budget_ms, count = 300, 100, 40
    async with World(program, THIMBLE_MAX_BILLED_MS_PER_INVOCATION=str(budget_ms), **END) as world:
        world.intake.faults.slow("all", latency_ms)
        await world.start()
        waits = [await world.invocation(f"line {n}", function_ms=APART_MS) for n in range(count)]
        assert max(waits) < budget_ms + latency_ms - 50
        assert sorted(waits)[count // 2] < SETTLED_MEAN_MS
        assert len(lines_of(world)) > count / 4, "lines arrive while the function lives"
        assert await world.shutdown() == 0
        # The first request was ended at the budget, when the intake had it already: that one may come twice.
        assert sorted(set(lines_of(world)), key=lambda text: int(text[5:])) == [f"line {n}" for n in range(count)]
        assert len(lines_of(world)) <= count + 1
        assert lost_logs(world) == 0


async def test_one_dead_destination_leaves_the_others_alone(program: Program) -> None:
    async with Intake() as dead, World(program, DD_DD_URL=dead.url) as world:
        dead.faults.always("all", "hang")
        await world.start()
        waits = [await world.invocation(f"line {n}", function_ms=APART_MS) for n in range(SOME)]
        assert sum(wait > BUSY_MS for wait in waits) <= 1, waits
        assert max(waits) < BUDGET_MS + BUSY_MS
        assert lines_of(world)[:5] == [f"line {n}" for n in range(5)], "with the invocations that they belong to"
        assert await world.shutdown() == 0
        assert lines_of(world) == [f"line {n}" for n in range(SOME)]
        assert lost_logs(world) == 0
        assert any(re.search(r"Lost in this sandbox: \d+ metrics", line) for line in world.own_lines())


UNREACHABLE = {
    "refused": "http://127.0.0.1:1",
    "unknown host": "http://no-such-host.invalid",
    "no IPv6": "http://[::1]:1",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE)
async def test_a_host_that_is_not_there_costs_three_short_tries(program: Program, url: str) -> None:
    """Two pauses of 100 and 200 ms in each of three invocations, then the breaker."""
    async with World(program, DD_LOGS_CONFIG_LOGS_DD_URL=url, DD_DD_URL=url) as world:
        await world.start()
        waits = [await world.invocation(f"line {number}") for number in range(20)]
        assert sum(waits[:3]) < 3 * (300 + BUSY_MS)
        settled = waits[SETTLED_AFTER:]
        assert sum(settled) / len(settled) < SETTLED_MEAN_MS
        assert await world.shutdown() == 0
        assert lost_logs(world) >= 20
