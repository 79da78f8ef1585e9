"""Under AWS's own runtime interface emulator: no telemetry, no account id, a real Python handler beside us."""

from __future__ import annotations

import json
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from thimble.sandbox.intake import Intake

from . import local_http, rie
from .extension import Process, Program

HANDLER = """
import time

def handler(event, context):
    print("handling", event["n"])
    if event.get("raise"):
        raise ValueError("on purpose")
    time.sleep(0.02)
    return {"n": event["n"], "ended": time.time()}
"""
ALLOWED_MS = 100


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return rie.fetch()
    except rie.Unavailable as reason:
        pytest.skip(str(reason))


@asynccontextmanager
async def emulator(
    program: Program, binary: Path, folder: Path, variables: dict[str, str]
) -> AsyncIterator[tuple[Process, Intake]]:
    task = folder / "task"
    task.mkdir()
    (task / "func.py").write_text(HANDLER, encoding="utf-8")
    async with Intake() as intake:
        variables = {"DD_LOGS_CONFIG_LOGS_DD_URL": intake.url, "DD_DD_URL": intake.url, **variables}
        process = await rie.start(binary, rie.layer_of(program, folder / "layer"), task, "func.handler", variables)
        try:
            await rie.listening()
            yield process, intake
        except BaseException as error:
            error.add_note(f"{process.out}\n{process.err}")
            raise
        finally:
            await process.kill()


async def invoke(event: dict[str, object]) -> tuple[dict[str, object], float]:
    """The function's answer, and the milliseconds between its end and the answer's arrival."""
    answer = await local_http.call(rie.INVOKE_PORT, "POST", rie.INVOKE_PATH, json.dumps(event).encode())
    arrived_s = time.time()
    assert answer.status == 200
    document = json.loads(answer.body)
    return document, (arrived_s - document.get("ended", arrived_s)) * 1000


@pytest.mark.parametrize("key", ["0123456789abcdef0123456789abcdef", ""], ids=["with key", "without key"])
async def test_twenty_invocations_return_with_the_handler_and_the_end_is_clean(
    program: Program, binary: Path, tmp_path: Path, key: str
) -> None:
    variables = {"DD_API_KEY": key} if key else {}
    async with emulator(program, binary, tmp_path, variables) as (process, _):
        delays_ms = []
        for number in range(20):
            answer, delay_ms = await invoke({"n": number})
            assert answer["n"] == number
            delays_ms.append(delay_ms)
        assert statistics.median(delays_ms) < ALLOWED_MS / 2
        assert max(delays_ms[1:]) < ALLOWED_MS * 5, "no more than others on this machine can cause"
        assert max(delays_ms) < ALLOWED_MS
        process.send_signal(signal.SIGTERM)
        assert await process.exit(5.0) == 0
        text = "\n".join(process.out + process.err)
        assert "Exiting: SandboxTerminated, deadline: " in text
        assert text.count("TELEMETRY API | Subscription answered with status 202") == 1
        errors = [line for line in process.out + process.err if '"status":"ERROR"' in line]
        assert len(errors) == (0 if key else 1)
        assert all("Failed to resolve API key" in line for line in errors)


async def test_an_error_of_the_function_is_its_own(program: Program, binary: Path, tmp_path: Path) -> None:
    async with emulator(program, binary, tmp_path, {"DD_API_KEY": "0123456789abcdef0123456789abcdef"}) as (process, _):
        await invoke({"n": 0})
        answer, _ = await invoke({"n": 1, "raise": True})
        assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "on purpose")
        assert (await invoke({"n": 2}))[0]["n"] == 2
        process.send_signal(signal.SIGTERM)
        assert await process.exit(5.0) == 0
