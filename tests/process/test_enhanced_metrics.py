"""The metrics that the extension makes itself, as the intake gets them: in the flush of their own invocation."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from . import events, local_http
from .extension import Program
from .world import World

PREFIX = "aws.lambda.enhanced."
WITH_THE_END = {
    "invocations", "runtime_duration", "produced_bytes", "fd_max", "threads_max", "tmp_used", "tmp_max", "tmp_free",
    "fd_use", "threads_use", "cpu_total_utilization_pct", "cpu_total_utilization", "num_cores", "cpu_max_utilization",
    "cpu_min_utilization",
}  # fmt: skip
WITH_THE_REPORT = {
    "duration", "billed_duration", "max_memory_used", "memorysize", "estimated_cost", "post_runtime_duration",
    "cpu_user_time", "cpu_system_time", "cpu_total_time",
}  # fmt: skip
CPU = {name for name in WITH_THE_END if name.startswith(("cpu_", "num_"))}
"""A function that ends within the kernel's clock step has no utilisation; here it works for longer."""
WORK_MS = 60


class Point:
    """One sketch of one of our metrics."""

    def __init__(self, sketch: dict[str, object]) -> None:
        self.name = str(sketch["metric"]).removeprefix(PREFIX)
        self.tags = set(sketch.get("tags", ()))  # type: ignore[call-overload]
        (dogsketch,) = sketch["dogsketches"]  # type: ignore[misc]
        self.count: int = dogsketch["cnt"]
        self.total: float = dogsketch.get("sum", 0.0)


def points(world: World, payloads: Iterable[int] | None = None) -> list[Point]:
    """What the intake accepted: everything, or the payloads of these numbers."""
    received = world.intake.accepted("sketches")
    chosen = received if payloads is None else [received[number] for number in payloads]
    return [Point(sketch) for payload in chosen for sketch in payload.content["sketches"]]


def total(world: World, name: str) -> float:
    return sum(point.total for point in points(world) if point.name == name)


def names(found: list[Point]) -> set[str]:
    return {point.name for point in found}


async def invocation(world: World, *lines: object, status: str, has_metrics: bool = True) -> None:
    """The first invocation, from INVOKE to the `/next` after it, without its report."""
    request_id = events.new_request_id()
    world.api.send(events.invoke(request_id, 3000))
    done = events.runtime_done(request_id, status, has_metrics)
    await local_http.post_events([events.start(request_id), *map(events.function_line, lines), done])
    await world.api.wait_for_next(2)


