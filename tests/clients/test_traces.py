"""Datadog's tracers for Python and Node.js in real functions: the lines of the traces that they keep arrive."""

from __future__ import annotations

import pytest

from tests.process.extension import Program
from thimble.sandbox.spec import FunctionSpec

from .beside import beside, node_client, python_client

KEEP = {"THIMBLE_LOGS_KEEP": "trace", "THIMBLE_LOGS_PLATFORM": "off", "DD_SERVERLESS_LOGS_ENABLED": "true"}
DECISIONS = (False, True, True, False, True, False)
"""Whether the function keeps the trace of its invocation, one after the other."""


def traced_python() -> FunctionSpec:
    env = {"DD_LAMBDA_HANDLER": "traces_lambda.handler", "DD_TRACE_ENABLED": "true"}
    return python_client("traces_lambda", env, "datadog_lambda.handler.handler")


def traced_node() -> FunctionSpec:
    env = {"DD_LAMBDA_HANDLER": "traces_lambda.handler", "DD_TRACE_ENABLED": "true"}
    return node_client("dd-trace", "datadog-lambda-js/dist/handler.mjs", env)


@pytest.mark.parametrize("strategy", ["end", "continuously,60000"])
@pytest.mark.parametrize("function_of", [traced_python, traced_node])
async def test_the_lines_of_exactly_the_traces_that_a_tracer_keeps_arrive(
    program: Program, function_of: object, strategy: str
) -> None:
    assert callable(function_of)
    async with beside(program, function_of(), {**KEEP, "DD_SERVERLESS_FLUSH_STRATEGY": strategy}) as world:
        ids = []
        for number, keep in enumerate(DECISIONS):
            result = await world.invoke(number=number, keep=keep)
            assert result.function_error is None, result.payload
            ids.append(result.request_id)
        await world.emulator.spindown()
        found = [
            (entry["message"]["message"].rstrip("\n"), entry["message"]["lambda"]["request_id"], reason)
            for entry in world.intake.logs()
            for text, _, reason in [entry["ddtags"].rpartition("kept_for:")]
            if "[DEBUG] " in entry["message"]["message"]
        ]
        kept = [number for number, keep in enumerate(DECISIONS) if keep]
        assert [(text[text.index("[DEBUG]") :], *more) for text, *more in found] == [
            (f"[DEBUG] {what} {number}", ids[number], "trace") for number in kept for what in ("step", "done")
        ], world.own_lines()
