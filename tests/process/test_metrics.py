"""Metrics, seen from outside: they leave with the invocation that sent them, to every endpoint, whatever it answers."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from thimble.sandbox.intake import Intake
from thimble.sandbox.received import Received

from . import events, local_http
from .extension import Program
from .world import World

QUIET = {"DD_ENHANCED_METRICS": "false", "DD_SERVERLESS_LOGS_ENABLED": "false"}
"""So that what the intake gets is what the function sent."""


def send(*datagrams: str) -> None:
    """As a function's client library does it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", local_http.DOGSTATSD))
        for datagram in datagrams:
            sock.send(datagram.encode())


async def invocation(world: World, *datagrams: str) -> None:
    """One invocation that sends its metrics just before its end."""
    request_id = events.new_request_id()
    asked = len(world.api.of("next"))
    world.api.send(events.invoke(request_id, world.timeout_ms))
    assert (await local_http.post_events([events.start(request_id)])).status == 200
    send(*datagrams)
    assert (await local_http.post_events([events.runtime_done(request_id)])).status == 200
    await world.api.wait_for_next(asked + 1, world.timeout_ms / 1000 + 2)


def metrics_of(received: list[Received]) -> list[tuple[str, float]]:
    """Names and values of counts and gauges, names and sums of distributions, in order of arrival."""
    found: list[tuple[str, float]] = []
    for request in received:
        content: Any = request.content
        if request.product.name == "series":
            found.extend((entry["metric"], entry["points"][0]["value"]) for entry in content["series"])
        elif request.product.name == "sketches":
            found.extend((entry["metric"], entry["dogsketches"][0]["sum"]) for entry in content["sketches"])
    return found


def accepted(intake: Intake) -> list[tuple[str, float]]:
    return sorted(metrics_of([*intake.accepted("series"), *intake.accepted("sketches")]))


def answers(intake: Intake, product: str) -> list[object]:
    return [received.answer for received in intake.received if received.product.name == product]


async def test_metric_sent_just_before_the_end_leaves_with_the_same_invocation(program: Program) -> None:
    async with World(program, **QUIET) as world:
        await world.start()
        for number in range(1, 6):
            await invocation(world, f"last.word:{number}|d", f"a.count:{number}|c|#k:v")
            assert accepted(world.intake)[-1] == ("last.word", float(number))
            assert len(world.intake.received) == 2 * number
        request = world.intake.accepted("series")[0]
        entry = request.content["series"][0]
        assert (entry["type"], entry["metadata"]["origin"]["origin_product_detail"]) == (1, 472)
        assert {"k:v", "functionname:orders-api"} <= set(entry["tags"])
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["content-encoding"] == "zstd"
        assert headers["content-type"] == "application/json"
        sketch_headers = {name.lower(): value for name, value in world.intake.accepted("sketches")[0].headers.items()}
        assert sketch_headers["content-type"] == "application/x-protobuf"
        assert await world.shutdown() == 0
        assert world.own_lines() == []


async def test_without_metrics_nothing_is_sent(program: Program) -> None:
    async with World(program, **QUIET) as world:
        await world.start()
        await invocation(world)
        assert world.intake.received == []
        assert await world.shutdown() == 0
        assert world.intake.received == []


async def test_metrics_sent_after_the_last_invocation_leave_at_the_shutdown(program: Program) -> None:
    async with World(program, **QUIET) as world:
        await world.start()
        await invocation(world)
        send("late:1|d")
        assert await world.shutdown() == 0
        assert accepted(world.intake) == [("late", 1.0)]


@pytest.mark.parametrize("product", ["series", "sketches"])
@pytest.mark.parametrize(
    ("script", "requests", "is_sent"),
    [
        ([202], 1, True),
        ([200], 1, True),
        ([500, 202], 2, True),
        ([500, 500, 500], 3, False),
        ([429, 429, 429], 3, False),
        ([408, 503, 202], 3, True),
        ([302, 302, 202], 3, True),
    ],
)
async def test_answer_decides_what_is_tried_again_and_kept(
    program: Program, product: str, script: list[int], requests: int, is_sent: bool
) -> None:
    metric = "x:1|c" if product == "series" else "x:1|d"
    async with World(program, **QUIET) as world:
        world.intake.faults.script(product, *script)
        await world.start()
        await invocation(world, metric)
        assert answers(world.intake, product) == script[:requests]
        assert bool(accepted(world.intake)) == is_sent
        await invocation(world)
        assert await world.shutdown() == 0
        assert accepted(world.intake) == [("x", 1.0)]


