"""Between invocations nothing runs: processes, timers, deliveries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox.support import Probe, function, run
from thimble.sandbox import proc_tree
from thimble.sandbox.cgroups import CgroupUnavailable, make_cgroup
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.spec import PlatformOptions


def test_everything_is_stopped_between_two_invocations(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke(json.dumps({"daemon": "while True: pass"}).encode())
            pids = emulator.pids()
            assert len(pids) == 3, "runtime, extension, and the busy daemon in a session of its own"
            assert {proc_tree.state_of(pid) for pid in pids} == {"T"}
            before = [proc_tree.cpu_ticks(pid) for pid in pids]
            await emulator.frozen_for(0.3)
            assert [proc_tree.cpu_ticks(pid) for pid in pids] == before
            await emulator.invoke(json.dumps({"sleep_s": 0.2}).encode())
            assert sum(proc_tree.cpu_ticks(pid) for pid in pids) > sum(before) + 5, "and runs on after the thaw"

    run(body())


def test_nothing_is_delivered_while_frozen(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            freeze_ns = emulator.recorder.moments("freeze")[-1].at_ns
            await emulator.frozen_for(0.3)
            await emulator.invoke(b'{"sleep_s": 0.1}')
            thaw_ns = emulator.recorder.moments("thaw")[-1].at_ns
            assert not [d for d in emulator.telemetry_sent if freeze_ns < d.started_ns < thaw_ns]
            report = next(event for event in emulator.events if event["type"] == "platform.report")
            holding = next(d for d in emulator.telemetry_sent if report in d.events)
            assert holding.started_ns > thaw_ns
            assert holding.started_ns - thaw_ns < 200_000_000

    run(body())


def test_a_post_in_flight_at_the_freeze_is_not_failed_by_the_pause(tmp_path: Path) -> None:
    async def body() -> None:
        # The extension answers after 150 ms, the platform gives it 400 ms, and the pause in between is longer.
        probe = Probe(tmp_path, telemetry_answer_s=0.15)
        options = PlatformOptions(telemetry_post_timeout_s=0.4, freeze_delay_ms=60)
        async with Emulator(function(), probe.spec, options=options) as emulator:
            await emulator.invoke()
            freeze_ns = emulator.recorder.moments("freeze")[-1].at_ns
            in_flight = [d for d in emulator.telemetry_sent if d.finished_ns is None or d.finished_ns > freeze_ns]
            assert in_flight, "one was under way"
            await emulator.frozen_for(0.6)
            await emulator.invoke(b'{"sleep_s": 0.3}')
            assert in_flight[0].is_delivered
            assert in_flight[0].attempts == 1

    run(body())


def test_without_freezing_processes_go_on(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec, options=PlatformOptions(freeze_method="none")) as emulator:
            await emulator.invoke()
            assert "T" not in {proc_tree.state_of(pid) for pid in emulator.pids()}
            await emulator.recorder.until(
                lambda: any(e["type"] == "platform.report" for e in emulator.recorder.delivered_events())
            )

    run(body())


def test_the_kernels_freezer_does_the_same(tmp_path: Path) -> None:
    try:
        make_cgroup("freezer", 0).remove()
    except CgroupUnavailable as error:
        pytest.skip(str(error))

    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec, options=PlatformOptions(freeze_method="cgroup")) as emulator:
            await emulator.invoke()
            before = [proc_tree.cpu_ticks(pid) for pid in emulator.pids()]
            await emulator.frozen_for(0.1)
            assert [proc_tree.cpu_ticks(pid) for pid in emulator.pids()] == before
            assert (await emulator.invoke()).function_error is None
            await emulator.spindown()
            assert emulator.exit_codes["probe"] == 0

    run(body())


def test_a_part_of_a_core_makes_the_function_slower() -> None:
    try:
        make_cgroup("cpu", 0).remove()
    except CgroupUnavailable as error:
        pytest.skip(str(error))

    async def body() -> None:
        async with Emulator(function(timeout_s=20), options=PlatformOptions(cpu_share=0.2)) as emulator:
            await emulator.invoke()
            pid = emulator.pids()[0]
            before = proc_tree.cpu_ticks(pid)
            result = await emulator.invoke(b'{"spin_s": 0.1}')
            used_s = (proc_tree.cpu_ticks(pid) - before) / 100
            assert result.wall_ms / 1000 > 2.5 * used_s, "used a fifth of the time that passed, with tolerance"

    run(body())
