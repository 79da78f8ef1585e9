"""Faults of the APIs that a test can switch on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from tests.sandbox.support import Probe, function, open_init, run, waiting_extension, waiting_function
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.faults import CLOSE, Faults
from thimble.sandbox.spec import PlatformOptions


def test_routes_can_be_slow_refuse_or_hang_up() -> None:
    async def body() -> None:
        faults = Faults(api_status={"register": [500, CLOSE, 200]}, api_latency_ms={"register": 30})
        async with Emulator(waiting_function(), waiting_extension(), faults=faults) as emulator:
            async with await open_init(emulator) as client:
                path = "/2020-01-01/extension/register"
                began = asyncio.get_running_loop().time()
                status, _, _ = await client.call("POST", path, {"events": []}, Lambda_Extension_Name="datadog-agent")
                assert status == 500
                assert asyncio.get_running_loop().time() - began >= 0.03
                with pytest.raises(aiohttp.ClientError):
                    await client.call("POST", path, {"events": []}, Lambda_Extension_Name="datadog-agent")
                await client.register()

    run(body())


def test_next_can_answer_with_an_event_that_nobody_knows() -> None:
    async def body() -> None:
        faults = Faults(unknown_event_count=1, next_content_type="text/plain; charset=utf-8")
        extensions = [waiting_extension(), waiting_extension("never")]
        async with Emulator(waiting_function(), extensions, faults=faults) as emulator:
            async with await open_init(emulator, "never") as client:
                identifier = await client.register()
                _, _, data = await client.next_event(identifier)
                assert json.loads(data)["eventType"] == "PAUSE"
                pending = client.next_task(identifier)
                await emulator.recorder.until(lambda: len(emulator.recorder.calls("next")) == 2)
                assert not pending.done()
                pending.cancel()

    run(body())


def test_a_next_that_its_client_gives_up_is_noticed_and_can_be_repeated() -> None:
    async def body() -> None:
        extensions = [waiting_extension(), waiting_extension("never")]
        async with Emulator(waiting_function(), extensions) as emulator:
            async with await open_init(emulator, "never") as client:
                identifier = await client.register()
                first = client.next_task(identifier)
                await emulator.recorder.until(lambda: emulator.recorder.calls("next"))
                first.cancel()
                await emulator.recorder.until(lambda: emulator.recorder.violations)
                assert emulator.recorder.violations == ["datadog-agent: next abandoned by its client"]
                second = client.next_task(identifier)
                await emulator.recorder.until(lambda: len(emulator.recorder.calls("next")) == 2)
                assert not second.done(), "it waits, it is not refused"
                second.cancel()

    run(body())


@pytest.mark.parametrize("order", ["runtime_first", "extensions_first"])
def test_either_side_can_be_released_first(tmp_path: Path, order: str) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        options = PlatformOptions(release_order=order, release_gap_ms=120)  # type: ignore[arg-type]
        async with Emulator(function(), probe.spec, options=options) as emulator:
            await emulator.invoke()
            answered = {
                call.caller: call.answered_ns
                for call in emulator.api_calls
                if call.route in ("next", "runtime_next") and call.answered_ns
            }
            gap_ns = answered["probe"] - answered["runtime"]
            assert (gap_ns > 100_000_000) if order == "runtime_first" else (gap_ns < -100_000_000)

    run(body())


def test_the_report_of_a_failed_invocation_can_be_lost(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        options = PlatformOptions(has_lost_last_report=True)
        async with Emulator(function(), probe.spec, options=options) as emulator:
            await emulator.invoke()
            await emulator.invoke(b'{"exit": 1}')
            reports = [item for item in probe.telemetry() if item["type"] == "platform.report"]
            assert [item["record"]["status"] for item in reports] == ["success"]

    run(body())


def test_everything_recorded_can_be_kept_for_later(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            result = await emulator.invoke()
            await emulator.spindown()
            emulator.recorder.dump(tmp_path / "dump.jsonl")
            rows = [json.loads(line) for line in (tmp_path / "dump.jsonl").read_text().splitlines()]
            assert [row["at_ns"] for row in rows] == sorted(row["at_ns"] for row in rows)
            assert {key for row in rows for key in row} == {"at_ns", "moment", "api_call", "event", "delivery"}
            breakdown = emulator.recorder.cold_start_breakdown()
            assert set(breakdown) == {"probe.register", "probe.next", "runtime.next", "init"}
            assert 0 < breakdown["probe.register"] <= breakdown["probe.next"] <= breakdown["init"]
            with pytest.raises(KeyError):
                emulator.recorder.post_runtime_ms("unknown")
            assert emulator.recorder.post_runtime_ms(result.request_id) >= 0

    run(body())
