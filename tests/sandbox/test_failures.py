"""Crashes, timeouts and failed INITs, with a real runtime client and a real extension process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.support import COLD, Probe, error_type, event, function, platform, records, run
from thimble.sandbox import proc_tree
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.spec import PlatformOptions


def test_a_handler_that_raises_keeps_the_environment(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            result = await emulator.invoke(event(**{"raise": "no money"}))
            assert (result.function_error, error_type(result)) == ("Unhandled", "ValueError")
            assert result.runtime_done is not None
            assert result.runtime_done["status"] == "success"
            assert result.runtime_done["metrics"]["producedBytes"] == 0  # type: ignore[index]
            assert "spans" not in result.runtime_done
            assert (await emulator.invoke()).generation == result.generation

    run(body())


def test_a_runtime_that_exits_resets_the_environment(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            result = await emulator.invoke(event(exit=3))
            assert json.loads(result.payload) == {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 3",
            }
            assert result.runtime_done is not None
            assert (result.runtime_done["status"], result.runtime_done["errorType"]) == ("error", "Runtime.ExitError")
            assert result.report is not None
            assert (result.report["status"], result.report["errorType"]) == ("error", "Runtime.ExitError")
            assert probe.events()[-1]["shutdownReason"] == "failure"
            assert records(probe.telemetry(), "platform.report")[-1] == result.report, "delivered while shutting down"

            again = await emulator.invoke()
            assert (again.cold, again.generation, again.function_error) == (True, 2, None)
            assert "initDurationMs" not in again.metrics, "a suppressed INIT is part of the invocation"
            starts = records(emulator.events, "platform.initStart")
            assert [record["phase"] for record in starts] == ["init", "invoke"]
            identifiers = {entry["value"]["id"] for entry in probe.entries("registered")}
            assert len(identifiers) == 2
            after = platform(emulator.events)[platform(emulator.events).index("platform.initStart", 1) :]
            assert after == COLD
            init_ms = records(emulator.events, "platform.initReport")[-1]["metrics"]["durationMs"]
            assert again.metrics["durationMs"] >= init_ms

    run(body())


@pytest.mark.parametrize(
    ("request_event", "text"),
    [
        ({"exit": 0}, "Runtime exited without providing a reason"),
        ({"kill": "SIGKILL"}, "Runtime exited with error: signal: killed"),
        ({"kill": "SIGSEGV"}, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_every_end_of_the_runtime_is_worded(request_event: dict[str, Any], text: str) -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            result = await emulator.invoke(event(**request_event))
            assert json.loads(result.payload)["errorMessage"] == f"RequestId: {result.request_id} Error: {text}"

    run(body())


def test_a_function_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(timeout_s=0.5), probe.spec) as emulator:
            await emulator.invoke()
            result = await emulator.invoke(event(sleep_s=5))
            assert 500 <= result.wall_ms < 900
            assert json.loads(result.payload) == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 0.50 seconds",
            }
            assert result.runtime_done is not None
            assert result.runtime_done["status"] == "timeout"
            assert "errorType" not in result.runtime_done
            assert result.runtime_done["metrics"]["durationMs"] > 490  # type: ignore[index]
            assert result.report is not None
            assert result.report["status"] == "timeout"
            assert (result.metrics["durationMs"], result.metrics["billedDurationMs"]) == (500.0, 500)
            assert probe.events()[-1]["shutdownReason"] == "timeout"
            assert (await emulator.invoke()).generation == 2

    run(body())


@pytest.mark.parametrize(("code", "message"), [(0, "exit code 0"), (3, "exit status 3")])
def test_an_extension_that_exits_fails_the_invocation(tmp_path: Path, code: int, message: str) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, exit_in_invocation=2, exit_code=code)
        other = Probe(tmp_path, name="second")
        async with Emulator(function(), [probe.spec, other.spec]) as emulator:
            await emulator.invoke()
            result = await emulator.invoke(event(sleep_s=1))
            assert json.loads(result.payload) == {
                "errorType": "Extension.Crash",
                "errorMessage": f"RequestId: {result.request_id} Error: {message}",
            }
            assert result.runtime_done is not None
            assert (result.runtime_done["status"], result.runtime_done["errorType"]) == ("error", "Extension.Crash")
            assert other.events()[-1]["shutdownReason"] == "failure"
            assert emulator.exit_codes["probe"] == code
            assert (await emulator.invoke()).generation == 2

    run(body())


def test_a_caller_keeps_its_answer_when_an_extension_exits_later(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True, exit_in_invocation=1)
        # The extension exits at its first INVOKE; the gap lets the function answer before that.
        options = PlatformOptions(release_order="runtime_first", release_gap_ms=400)
        async with Emulator(function(), probe.spec, options=options) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None
            assert json.loads(result.payload)["request_id"] == result.request_id
            assert result.error_type == "Extension.Crash"

    run(body())


def test_an_extension_that_never_comes_back_times_the_invocation_out(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, hang_in_invocation=1)
        async with Emulator(function(timeout_s=0.5), probe.spec) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None, "the caller has its result"
            assert result.error_type == "Sandbox.Timedout"
            assert result.report is not None
            assert result.report["status"] == "timeout"
            assert result.runtime_done is not None
            assert result.runtime_done["status"] == "success"
            assert [item["eventType"] for item in probe.events()] == ["INVOKE"], "SHUTDOWN reached nobody"
            assert emulator.exit_codes["probe"] == -9
            with pytest.raises(AssertionError, match="killed"):
                emulator.recorder.assert_exited_before_deadline()

    run(body())


def test_a_slow_init_is_killed_and_repeated_inside_the_invocation(tmp_path: Path) -> None:
    async def body() -> None:
        spec = function(handler="slow_once.handler", env={"ONCE": str(tmp_path / "mark")}, timeout_s=5)
        probe = Probe(tmp_path)
        async with Emulator(spec, probe.spec, options=PlatformOptions(init_timeout_s=1.2)) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None
            assert result.cold
            reports = records(emulator.events, "platform.initReport")
            assert [(record["phase"], record["status"]) for record in reports] == [
                ("init", "timeout"),
                ("invoke", "success"),
            ]
            assert 1200 <= reports[0]["metrics"]["durationMs"] < 1800
            done = records(emulator.events, "platform.initRuntimeDone")
            assert [record["status"] for record in done] == ["timeout", "success"]
            assert "SHUTDOWN" not in [item["eventType"] for item in probe.events()], "killed without a word"
            assert "initDurationMs" not in result.metrics

    run(body())


def test_a_handler_that_cannot_be_imported_answers_with_its_own_error(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(handler="missing.handler"), probe.spec) as emulator:
            result = await emulator.invoke()
            assert result.function_error == "Unhandled"
            assert error_type(result) == "Runtime.ImportModuleError"
            assert len(records(emulator.events, "platform.initStart")) == 2
            statuses = [record["status"] for record in records(emulator.events, "platform.initReport")]
            assert statuses == ["error", "error"]
            assert result.report is not None
            assert result.report["errorType"] == "Runtime.ImportModuleError"

    run(body())


@pytest.mark.parametrize(
    ("plan", "state", "fatal", "is_runtime_started"),
    [
        ({"exit_in_init": 0}, "Started", "Extension.Crash", False),
        ({"init_error": "Extension.NoApiKey"}, "InitError", "Extension.InitError", True),
    ],
)
def test_an_extension_that_fails_in_init_fails_the_invocation(
    tmp_path: Path, plan: dict[str, Any], state: str, fatal: str, is_runtime_started: bool
) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, **plan)
        async with Emulator(function(), probe.spec) as emulator:
            result = await emulator.invoke()
            assert error_type(result) == fatal
            assert records(emulator.events, "platform.extension")[0]["state"] == state
            done = records(emulator.events, "platform.initRuntimeDone")
            assert [record["errorType"] for record in done] == [fatal, fatal] * is_runtime_started

    run(body())


def test_an_extension_that_cannot_be_executed_fails_the_launch(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        probe.spec.path.unlink()
        probe.spec.path.write_text("no program")
        async with Emulator(function(), probe.spec) as emulator:
            result = await emulator.invoke()
            assert error_type(result) == "Extension.LaunchError"
            record = records(emulator.events, "platform.extension")[0]
            assert (record["state"], record["errorType"]) == ("LaunchError", "PermissionDenied")

    run(body())


def test_the_runtime_may_use_too_much_memory() -> None:
    async def body() -> None:
        options = PlatformOptions(is_memory_enforced=True, memory_sample_ms=5)
        async with Emulator(function(memory_mb=128, timeout_s=10), options=options) as emulator:
            await emulator.invoke()
            result = await emulator.invoke(event(memory_mb=200, sleep_s=5))
            assert error_type(result) == "Runtime.OutOfMemory"
            assert json.loads(result.payload)["errorMessage"].endswith("Runtime exited with error: signal: killed")
            assert result.metrics["maxMemoryUsedMB"] == result.metrics["memorySizeMB"] == 128

    run(body())


def test_an_answer_that_is_too_large_is_the_cause_of_the_failure() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            result = await emulator.invoke(event(answer_bytes=6_291_557))
            assert (error_type(result), result.error_type) == ("Function.ResponseSizeTooLarge",) * 2
            assert len((await emulator.invoke(event(answer_bytes=6_291_556))).payload) == 6_291_556

    run(body())


def test_a_process_that_ends_between_invocations_means_a_new_start(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec, options=PlatformOptions(freeze_method="none")) as emulator:
            pid = json.loads((await emulator.invoke()).payload)["pid"]
            os.kill(pid, signal.SIGKILL)
            await emulator.recorder.until(lambda: emulator.recorder.moments("exit", "runtime"))
            result = await emulator.invoke()
            assert (result.function_error, result.generation, result.cold) == (None, 2, True)

    run(body())


def test_init_that_failed_ahead_of_time_is_repeated_by_the_first_invocation(tmp_path: Path) -> None:
    async def body() -> None:
        spec = function(handler="slow_once.handler", env={"ONCE": str(tmp_path / "mark")}, timeout_s=5)
        async with Emulator(spec, options=PlatformOptions(init_timeout_s=0.7)) as emulator:
            assert not await emulator.warm()
            result = await emulator.invoke()
            assert (result.payload, result.cold, result.generation) == (b'"ready"', True, 2)

    run(body())


def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path) -> None:
    pids: list[int] = []

    async def body() -> None:
        probe = Probe(tmp_path)
        emulator = Emulator(function(timeout_s=60), probe.spec)

        async def interrupted() -> None:
            async with emulator:
                await emulator.invoke(event(sleep_s=50))

        task = asyncio.ensure_future(interrupted())
        await emulator.recorder.until(lambda: emulator.recorder.moments("invoke_start"))
        pids.extend(emulator.pids())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
    assert len(pids) == 2
    assert not any(proc_tree.is_alive(pid) for pid in pids)
