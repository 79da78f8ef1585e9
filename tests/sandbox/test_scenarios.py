"""Life of an environment with a real runtime client and a real extension process, scenario by scenario."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.support import Probe, function, kinds, run
from thimble.sandbox.emulator import Emulator, EnvironmentBusy
from thimble.sandbox.spec import InvokeResult, PlatformOptions

COLD = [
    "platform.initStart", "platform.telemetrySubscription", "platform.initRuntimeDone", "platform.extension",
    "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report",
]


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def platform(events: list[dict[str, Any]]) -> list[str]:
    return [kind for kind in kinds(events) if kind.startswith("platform.")]


def records(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item["record"] for item in events if item["type"] == kind]


def error_type(result: InvokeResult) -> str:
    found = json.loads(result.payload)["errorType"]
    assert isinstance(found, str)
    return found


def test_cold_warm_and_spindown_in_lambdas_order(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True)
        async with Emulator(function(), probe.spec) as emulator:
            first = await emulator.invoke(event(print="one", log="two"))
            delivered = probe.telemetry_types()
            assert "platform.runtimeDone" in delivered
            assert "platform.report" not in delivered, "a report leaves at the next thaw"
            second = await emulator.invoke(event(print="three"))
            await emulator.spindown()

            assert platform(emulator.events)[:8] == COLD
            assert platform(emulator.events)[8:] == ["platform.start", "platform.runtimeDone", "platform.report"]
            got = probe.telemetry()
            assert platform(got) == platform(emulator.events), "the subscriber got every platform event in order"
            reports = [record["requestId"] for record in records(got, "platform.report")]
            assert reports == [first.request_id, second.request_id]
            functions = [item["record"] for item in got if item["type"] == "function"]
            assert functions[0] == "one"
            assert functions[1].endswith("two\n")
            assert functions[2] == "three"
            told = probe.events()
            assert [item["eventType"] for item in told] == ["INVOKE", "INVOKE", "SHUTDOWN"]
            assert [item["requestId"] for item in told[:2]] == [first.request_id, second.request_id]
            assert told[2]["shutdownReason"] == "spindown"
            assert (first.cold, second.cold) == (True, False)
            assert "initDurationMs" in first.metrics
            assert "initDurationMs" not in second.metrics
            assert emulator.exit_codes == {"probe": 0, "runtime": -15}
            emulator.recorder.assert_no_violations()
            emulator.recorder.assert_exited_before_deadline()

    run(body())


def test_the_last_report_arrives_before_shutdown(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            await emulator.spindown()
            report_ns = max(e["at_ns"] for e in probe.entries("telemetry") if "platform.report" in e["value"]["body"])
            shutdown_ns = [e["at_ns"] for e in probe.entries("event") if e["value"]["eventType"] == "SHUTDOWN"]
            assert report_ns < shutdown_ns[0]

    run(body())


def test_the_last_report_can_come_after_shutdown(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, before_exit_s=0.2)
        options = PlatformOptions(telemetry_at_shutdown="after")
        async with Emulator(function(), probe.spec, options=options) as emulator:
            await emulator.invoke()
            await emulator.spindown()
            report_ns = max(e["at_ns"] for e in probe.entries("telemetry") if "platform.report" in e["value"]["body"])
            shutdown_ns = [e["at_ns"] for e in probe.entries("event") if e["value"]["eventType"] == "SHUTDOWN"]
            assert shutdown_ns[0] < report_ns < shutdown_ns[0] + 100_000_000

    run(body())


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
        probe = Probe(tmp_path, wait_for_runtime_done=True, after_invocation_s=0.05, exit_in_invocation=1)
        # The extension exits at its first INVOKE; the gap lets the function answer before that.
        options = PlatformOptions(release_order="runtime_first", release_gap_ms=150)
        async with Emulator(function(), probe.spec, options=options) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None
            assert json.loads(result.payload)["request_id"] == result.request_id
            assert result.error_type == "Extension.Crash"

    run(body())


def test_the_time_of_extensions_is_billed_but_not_waited_for(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True, after_invocation_s=0.3)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            result = await emulator.invoke()
            assert result.runtime_done is not None
            runtime_ms = result.runtime_done["metrics"]["durationMs"]  # type: ignore[index]
            assert result.metrics["durationMs"] - runtime_ms >= 300
            assert result.total_ms - result.wall_ms >= 300
            assert result.wall_ms < 200
            overhead = emulator.recorder.extension_overhead(result.request_id)
            assert overhead is not None
            assert 300 <= overhead < 500
            assert emulator.recorder.post_runtime_ms(result.request_id) == result.post_runtime_ms == overhead

    run(body())


def test_a_caller_may_go_on_before_extensions_are_done(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, after_invocation_s=0.3)
        async with Emulator(function(), probe.spec, options=PlatformOptions(when_busy="wait")) as emulator:
            await emulator.invoke()
            early = await emulator.invoke(return_when="responded")
            assert early.report is None
            assert early.total_ms < 200
            late = await emulator.invoke()
            assert late.total_ms >= 500, "it had to wait for the extension twice"

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
        async with Emulator(spec, probe.spec, options=PlatformOptions(init_timeout_s=0.8)) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None
            assert result.cold
            reports = records(emulator.events, "platform.initReport")
            assert [(record["phase"], record["status"]) for record in reports] == [
                ("init", "timeout"), ("invoke", "success")
            ]
            assert 800 <= reports[0]["metrics"]["durationMs"] < 1200
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
    ("plan", "state", "fatal"),
    [
        ({"exit_in_init": 0}, "Started", "Extension.Crash"),
        ({"init_error": "Extension.NoApiKey"}, "InitError", "Extension.InitError"),
    ],
)
def test_an_extension_that_fails_in_init_fails_the_invocation(
    tmp_path: Path, plan: dict[str, Any], state: str, fatal: str
) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, **plan)
        async with Emulator(function(), probe.spec) as emulator:
            result = await emulator.invoke()
            assert error_type(result) == fatal
            assert records(emulator.events, "platform.extension")[0]["state"] == state
            assert "platform.initRuntimeDone" not in kinds(emulator.events), "the runtime was never started"

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


def test_a_function_without_extensions_works_too() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            result = await emulator.invoke(event(n=1), trace="Root=1-69a56343-1f0c2b3a4d5e6f708192a3b4;Sampled=1")
            assert json.loads(result.payload)["event"] == {"n": 1}
            assert result.report is not None
            assert "spans" not in result.report
            assert result.report["tracing"]["value"].startswith("Root=1-69a56343")  # type: ignore[index]
            await emulator.spindown()
            assert emulator.exit_codes == {"runtime": -9}, "without extensions there is nothing to wait for"

    run(body())


def test_a_busy_environment_refuses_or_gets_a_neighbour() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            slow = emulator.invoke_async(event(sleep_s=0.3))
            await emulator.recorder.until(lambda: emulator.recorder.moments("invoke_start"))
            with pytest.raises(EnvironmentBusy):
                await emulator.invoke()
            await slow
        async with Emulator(function(), options=PlatformOptions(when_busy="second")) as emulator:
            slow = emulator.invoke_async(event(sleep_s=0.3))
            await emulator.recorder.until(lambda: emulator.recorder.moments("invoke_start"))
            quick = await emulator.invoke()
            assert json.loads(quick.payload)["pid"] != json.loads((await slow).payload)["pid"]

    run(body())


def test_init_may_come_long_before_the_first_invocation(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        spec = function(init_type="provisioned-concurrency")
        async with Emulator(spec, probe.spec) as emulator:
            assert await emulator.warm()
            assert [moment.kind for moment in emulator.timeline][-1] == "freeze"
            result = await emulator.invoke()
            assert (result.cold, "initDurationMs" in result.metrics) == (False, False)
            assert records(emulator.events, "platform.initStart")[0]["initializationType"] == "provisioned-concurrency"

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


def test_used_memory_never_falls_while_the_environment_lives() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            peaks = []
            for request_event in ({}, {"memory_mb": 60, "sleep_s": 0.1}, {}):
                peaks.append((await emulator.invoke(event(**request_event))).metrics["maxMemoryUsedMB"])
            assert peaks[0] < 60 <= peaks[1] <= peaks[2] < 512

    run(body())
