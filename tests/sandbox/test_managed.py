"""Lambda Managed Instances: several invocations at a time, no freeze, short reports."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.sandbox.support import Probe, error_of, event, function, open_init, platform, records, run, waiting_function
from thimble.sandbox import proc_tree
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.spec import FunctionSpec, PlatformOptions
from thimble.sandbox.telemetry_hub import with_three_decimals


def managed(**fields: Any) -> FunctionSpec:
    return function(init_type="lambda-managed-instances", memory_mb=2048, **fields)


def managed_probe(folder: Path) -> Probe:
    return Probe(folder, events=["SHUTDOWN"], schema="2025-01-29")


def test_invocations_run_side_by_side_in_workers(tmp_path: Path) -> None:
    async def body() -> None:
        probe = managed_probe(tmp_path)
        async with Emulator(managed(), probe.spec, options=PlatformOptions(managed_concurrency=2)) as emulator:
            assert await emulator.warm()
            await emulator.recorder.until(lambda: len(emulator.recorder.calls("runtime_next")) == 2)
            began = asyncio.get_running_loop().time()
            first, second = await asyncio.gather(
                emulator.invoke(event(sleep_s=0.4, log="a")), emulator.invoke(event(sleep_s=0.4, print="b"))
            )
            assert asyncio.get_running_loop().time() - began < 0.75
            assert json.loads(first.payload)["pid"] != json.loads(second.payload)["pid"]
            assert "T" not in {proc_tree.state_of(pid) for pid in emulator.pids()}, "never frozen"
            kinds = platform(emulator.events)
            assert "platform.runtimeDone" not in kinds
            assert kinds.count("platform.start") == kinds.count("platform.report") == 2
            start = records(emulator.events, "platform.start")[0]
            assert start["functionArn"].endswith(":function:local-function")
            for result in (first, second):
                assert result.report is not None
                assert set(result.metrics) == {"durationMs"}
                spans = result.report["spans"]
                assert [span["name"] for span in spans] == ["responseLatency", "responseDuration"]  # type: ignore[attr-defined]
            await emulator.recorder.until(lambda: "platform.report" in str(probe.telemetry_types()))
            logs = [item["record"] for item in emulator.events if item["type"] == "function"]
            assert any(isinstance(record, dict) and record["message"] == "a" for record in logs)
            await emulator.spindown()
            assert [item["eventType"] for item in probe.events()] == ["SHUTDOWN"]
            assert emulator.exit_codes["probe"] == 0

    run(body())


def test_without_an_idle_worker_the_caller_is_refused() -> None:
    async def body() -> None:
        async with Emulator(managed(), options=PlatformOptions(managed_concurrency=1)) as emulator:
            await emulator.warm()
            slow = emulator.invoke_async(event(sleep_s=0.3))
            await emulator.recorder.until(lambda: emulator.recorder.moments("invoke_start"))
            refused = await emulator.invoke()
            assert (refused.status_code, refused.error_type) == (400, "Runtime.Unavailable")
            assert (await slow).function_error is None

    run(body())


def test_a_timeout_answers_the_caller_and_the_late_answer_is_refused() -> None:
    async def body() -> None:
        spec = waiting_function(init_type="lambda-managed-instances", timeout_s=0.2)
        async with Emulator(spec) as emulator, await open_init(emulator, "runtime") as client:
            worker = asyncio.ensure_future(client.next_invocation())
            await emulator.recorder.until(lambda: emulator.recorder.moments("init_end"))
            result = await emulator.invoke()
            assert json.loads(result.payload) == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": "Task timed out after 0.20 seconds",
            }
            assert result.report is not None
            assert (result.report["status"], result.report["errorType"]) == ("timeout", "Sandbox.Timedout")
            request_id = (await worker)[1]["Lambda-Runtime-Aws-Request-Id"]
            status, data = await client.respond(request_id, b"late")
            assert (status, error_of(data)[0]) == (410, "InvokeTimeout")
            again = asyncio.ensure_future(client.next_invocation())
            await emulator.recorder.until(lambda: len(emulator.recorder.calls("runtime_next")) == 2)
            invoke = emulator.invoke_async()
            request_id = (await again)[1]["Lambda-Runtime-Aws-Request-Id"]
            await client.respond(request_id, b"in time")
            assert (await invoke).payload == b"in time"

    run(body())


def test_a_function_error_is_an_error_here() -> None:
    async def body() -> None:
        async with Emulator(managed()) as emulator:
            result = await emulator.invoke(event(**{"raise": "no"}))
            assert json.loads(result.payload)["errorType"] == "ValueError"
            assert result.report is not None
            assert (result.report["status"], result.report["errorType"]) == ("error", "Runtime.Unknown")

    run(body())


def test_an_extension_that_exits_ends_the_instance(tmp_path: Path) -> None:
    async def body() -> None:
        probe = managed_probe(tmp_path)
        async with Emulator(managed(), probe.spec) as emulator:
            await emulator.warm()
            slow = emulator.invoke_async(event(sleep_s=5))
            await emulator.recorder.until(lambda: emulator.recorder.moments("invoke_start"))
            mark = f"PROBE_LOG={probe.log}".encode()
            extension = next(pid for pid in emulator.pids() if proc_tree.has_variable(pid, mark))
            os.kill(extension, 9)
            assert (await slow).error_type == "Extension.Crash"
            assert emulator.recorder.moments("shutdown_start", "failure")
            assert (await emulator.invoke()).generation == 2

    run(body())


def test_a_duration_shows_three_decimals() -> None:
    body = b'{"type":"platform.report","record":{"metrics":{"durationMs":1.9},"spans":[{"durationMs":1.9}]}}'
    assert with_three_decimals(body) == body.replace(b'"metrics":{"durationMs":1.9}', b'"metrics":{"durationMs":1.900}')
