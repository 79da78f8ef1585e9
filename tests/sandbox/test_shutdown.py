"""The shutdown's timeline and budgets."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.sandbox.support import Client, Probe, function, run
from thimble.sandbox import proc_tree
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.faults import Faults
from thimble.sandbox.runtimes import custom_function
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, PlatformOptions

TOLERANCE_MS = 150.0
"""For a busy machine; the times under test lie further apart."""


def stubborn_function(tmp_path: Path) -> FunctionSpec:
    """A runtime that ignores SIGTERM and serves one endless `next`."""
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_text(
        "#!/usr/bin/python3\n"
        "import http.client, os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "api.request('GET', '/2018-06-01/runtime/invocation/next')\n"
        "api.getresponse()\n"
    )
    bootstrap.chmod(0o755)
    return custom_function(tmp_path)


@pytest.mark.parametrize("share_ms", [300.0, 600.0])
def test_a_runtime_that_ignores_sigterm_takes_time_from_the_extension(tmp_path: Path, share_ms: float) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, before_exit_s=10)
        options = PlatformOptions(runtime_shutdown_ms=share_ms)
        async with Emulator(stubborn_function(tmp_path), probe.spec, options=options) as emulator:
            assert await emulator.warm()
            await emulator.spindown()
            start = emulator.recorder.moments("shutdown_start")[0]
            runtime, extension = (emulator.recorder.moments("exit", name)[0] for name in ("runtime", "probe"))
            told = emulator.recorder.moments("shutdown_event")[0]

            def after_ms(at_ns: int) -> float:
                return (at_ns - start.at_ns) / 1e6

            assert share_ms <= after_ms(runtime.at_ns) < share_ms + TOLERANCE_MS
            assert (runtime.details["code"], runtime.details["killed"]) == (-9, True)
            assert after_ms(runtime.at_ns) <= after_ms(told.at_ns) < share_ms + TOLERANCE_MS
            event = probe.events()[-1]
            assert abs(event["deadlineMs"] - start.wall_ms - 2000) <= 1
            assert 2000 <= after_ms(extension.at_ns) < 2000 + TOLERANCE_MS
            assert (extension.details["code"], extension.details["killed"]) == (-9, True)
            with pytest.raises(AssertionError, match="killed at its deadline"):
                emulator.recorder.assert_exited_before_deadline()

    run(body())


def test_without_extensions_everything_is_killed_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with Emulator(stubborn_function(tmp_path)) as emulator:
            assert await emulator.warm()
            await emulator.spindown()
            start, end = (emulator.recorder.moments(kind)[0] for kind in ("shutdown_start", "exit"))
            assert (end.at_ns - start.at_ns) / 1e6 < TOLERANCE_MS
            assert end.details["code"] == -9

    run(body())


def test_an_extension_without_shutdown_is_killed_without_an_event(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, events=["INVOKE"])
        async with Emulator(stubborn_function(tmp_path), probe.spec) as emulator:
            assert await emulator.warm()
            await emulator.spindown()
            start, end = emulator.recorder.moments("shutdown_start")[0], emulator.recorder.moments("exit", "probe")[0]
            assert 300 <= (end.at_ns - start.at_ns) / 1e6 < 300 + 2 * TOLERANCE_MS
            assert end.details["code"] == -9
            assert probe.events() == []

    run(body())


def test_an_internal_extension_gives_the_runtime_half_a_second(tmp_path: Path) -> None:
    async def body() -> None:
        spec = stubborn_function(tmp_path)
        # The runtime waits for a byte before its first `next`, so that the test can register from "inside" in time.
        go = tmp_path / "go"
        os.mkfifo(go)
        bootstrap = tmp_path / "bootstrap"
        text = bootstrap.read_text()
        bootstrap.write_text(text.replace("api.request(", f"open({str(go)!r}).read()\napi.request("))
        async with Emulator(spec) as emulator:
            warm = asyncio.ensure_future(emulator.warm())
            async with Client(await emulator.address()) as client:
                await emulator.recorder.until(lambda: emulator.recorder.moments("start", "runtime"))
                pending = client.next_task(await client.register("inside", ("INVOKE",)))
                await asyncio.to_thread(go.write_bytes, b"1")
                assert await warm
                await emulator.spindown()
                pending.cancel()
            start, end = (emulator.recorder.moments(kind)[0] for kind in ("shutdown_start", "exit"))
            assert 500 <= (end.at_ns - start.at_ns) / 1e6 < 500 + TOLERANCE_MS

    run(body())


@pytest.mark.parametrize(
    ("words", "expected"), [("lower", "spindown"), ("upper", "SPINDOWN"), ("rie", "SandboxTerminated")]
)
def test_the_reason_can_be_spelled_in_every_way_seen(tmp_path: Path, words: str, expected: str) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        options = PlatformOptions(reason_words=words)  # type: ignore[arg-type]
        async with Emulator(function(), probe.spec, options=options) as emulator:
            await emulator.warm()
            await emulator.spindown()
            assert probe.events()[-1]["shutdownReason"] == expected

    run(body())


def test_shutdown_is_remembered_for_an_extension_that_is_still_busy(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True, after_invocation_s=0.4)
        async with Emulator(function(timeout_s=0.3), probe.spec) as emulator:
            result = await emulator.invoke()
            assert result.error_type == "Sandbox.Timedout"
            assert [event["eventType"] for event in probe.events()] == ["INVOKE", "SHUTDOWN"]
            assert probe.events()[-1]["shutdownReason"] == "timeout"
            assert emulator.exit_codes["probe"] == 0
            emulator.recorder.assert_exited_before_deadline()

    run(body())


def test_next_after_shutdown_is_a_violation_and_blocks(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, next_after_shutdown=True)
        faults = Faults(shutdown_budget_ms=300)
        async with Emulator(function(), probe.spec, faults=faults) as emulator:
            await emulator.warm()
            await emulator.spindown()
            assert emulator.recorder.violations == ["probe: next after SHUTDOWN"]
            assert emulator.exit_codes["probe"] == -9

    run(body())


def test_an_exit_code_that_is_not_zero_is_noticed(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, exit_code=4)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.warm()
            await emulator.spindown()
            assert emulator.exit_codes["probe"] == 4
            with pytest.raises(AssertionError, match="exited with 4"):
                emulator.recorder.assert_exited_before_deadline()

    run(body())


def test_a_deadline_that_has_passed_already(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, before_exit_s=5)
        async with Emulator(function(), probe.spec, faults=Faults(shutdown_budget_ms=0)) as emulator:
            await emulator.warm()
            await emulator.spindown()
            assert emulator.exit_codes["probe"] == -9
            start, end = emulator.recorder.moments("shutdown_start")[0], emulator.recorder.moments("exit", "probe")[0]
            assert (end.at_ns - start.at_ns) / 1e6 < 2 * TOLERANCE_MS

    run(body())


def test_ten_extensions_share_one_environment(tmp_path: Path) -> None:
    async def body() -> None:
        probes = [Probe(tmp_path, name=f"probe-{number}", telemetry=False) for number in range(10)]
        async with Emulator(function(), [probe.spec for probe in probes]) as emulator:
            result = await emulator.invoke()
            assert result.function_error is None
            await emulator.spindown()
            assert {emulator.exit_codes[probe.spec.name] for probe in probes} == {0}
            started = [moment.name for moment in emulator.recorder.moments("start")]
            assert started == [f"probe-{number}" for number in range(10)] + ["runtime"]

    run(body())


def test_an_eleventh_extension_cannot_be_launched(tmp_path: Path) -> None:
    async def body() -> None:
        specs = [ExtensionSpec(path=Path(f"/opt/extensions/e{n:02}"), command=["/bin/sleep", "60"]) for n in range(11)]
        async with Emulator(function(), specs) as emulator:
            result = await emulator.invoke()
            assert json.loads(result.payload)["errorType"] == "Extension.LaunchError"
            record = next(
                e["record"]
                for e in emulator.events
                if e["type"] == "platform.extension" and e["record"]["state"] == "LaunchError"
            )  # type: ignore[index]
            assert record["errorType"] == "TooManyExtensions"  # type: ignore[index]

    run(body())


def test_daemons_that_a_function_leaves_behind_are_killed_too() -> None:
    async def body() -> None:
        async with Emulator(function()) as emulator:
            code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])"
            await emulator.invoke(json.dumps({"daemon": code}).encode())
            await emulator.invoke()
            strays = [pid for pid in emulator.pids() if emulator.exit_codes and pid != emulator.pids()[0]]
            assert len(strays) == 1, "the daemon lost its parent but was found"
            await emulator.spindown()
            async with asyncio.timeout(10):  # a signal is sent at once and takes effect when its process is next run
                while proc_tree.is_alive(strays[0]):
                    await asyncio.sleep(0.01)

    run(body())


def test_leaving_the_block_kills_what_was_not_spun_down(tmp_path: Path) -> None:
    async def body() -> list[int]:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            return emulator.pids()

    pids = run(body())
    assert len(pids) == 2
    assert not any(proc_tree.is_alive(pid) for pid in pids)
