"""Go's `datadog-go` and Java's `java-dogstatsd-client` in programs that a function runs inside its sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from tests.process.extension import Program
from tests.process.local_lambda import LocalLambda

from . import installed
from .beside import AS_DISTRIBUTIONS, QUIET, beside, python_client, warm_up
from .totals import EVERYTHING, HISTOGRAMS, STAMPED, Total, distribution, stamps, ten_minutes_ago, totals

Command = Callable[[], list[str]]

MODES = [
    *[
        pytest.param(installed.go_program, mode, id=f"go {mode}")
        for mode in ("direct", "buffered", "aggregated", "packed")
    ],
    *[pytest.param(installed.java_program, mode, id=f"java {mode}") for mode in ("direct", "buffered", "aggregated")],
]

SAMPLED: dict[str, Total] = {"shop.sampled.size": distribution(1, 2.5, 40, weight=4)}
"""The samples that the program itself drew, each for four."""


async def run(world: LocalLambda, command: Sequence[str]) -> None:
    result = await world.invoke(command=command)
    assert json.loads(result.payload) == {"code": 0, "out": "", "err": ""}


@pytest.mark.parametrize(("program_of", "mode"), MODES)
async def test_program_sends_every_kind_and_every_total_leaves_with_its_invocation(
    program: Program, program_of: Command, mode: str
) -> None:
    stamp = ten_minutes_ago()
    command = [*program_of(), mode, str(stamp)]
    async with beside(program, python_client("metrics_program"), {**QUIET, **AS_DISTRIBUTIONS}) as world:
        await warm_up(world, mode)
        await run(world, command)
        assert totals(world.intake) == {**EVERYTHING, **HISTOGRAMS, **SAMPLED}, world.own_lines()
        assert [stamps(world.intake, name) for name in STAMPED] == [{stamp}, {stamp}]
        await world.emulator.spindown()


@pytest.mark.parametrize("program_of", [installed.go_program, installed.java_program], ids=["go", "java"])
async def test_histograms_of_a_program_are_left_out_by_default(program: Program, program_of: Command) -> None:
    command = [*program_of(), "aggregated", str(ten_minutes_ago())]
    async with beside(program, python_client("metrics_program"), QUIET) as world:
        await run(world, command)
        assert totals(world.intake) == {**EVERYTHING, **SAMPLED}, world.own_lines()
        await world.emulator.spindown()
