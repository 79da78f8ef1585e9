"""Settings of logs seen from outside: rules, levels, kept lines, additional intakes, a pipelines worker."""

from __future__ import annotations

import json
from typing import Any

from thimble.sandbox.intake import Intake

from . import events, local_http
from .extension import Program
from .local_lambda import local_lambda
from .scripted_lambda import NEXT
from .test_enhanced_metrics import CPU, names, points
from .world import World

RULES = [
    {"type": "exclude_at_match", "name": "lifecycle", "pattern": "^(START|END|REPORT|INIT_START) "},
    {"type": "mask_sequences", "name": "c", "pattern": r"\b(\d{4})\d{8}(\d{4})\b", "replace_placeholder": "$1****$2"},
    {"type": "exclude_at_match", "name": "stall", "pattern": "(a+)+$"},
    {"type": "exclude_at_match", "name": "bad", "pattern": "("},
]  # fmt: skip


async def test_rules_mask_and_drop_what_they_say(program: Program) -> None:
    variables = {"DD_LOGS_CONFIG_PROCESSING_RULES": json.dumps(RULES)}
    async with local_lambda(program, variables) as world:
        result = await world.invoke(lines=["paid with 4111222233334444", "a" * 100_000 + "b", "banana"])
        await world.emulator.spindown()
        assert result.function_error is None
        texts = [str(text).rstrip("\n") for text in world.messages()]
        texts = [text for text in texts if "DD_EXTENSION" not in text]
        assert texts[0] == "paid with 4111****4444"
        assert "banana" not in "".join(texts)
        assert not any(text.startswith(("START", "END", "REPORT")) for text in texts)
        assert [line for line in world.own_lines() if "rule bad is left out" in line] != []


async def test_lines_below_the_level_come_with_the_invocation_that_failed(program: Program) -> None:
    variables = {"THIMBLE_LOGS_KEEP": "errors", "THIMBLE_LOGS_PLATFORM": "report"}
    async with local_lambda(program, variables) as world:
        await world.invoke(lines=["[DEBUG] quiet", "[INFO] first"])
        await world.invoke(lines=["[DEBUG] needed", "[INFO] second"], **{"raise": "on purpose"})
        await world.emulator.spindown()
        entries = world.intake.logs()
        found = {str(entry["message"]["message"]).split("\n")[0]: entry["ddtags"] for entry in entries}
        assert "[DEBUG] quiet" not in found
        assert found["[DEBUG] needed"].endswith(",kept_for:error")
        assert "kept_for" not in found["[INFO] second"]
        assert sum(text.startswith("REPORT") for text in found) == 2
        assert not any(text.startswith(("START", "END")) for text in found)


async def test_kept_lines_leave_before_the_deadline_of_an_invocation_that_does_not_end(program: Program) -> None:
    variables = {"THIMBLE_LOGS_KEEP": "errors", "DD_SERVERLESS_FLUSH_STRATEGY": "end"}
    async with local_lambda(program, variables, timeout_s=2.0) as world:
        await world.invoke(lines=["[DEBUG] before it hung"], sleep_s=5.0)
        entries = {str(entry["message"]["message"]).rstrip("\n"): entry["ddtags"] for entry in world.intake.logs()}
        assert entries["[DEBUG] before it hung"].endswith(",kept_for:unfinished")


WITHOUT_CLOCK = {
    "invocations", "errors", "timeouts", "out_of_memory", "duration", "billed_duration", "runtime_duration",
    "post_runtime_duration", "produced_bytes", "max_memory_used", "memorysize", "estimated_cost", "shutdowns",
}  # fmt: skip


Totals = dict[tuple[str, frozenset[str]], tuple[int, float]]
"""Count and sum of the values, by the metric's name and tags."""


async def metrics_of(program: Program, **variables: str) -> tuple[set[str], Totals, int]:
    """Names of the enhanced metrics of one run, those that do not depend on the clock whole, and the log entries.

    An invocation as short as these may or may not have a utilisation of the CPU.
    """
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **variables) as world:
        await world.start()
        for status in ("success", "error", "timeout"):
            request_id = events.new_request_id()
            asked = len(world.api.of(NEXT))
            world.api.send(events.invoke(request_id, world.timeout_ms))
            await world.api.wait_for_next(asked + 1)
            lines = ["[DEBUG] low", "[ERROR] high", {"level": "INFO", "message": "MemoryError"} if asked == 2 else ""]
            done = events.runtime_done(request_id, status)
            function_lines = map(events.function_line, lines)
            await local_http.post_events([events.start(request_id), *function_lines, done, events.report(request_id)])
        assert await world.shutdown() == 0
        found = points(world)
        exact: Totals = {}
        for point in found:  # of several seconds or of one, as it happens
            if point.name in WITHOUT_CLOCK:
                count, total = exact.get((point.name, frozenset(point.tags)), (0, 0.0))
                exact[point.name, frozenset(point.tags)] = (count + point.count, round(total + point.total, 9))
        return names(found) - CPU, exact, len(world.intake.logs())


async def test_no_setting_of_the_logs_changes_a_metric(program: Program) -> None:
    all_names, exact, entries = await metrics_of(program)
    assert {name for name, _ in exact} == WITHOUT_CLOCK
    assert entries == 3 * 3 + 9
    for variables, left in (
        ({"THIMBLE_LOGS_PLATFORM": "report"}, 3 + 9),
        ({"THIMBLE_LOGS_PLATFORM": "off"}, 9),
        ({"THIMBLE_LOGS_PLATFORM": "off", "THIMBLE_LOGS_MIN_LEVEL": "error"}, 3),
        ({"THIMBLE_LOGS_PLATFORM": "off", "THIMBLE_LOGS_MIN_LEVEL": "critical", "THIMBLE_LOGS_KEEP": "errors"}, 6),
    ):
        found_names, found, count = await metrics_of(program, **variables)
        assert (found_names, found) == (all_names, exact), variables
        assert count == left, variables


async def test_logs_go_to_a_worker_as_bare_json(program: Program) -> None:
    async with Intake() as worker:
        variables = {
            "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_ENABLED": "true",
            "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": worker.url + "/api/v2/logs",
        }
        async with local_lambda(program, variables) as world:
            await world.invoke(lines=["to the worker"])
            await world.emulator.spindown()
            assert world.messages() == []
            texts: list[Any] = [str(entry["message"]["message"]).rstrip("\n") for entry in worker.logs()]
            assert "to the worker" in texts
            for request in worker.received:
                if request.path == "/api/v2/logs":
                    headers = {name.lower() for name in request.headers}
                    assert not headers & {"dd-protocol", "content-encoding"}
