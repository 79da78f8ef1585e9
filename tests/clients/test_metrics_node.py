"""The npm packages `hot-shots` and `datadog-lambda-js` in a real function for Node.js."""

from __future__ import annotations

import json

import pytest

from tests.process.extension import Program

from . import installed
from .beside import AS_DISTRIBUTIONS, QUIET, beside, node_client, warm_up
from .totals import (
    BY_WRAPPER,
    CLIENT_PREFIX,
    EVERYTHING,
    HISTOGRAMS,
    STAMPED,
    count,
    distribution,
    samples,
    shared_tags,
    stamps,
    ten_minutes_ago,
    totals,
)


@pytest.mark.parametrize("mode", ["direct", "buffered", "aggregated"])
async def test_hot_shots_sends_every_kind_and_every_total_leaves_with_its_invocation(
    program: Program, mode: str
) -> None:
    stamp = ten_minutes_ago()
    expected = {
        **EVERYTHING,
        **HISTOGRAMS,
        "shop.sampled": count(400),
        "shop.sampled.size": distribution(*[2.5] * 100, weight=4),
    }
    client = f"#client:nodejs,client_transport:udp,client_version:{installed.node_version('hot-shots')}"
    function = node_client("hot-shots", "./metrics_hot_shots.mjs")
    async with beside(program, function, {**QUIET, **AS_DISTRIBUTIONS}) as world:
        await warm_up(world, mode)
        for _ in range(2):
            world.intake.received.clear()
            result = await world.invoke(mode=mode, stamp=stamp)
            assert json.loads(result.payload) == {"problems": []}
            found = totals(world.intake)
            # Timers measure real time; what is known of them is how many there are.
            assert found.pop("shop.run")[1] == 1
            assert found["shop.work"][1] == 4
            found["shop.work"] = HISTOGRAMS["shop.work"]
            assert found == expected, world.own_lines()
            assert [stamps(world.intake, name) for name in STAMPED] == [{stamp}, {stamp}]
            told = totals(world.intake, CLIENT_PREFIX)
            calls = 1 + 5 + 2 + 3 + 1000 + 300 + 3 + 2 + 2 + 2 + 3 + 2 * 400
            assert told[f"{CLIENT_PREFIX}metrics{client}"] == count(calls)
        await world.emulator.spindown()


async def test_metrics_of_datadog_lambda_js_arrive_beside_our_own(program: Program) -> None:
    env = {"DD_LAMBDA_HANDLER": "metrics_lambda.handler", "DD_TRACE_ENABLED": "false"}
    function = node_client("datadog-lambda-js", "datadog-lambda-js/dist/handler.mjs", env)
    stamp = ten_minutes_ago()
    async with beside(program, function) as world:
        for fails in (False, True):
            world.intake.received.clear()
            result = await world.invoke(stamp=stamp, fails=fails)
            assert bool(result.function_error) == fails
            shared = shared_tags(world.intake)
            assert [tag for tag in shared if tag.startswith("dd_lambda_layer:datadog-node")]
            assert totals(world.intake, base=shared) == {**BY_WRAPPER, "shop.late": distribution(4)}
            assert stamps(world.intake, "shop.late") == {stamp}
            # The wrapper sends an invocation too: it must not count twice. Of errors it alone knows.
            assert samples(world.intake, "aws.lambda.enhanced.invocations") == 1
            assert samples(world.intake, "aws.lambda.enhanced.errors") == fails
        await world.emulator.spindown()
