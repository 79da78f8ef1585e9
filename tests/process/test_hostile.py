"""Random bytes on every port, and every setting corrupted: the invocations go on as if nothing had happened."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

import pytest

from thimble.config import names

from . import local_http
from .extension import Program
from .world import World

TCP_PORTS = (local_http.LIFECYCLE, local_http.TRACE_AGENT, local_http.TELEMETRY)
ALLOWED_MS = 500
KIBIBYTE = 1024


def junk(source: random.Random) -> bytes:
    """Bytes that are no request, or the beginning of a request that goes wrong."""
    noise = source.randbytes(source.choice([1, 10, 300, 20 * KIBIBYTE]))
    openings = [
        b"",
        b"POST / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
        b"POST /v0.4/traces HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /lambda/start-invocation HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET " + b"/" * 100_000,
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"\r\n" * 1000,
        b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 5000,
    ]
    return source.choice(openings) + noise


async def shower(port: int, source: random.Random, count: int) -> None:
    for _ in range(count):
        with suppress(OSError, TimeoutError):
            await local_http.send_raw(port, junk(source), 5.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_bytes_on_every_port_disturb_no_invocation(program: Program, seed: int) -> None:
    source = random.Random(seed)
    async with World(program) as world:
        await world.start()
        await world.invocation("line 0")
        showers = [asyncio.create_task(shower(port, source, 60)) for port in TCP_PORTS for _ in range(2)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(1, 10):
                for _ in range(20):
                    sock.sendto(source.randbytes(source.choice([0, 1, 100, 8000, 60_000])), ("127.0.0.1", 8125))
                assert await world.invocation(f"line {number}") < ALLOWED_MS
        await asyncio.gather(*showers)
        assert await world.invocation("line 10") < ALLOWED_MS
        assert world.extension.exit_code is None
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text.startswith("line")] == [f"line {n}" for n in range(11)]
        assert [line for line in world.own_lines() if "Defect" in line] == []


async def test_clients_that_connect_and_say_nothing_keep_nobody_out(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        idle = [await asyncio.open_connection("127.0.0.1", port) for port in TCP_PORTS for _ in range(300)]
        try:
            for number in range(3):
                assert await world.invocation(f"line {number}") < ALLOWED_MS
            assert (await local_http.call(local_http.LIFECYCLE, "GET", "/lambda/hello")).status == 200
            assert await world.shutdown() == 0
            assert [text for text in world.messages() if text.startswith("line")] == ["line 0", "line 1", "line 2"]
        finally:
            for _, writer in idle:
                writer.close()


CORRUPTIONS: dict[str, bytes] = {
    "random text": b"}{ \xc3\xa4,;:|=%s../ 12e999 -1 null",
    "invalid UTF-8": b"\xff\xfe\x80 \xed\xa0\x80",
    "long": b"a" * 100_000,
    "number": b"-99999999999999999999999",
    "JSON": b'[{"a":[1,2,{"b":null}]}]',
    "blank": b"  \t ",
    "newlines": b"a\nb\r\nDD_X=1",
}
KEPT = {"API_KEY", "LOGS_CONFIG_LOGS_DD_URL", "DD_URL", "APM_DD_URL"}
"""Without these nothing could arrive."""


def setting_names() -> list[str]:
    return sorted(name for name in names.PREFIXED if name not in KEPT)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
async def test_all_settings_corrupted_at_once_cost_no_invocation(program: Program, corruption: str) -> None:
    variables = {f"DD_{name}": CORRUPTIONS[corruption] for name in setting_names()}
    assert len(variables) > 40
    if corruption == "long":
        variables = {name: value[:20_000] for name, value in variables.items()}
    async with World(program, **variables) as world:
        world.timeout_ms = 1500
        await world.start()
        for _ in range(3):
            await world.invocation("a line")
        assert await world.shutdown() == 0


@pytest.mark.parametrize("prefix", ["DD_", "DATADOG_", "dd_"])
async def test_settings_corrupted_one_by_one_leave_the_logs_alone(program: Program, prefix: str) -> None:
    """One value per setting, drawn anew; a handful of processes at a time, each in the same network as the others."""
    source = random.Random(prefix)
    for name in setting_names()[:: 12 if prefix != "DD_" else 4]:
        value = source.choice(list(CORRUPTIONS.values()))
        async with World(program, **{prefix + name: value}) as world:
            await world.start()
            assert await world.invocation("a line") < ALLOWED_MS, name
            assert await world.shutdown() == 0, name


@pytest.mark.parametrize("name", ["DD_TAGS", "DD_SERVICE", "DD_LOGS_CONFIG_PROCESSING_RULES", "DD_API_KEY", "DD_SITE"])
async def test_a_value_of_a_megabyte_hurts_nobody(program: Program, name: str) -> None:
    """The kernel takes 128 KiB per variable, so the megabyte comes in eight of them."""
    value = b"x:" + b"y" * 131_000
    variables = {name: value[: 131_071 - len(name)], **{f"DD_FILLER_{number}": value for number in range(7)}}
    async with World(program, **variables) as world:
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