async def test_refused_payload_is_dropped_at_once_and_the_next_one_is_sent(program: Program) -> None:
    async with World(program, **QUIET) as world:
        world.intake.faults.script("sketches", 400)
        await world.start()
        await invocation(world, "x:1|d", "y:1|c")
        assert answers(world.intake, "sketches") == [400]
        assert accepted(world.intake) == [("y", 1.0)]
        await invocation(world, "z:1|d")
        assert accepted(world.intake) == [("y", 1.0), ("z", 1.0)]
        assert await world.shutdown() == 0
        assert any("Lost in this sandbox: 1 metrics (refused)" in line for line in world.own_lines())


async def test_metrics_outlive_an_intake_that_is_away(program: Program) -> None:
    async with World(program, **QUIET) as world:
        await world.start()
        await world.intake.close()
        for number in (1, 2):
            await invocation(world, f"x:{number}|d")
        await world.intake.open()
        assert await world.shutdown() == 0
        assert sum(value for name, value in accepted(world.intake) if name == "x") == 3.0


async def test_every_endpoint_gets_everything_with_its_own_keys(program: Program) -> None:
    async with Intake() as other:
        endpoints = json.dumps({other.url + "/": ["key-1", "key-2"]})
        async with World(program, DD_ADDITIONAL_ENDPOINTS=endpoints, **QUIET) as world:
            world.intake.faults.script("series", 500, 500, 500)
            await world.start()
            await invocation(world, "x:1|c", "y:2|d")
            keys = sorted((received.headers["DD-API-KEY"], received.product.name) for received in other.received)
            assert keys == [("key-1", "series"), ("key-1", "sketches"), ("key-2", "series"), ("key-2", "sketches")]
            assert answers(world.intake, "series") == [500] * 3
            assert await world.shutdown() == 0
            assert accepted(world.intake) == [("x", 1.0), ("y", 2.0)]
            assert accepted(other) == [("x", 1.0), ("x", 1.0), ("y", 2.0), ("y", 2.0)]


async def test_bad_lines_cost_one_line_of_log_per_reason(program: Program) -> None:
    async with World(program, **QUIET) as world:
        await world.start()
        for _ in range(3):
            await invocation(world, "broken:x|c\nfine:1|c\ntimer:3|ms")
        assert await world.shutdown() == 0
        told = [line for line in world.own_lines() if "METRICS" in line]
        assert len(told) == 2
        assert "Refused 1 line: the value is no finite number: broken" in told[0]
        assert "Refused 1 line: histograms, timers and sets are not supported" in told[1]


async def test_namespace_and_histograms_follow_their_settings(program: Program) -> None:
    variables = {"DD_STATSD_METRIC_NAMESPACE": " shop ", "THIMBLE_DOGSTATSD_HISTOGRAMS": "distribution"}
    async with World(program, **variables, **QUIET) as world:
        await world.start()
        await invocation(world, "latency:3|ms", "hits:1|c", "aws.lambda.enhanced.errors:1|d")
        assert accepted(world.intake) == [
            ("aws.lambda.enhanced.errors", 1.0),
            ("shop.hits", 1.0),
            ("shop.latency", 3.0),
        ]
        assert await world.shutdown() == 0


async def test_flood_of_metrics_arrives_or_is_counted(program: Program) -> None:
    datagrams, lines = 2000, 20
    async with World(program, DD_LOG_LEVEL="warn", **QUIET) as world:
        await world.start()
        packed = "\n".join(f"x:1|c|#n:{number % 10}" for number in range(lines))
        await asyncio.to_thread(send, *[packed] * datagrams)
        await invocation(world)
        assert await world.shutdown() == 0
        lost = sum(
            int(line.split("Lost in this sandbox: ")[1].split()[0])
            for line in world.own_lines()
            if "receive_buffer" in line
        )
        assert sum(value for _, value in accepted(world.intake)) + lost * lines == datagrams * lines