async def test_what_an_invocation_counts_leaves_within_it_and_its_report_within_the_next(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        await world.invocation("a line", function_ms=WORK_MS)
        first = points(world)
        assert names(first) == WITH_THE_END
        assert all({"cold_start:true", "init_type:on-demand"} <= point.tags for point in first)
        await world.invocation("a line", function_ms=WORK_MS)
        second = points(world, range(1, len(world.intake.accepted("sketches"))))
        assert names(second) == WITH_THE_END | WITH_THE_REPORT
        cold = {point.name for point in second if "cold_start:true" in point.tags}
        assert {"duration", "billed_duration", "max_memory_used", "memorysize", "estimated_cost"} <= cold
        assert await world.shutdown() == 0
    assert total(world, "invocations") == 2
    assert total(world, "shutdowns") == 1
    assert total(world, "billed_duration") == pytest.approx(0.044)
    assert {point.count for point in points(world)} == {1}


async def test_figures_of_the_sandbox_are_those_of_this_machine(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation(function_ms=WORK_MS)
        values = {point.name: point.total for point in points(world)}
    assert values["fd_max"] <= 1024
    assert values["threads_max"] <= 1024
    assert 0 < values["tmp_used"] < values["tmp_max"]
    assert values["tmp_used"] + values["tmp_free"] == pytest.approx(values["tmp_max"], rel=1e-9)
    assert values["fd_use"] >= 10
    assert values["threads_use"] >= 2
    assert values["cpu_total_utilization"] == pytest.approx(
        values["cpu_total_utilization_pct"] / 100 * values["num_cores"], rel=1e-6
    )


async def test_a_sandbox_that_is_never_used_says_so(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        assert await world.shutdown() == 0
        assert {point.name: point.total for point in points(world)} == {"shutdowns": 1.0, "unused_init": 1.0}


async def test_nothing_is_made_when_they_are_off(program: Program) -> None:
    async with World(program, DD_ENHANCED_METRICS="false") as world:
        await world.start()
        await world.invocation("a line")
        assert await world.shutdown() == 0
        assert world.intake.accepted("sketches") == []


async def test_without_the_metrics_of_proc_the_limits_remain(program: Program) -> None:
    async with World(program, DD_LAMBDA_PROC_ENHANCED_METRICS="false") as world:
        await world.start()
        await world.invocation(function_ms=WORK_MS)
        found = names(points(world))
    assert found == WITH_THE_END - CPU - {"tmp_used", "tmp_max", "tmp_free", "fd_use", "threads_use"}


async def test_a_timeout_and_lack_of_memory_are_counted_in_the_flush_of_their_invocation(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        await invocation(world, "MemoryError", status="timeout")
        for name in ("errors", "timeouts", "out_of_memory"):
            assert total(world, name) == 1, name


async def test_an_invocation_without_metrics_in_its_end_is_counted(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        await invocation(world, status="error", has_metrics=False)
        assert total(world, "errors") == 1
        assert total(world, "invocations") == 1
        assert "runtime_duration" not in names(points(world))


@pytest.mark.parametrize(
    ("headers", "body", "errors"),
    [
        ({"x-datadog-invocation-error": "true"}, b"{}", 1),
        ({"x-datadog-invocation-error-msg": "boom"}, b"", 1),
        ({}, b'{"statusCode":503}', 1),
        ({}, b'{"statusCode":200}', 0),
    ],
)
async def test_a_failed_end_call_is_an_error_and_the_only_one(
    program: Program, headers: dict[str, str], body: bytes, errors: int
) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        request_id = events.new_request_id()
        world.api.send(events.invoke(request_id, 3000))
        await local_http.post_events([events.start(request_id)])
        for extra in ({"lambda-runtime-aws-request-id": request_id}, {}):
            answer = await local_http.call(
                local_http.LIFECYCLE, "POST", "/lambda/end-invocation", body, {**headers, **extra}
            )
            assert answer.status == 200
        status = "error" if errors else "success"
        await local_http.post_events([events.runtime_done(request_id, status)])
        await world.api.wait_for_next(2)
        assert total(world, "errors") == errors


async def test_telemetry_that_is_delivered_twice_counts_once(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        request_id = events.new_request_id()
        batch = [events.start(request_id), events.runtime_done(request_id, "timeout"), events.report(request_id)]
        world.api.send(events.invoke(request_id, 3000))
        for _ in range(3):
            assert (await local_http.post_events(batch)).status == 200
        await world.api.wait_for_next(2)
        assert await world.shutdown(has_report=False) == 0
        for name in ("invocations", "runtime_duration", "timeouts", "errors", "duration", "estimated_cost"):
            assert [point.count for point in points(world) if point.name == name] == [1], name


async def test_every_one_of_many_invocations_is_counted_under_every_strategy(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for _ in range(30):
            await world.invocation(function_ms=1)
        assert await world.shutdown() == 0
        for name in ("invocations", "runtime_duration", "duration", "billed_duration", "fd_max"):
            assert sum(point.count for point in points(world) if point.name == name) == 30, name
        assert sum(p.count for p in points(world) if p.name == "invocations" and "cold_start:true" in p.tags) == 1


async def test_without_telemetry_invocations_are_counted_all_the_same(program: Program) -> None:
    async with World(program, has_telemetry=False) as world:
        world.api.script("telemetry", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        await world.start()
        for count in (2, 3):
            world.api.send(events.invoke(events.new_request_id(), 3000))
            await world.api.wait_for_next(count)
        assert await world.shutdown() == 0
        assert total(world, "invocations") == 2
        assert names(points(world)) == {"invocations", "shutdowns"}
