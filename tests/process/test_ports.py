"""Replies of the local ports, and invocations while ports are taken by somebody else."""

from __future__ import annotations

import asyncio
import json
import re
import socket

import pytest

from . import local_http
from .extension import Program
from .world import World

LIFECYCLE = local_http.LIFECYCLE
TRACE_AGENT = local_http.TRACE_AGENT


@pytest.mark.parametrize(
    ("port", "method", "path", "status", "body"),
    [
        (LIFECYCLE, "POST", "/lambda/start-invocation", 200, b"{}"),
        (LIFECYCLE, "POST", "/lambda/end-invocation", 200, b"{}"),
        (LIFECYCLE, "GET", "/lambda/hello", 200, b"{}"),
        (LIFECYCLE, "POST", "/lambda/flush", 200, b"{}"),
        (LIFECYCLE, "GET", "/lambda/start-invocation", 405, b""),
        (LIFECYCLE, "POST", "/lambda/hello", 405, b""),
        (LIFECYCLE, "GET", "/", 404, b""),
        (TRACE_AGENT, "PUT", "/v0.4/traces", 200, b'{"rate_by_service":{}}'),
        (TRACE_AGENT, "POST", "/v0.5/traces", 200, b'{"rate_by_service":{}}'),
        (TRACE_AGENT, "GET", "/v0.4/traces", 405, b""),
        (TRACE_AGENT, "POST", "/nothing", 404, b"Not Found"),
    ],
)
async def test_local_ports_answer_as_client_libraries_expect(
    program: Program, port: int, method: str, path: str, status: int, body: bytes
) -> None:
    async with World(program) as world:
        await world.start()
        answer = await local_http.call(port, method, path, b"{}" if method != "GET" else b"")
        assert (answer.status, answer.body) == (status, body)
        assert (status == 405) == ("allow" in answer.headers)


async def test_info_names_the_trace_endpoints(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for method in ("GET", "POST"):
            answer = await local_http.call(TRACE_AGENT, method, "/info")
            assert answer.status == 200
            info = json.loads(answer.body)
            assert {"/v0.4/traces", "/v0.5/traces", "/info"} <= set(info["endpoints"])
            assert info["client_drop_p0s"] is False


@pytest.mark.parametrize("size", [6_291_456, 6_291_457, 11_000_000])
async def test_an_event_of_any_size_is_taken_by_the_lifecycle_port(program: Program, size: int) -> None:
    async with World(program) as world:
        await world.start()
        answer = await local_http.call(LIFECYCLE, "POST", "/lambda/start-invocation", b"x" * size)
        assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize(("size", "status"), [(52_428_800, 200), (52_428_801, 413)])
async def test_traces_above_the_limit_are_read_and_refused(program: Program, size: int, status: int) -> None:
    async with World(program) as world:
        await world.start()
        answer = await local_http.call(TRACE_AGENT, "POST", "/v0.4/traces", bytes(size))
        assert answer.status == status


async def test_only_what_the_platform_must_reach_listens_on_every_interface(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        with open("/proc/thread-self/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        listening = {tuple(row[1].split(":")) for row in rows if row[3] == "0A"}
        ours = {int(port, 16): address for address, port in listening if int(port, 16) < 10_000}
        assert ours == {8124: "0100007F", 8126: "0100007F", 8999: "00000000"}


def occupy(port: int) -> socket.socket:
    kind = socket.SOCK_DGRAM if port == local_http.DOGSTATSD else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


@pytest.mark.parametrize("port", [LIFECYCLE, local_http.DOGSTATSD, TRACE_AGENT])
async def test_a_taken_port_costs_one_line_and_one_feature(program: Program, port: int) -> None:
    with occupy(port):
        async with World(program) as world:
            await world.start()
            for _ in range(3):
                assert await world.invocation("a line") < 500
            assert world.messages().count("a line") == 3
            assert await world.shutdown() == 0
            (line,) = world.own_lines()
            assert json.loads(line)["status"] == "ERROR"
            assert f"port {port}: Address already in use" in line


@pytest.mark.parametrize("ports", [[local_http.TELEMETRY], [8124, 8125, 8126, 8999]], ids=["8999", "all"])
async def test_telemetry_comes_to_another_port_when_its_own_is_taken(program: Program, ports: list[int]) -> None:
    """The subscription names the port, so nothing is lost; what has the port gets no word of it."""
    sockets = [occupy(port) for port in ports]
    try:
        async with World(program) as world:
            await world.start()
            (subscription,) = world.api.of("telemetry")
            found = re.fullmatch(r"http://sandbox:(\d+)/", json.loads(subscription.body)["destination"]["URI"])
            assert found
            world.telemetry_port = int(found.group(1))
            assert world.telemetry_port not in ports
            waits = [await world.invocation("a line") for _ in range(20)]
            assert max(waits) < 500
            assert await world.shutdown() == 0
            assert world.messages().count("a line") == 20
            lines = world.own_lines()
            assert len(lines) == len(ports)
            assert sum("TCP port 8999 is taken" in line for line in lines) == 1
    finally:
        for sock in sockets:
            sock.close()


async def test_connections_and_datagrams_made_before_stage_1_are_served(program: Program) -> None:
    """The kernel's backlog is the first queue: a client may come as soon as the ports are bound."""
    async with World(program) as world:
        process = await world.start(wait=False)
        waiting = [
            asyncio.create_task(local_http.call(port, method, path, b""))
            for port, method, path in [(LIFECYCLE, "GET", "/lambda/hello"), (TRACE_AGENT, "GET", "/info")]
            for _ in range(20)
            if await connectable(port, process)
        ]
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}


async def connectable(port: int, process: object) -> bool:
    """Wait until the port is bound; the process has just been started."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)
                continue
            writer.close()
            return True
