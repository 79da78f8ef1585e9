"""SnapStart: INIT ends in `restore/next`, the first invocation resumes it."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from tests.sandbox.support import COLD, FUNCTIONS, Probe, event, function, platform, records, run
from thimble.sandbox.emulator import Emulator


def test_the_runtime_is_resumed_before_its_first_invocation(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(init_type="snap-start"), probe.spec) as emulator:
            assert await emulator.warm()
            assert platform(emulator.events) == COLD[:5]
            first = await emulator.invoke(event(env=True))
            assert platform(emulator.events)[5:] == [
                "platform.restoreStart",
                "platform.restoreRuntimeDone",
                "platform.restoreReport",
                "platform.start",
                "platform.runtimeDone",
                "platform.report",
            ]
            assert "initDurationMs" not in first.metrics
            restore_ms = records(emulator.events, "platform.restoreReport")[0]["metrics"]["durationMs"]
            assert first.metrics["restoreDurationMs"] == restore_ms
            assert first.metrics["billedDurationMs"] >= first.metrics["durationMs"] + restore_ms
            assert not first.cold
            second = await emulator.invoke()
            assert "restoreDurationMs" not in second.metrics
            env = json.loads(first.payload)["env"]
            async with aiohttp.ClientSession() as session:
                url = env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
                token = {"Authorization": env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
                async with session.get(url, headers=token) as answer:
                    assert set(await answer.json()) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
                async with session.get(url) as answer:
                    assert answer.status == 403

    run(body())


def test_a_restore_hook_that_raises_fails_the_invocation(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        spec = function(handler="hooks.handler", init_type="snap-start")
        assert (FUNCTIONS / "hooks.py").exists()
        async with Emulator(spec, probe.spec) as emulator:
            await emulator.warm()
            result = await emulator.invoke()
            assert result.function_error == "Unhandled"
            assert "no network after restore" in json.loads(result.payload)["errorMessage"]
            report = records(emulator.events, "platform.restoreReport")[0]
            assert report["status"] == "error"
            assert probe.events()[-1]["shutdownReason"] == "failure"

    run(body())
