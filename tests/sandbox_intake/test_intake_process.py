"""The local intake as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp

LOGS = "/api/v2/logs"


async def start(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start the intake and return it with its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "thimble.sandbox.intake", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    return process, (await answer(process))["url"]


async def answer(process: asyncio.subprocess.Process) -> dict:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def command(process: asyncio.subprocess.Process, line: str) -> dict:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    return await answer(process)


async def post(url: str, body: bytes) -> int:
    async with aiohttp.ClientSession() as client, client.post(url + LOGS, data=body) as response:
        return response.status


def test_it_prints_totals_at_sigterm_and_writes_what_it_got(tmp_path: Path) -> None:
    async def main() -> None:
        out = tmp_path / "received.jsonl"
        process, url = await start("--script", "logs=503", "--out", str(out))
        assert [await post(url, b'[{"a":1},{"a":2}]') for _ in range(2)] == [503, 202]
        process.send_signal(signal.SIGTERM)
        summary = await answer(process)
        assert await process.wait() == 0
        assert summary["log_entries"] == 2
        assert summary["totals"]["logs"] == {
            "requests": 2, "accepted": 1, "connections": 2, "wire_bytes": 34, "raw_bytes": 34, "item_count": 2,
            "problems": 0,
        }  # fmt: skip
        written = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(line["answer"], line["content"]) for line in written] == [
            (503, [{"a": 1}, {"a": 2}]),
            (202, [{"a": 1}, {"a": 2}]),
        ]

    asyncio.run(main())


def test_commands_on_standard_input_change_it_while_it_runs_and_its_end_stops_it() -> None:
    async def main() -> None:
        process, url = await start("--latency-ms", "1")
        assert await command(process, "always logs 429") == {"done": "always"}
        assert await post(url, b"[]") == 429
        assert await command(process, "clear logs") == {"done": "clear"}
        assert await post(url, b"[]") == 202
        assert "no product" in (await command(process, "slow log 5"))["error"]
        assert "no such command" in (await command(process, "dance"))["error"]
        assert (await command(process, "totals"))["totals"]["logs"]["requests"] == 2
        process.stdin.close()
        assert (await answer(process))["totals"]["logs"]["accepted"] == 1
        assert await process.wait() == 0

    asyncio.run(main())


def test_it_makes_a_certificate_authority_and_writes_it(tmp_path: Path) -> None:
    async def main() -> None:
        authority = tmp_path / "ca.pem"
        process, url = await start("--ca-out", str(authority))
        trust = ssl.create_default_context(cafile=str(authority))
        async with aiohttp.ClientSession() as client, client.post(url + LOGS, data=b"[]", ssl=trust) as response:
            assert response.status == 202
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0

    asyncio.run(main())


def test_a_wrong_option_is_one_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "thimble.sandbox.intake", "--always", "logs",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert errors.decode() == "The intake cannot run: 'logs' should read PRODUCT=VALUE.\n"

    asyncio.run(main())
