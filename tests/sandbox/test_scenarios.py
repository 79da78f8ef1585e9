"""Life of an environment with a real runtime client and a real extension process, scenario by scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.support import COLD, Probe, event, function, platform, records, run
from thimble.sandbox.emulator import Emulator, EnvironmentBusy
from thimble.sandbox.spec import PlatformOptions


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
            assert early.total_ms < 290
            late = await emulator.invoke()
            assert late.total_ms >= 500, "it had to wait for the extension twice"

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


def test_used_memory_never_falls_while_the_environment_lives() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            wishes: list[dict[str, Any]] = [{}, {"memory_mb": 60, "sleep_s": 0.1}, {}]
            peaks = [(await emulator.invoke(event(**wish))).metrics["maxMemoryUsedMB"] for wish in wishes]
            assert peaks[0] < 60 <= peaks[1] <= peaks[2] < 512

    run(body())
