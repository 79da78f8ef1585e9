"""The PyPI packages `datadog` and `datadog-lambda` in a real Python function."""

from __future__ import annotations

import json
import random

import pytest

from tests.process.extension import Program
from tests.process.local_lambda import LocalLambda

from . import installed
from .beside import AS_DISTRIBUTIONS, QUIET, beside, python_client, warm_up
from .totals import (
    BY_WRAPPER,
    CLIENT_PREFIX,
    EVERYTHING,
    HISTOGRAMS,
    STAMPED,
    Total,
    count,
    distribution,
    points,
    samples,
    shared_tags,
    stamps,
    ten_minutes_ago,
    totals,
)

SEED = 7
"""Of the client's dice."""

CALLS = 400
"""Sampled calls per metric, each at the rate of a quarter."""

KINDS = ("metrics", "events", "service_checks")


def hits(dice: random.Random) -> int:
    """How many of `CALLS` the client lets through."""
    return sum(dice.random() <= 0.25 for _ in range(CALLS))


def sampled(mode: str) -> dict[str, Total]:
    """What has to arrive of the sampled metrics."""
    dice = random.Random(SEED)
    if mode != "aggregated":
        counted, measured = hits(dice), hits(dice)
        return {
            "shop.sampled": count(counted * 4),
            "shop.sampled.size": distribution(*[2.5] * measured, weight=4),
        }
    # Aggregating, version 0.56.0 adds up every count, unsampled, and still names the rate: an agent gets four times as
    # many. Of distributions it keeps a part and names the rate that it had in the end, so each weighs a broken number:
    # the sum takes it whole, the number of samples without its fraction.
    kept = hits(dice)
    size = ("distribution", kept * (CALLS // kept), pytest.approx(2.5 * CALLS), 2.5, 2.5)
    return {"shop.sampled": count(4 * CALLS), "shop.sampled.size": size}


async def run_datadog(world: LocalLambda, mode: str, stamp: int) -> None:
    result = await world.invoke(mode=mode, stamp=stamp, seed=SEED)
    assert json.loads(result.payload) == {"dropped": 0}


@pytest.mark.parametrize("mode", ["direct", "buffered", "aggregated", "background"])
async def test_datadog_sends_every_kind_and_every_total_leaves_with_its_invocation(program: Program, mode: str) -> None:
    stamp = ten_minutes_ago()
    expected = {**EVERYTHING, **HISTOGRAMS, **sampled(mode)}
    async with beside(program, python_client("metrics_datadog"), {**QUIET, **AS_DISTRIBUTIONS}) as world:
        await warm_up(world, mode)
        await run_datadog(world, mode, stamp)
        assert totals(world.intake) == expected, world.own_lines()
        assert [stamps(world.intake, name) for name in STAMPED] == [{stamp}, {stamp}]
        tags = next(tags for name, tags, _, _ in points(world.intake) if name == "shop.plain")
        assert "functionname:orders-api" in tags
        world.intake.received.clear()
        await run_datadog(world, mode, stamp)
        assert totals(world.intake) == expected, "nothing of the first invocation is left or sent twice"
        await world.emulator.spindown()


async def test_histograms_and_sets_of_datadog_are_refused_and_told_once(program: Program) -> None:
    stamp = ten_minutes_ago()
    async with beside(program, python_client("metrics_datadog"), {**QUIET, "DD_LOG_LEVEL": "debug"}) as world:
        for _ in range(2):
            await run_datadog(world, "buffered", stamp)
        await world.emulator.spindown()
        found = {key.partition("#")[0] for key in totals(world.intake)}
        assert found == {key.partition("#")[0] for key in [*EVERYTHING, *sampled("buffered")]}
        told = [json.loads(line) for line in world.own_lines() if "Refused" in line]
        levels = {
            name: [line["status"] for line in told if name in line["message"]]
            for name in ("shop.latency", "shop.work", "shop.visitors")
        }
        # A visitor's name is no number, which is looked at before the type.
        assert levels == {"shop.latency": ["WARN"], "shop.work": ["WARN"], "shop.visitors": ["WARN"]}


async def test_what_datadog_tells_about_itself_agrees_with_what_it_sent(program: Program) -> None:
    client = f"#client:py,client_transport:udp,client_version:{installed.python_version('datadog')}"
    async with beside(program, python_client("metrics_datadog"), {**QUIET, **AS_DISTRIBUTIONS}) as world:
        await run_datadog(world, "buffered", ten_minutes_ago())
        told = totals(world.intake, CLIENT_PREFIX)
        calls = 1 + 5 + 1 + 2 + 3 + 1000 + 300 + 3 + 2 + 2 + 2 + 2 * CALLS - 1
        assert [told[f"{CLIENT_PREFIX}{kind}{client}"] for kind in KINDS] == [count(calls), count(1), count(1)]
        assert told[f"{CLIENT_PREFIX}packets_dropped{client}"] == count(0)
        await world.emulator.spindown()


async def test_metrics_of_datadog_lambda_arrive_beside_our_own(program: Program) -> None:
    function = python_client(
        "metrics_lambda", {"DD_LAMBDA_HANDLER": "metrics_lambda.handler"}, "datadog_lambda.handler.handler"
    )
    stamp = ten_minutes_ago()
    async with beside(program, function) as world:
        for fails in (False, True):
            world.intake.received.clear()
            result = await world.invoke(stamp=stamp, fails=fails)
            assert bool(result.function_error) == fails
            shared = shared_tags(world.intake)
            assert f"dd_lambda_layer:datadog-python311_{installed.python_version('datadog_lambda')}" in shared
            assert totals(world.intake, base=shared) == {**BY_WRAPPER, "shop.late": distribution(4, 6)}
            assert stamps(world.intake, "shop.late") == {stamp}
            assert samples(world.intake, "aws.lambda.enhanced.invocations") == 1
            assert samples(world.intake, "aws.lambda.enhanced.errors") == fails
            failures = totals(world.intake, "aws.lambda.enhanced.batch_item_failures", set())
            assert list(failures.values()) == ([] if fails else [distribution(2)])
        await world.emulator.spindown()
