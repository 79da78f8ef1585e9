"""Beside a real function in the local Lambda: scenarios of its life, and answers that never change."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from thimble.sandbox.spec import PlatformOptions

from .extension import Program, intake_variables
from .local_lambda import local_lambda

EVENTS: list[dict[str, Any]] = [
    {"lines": ["one", "two"]},
    {"traced": True, "lines": ["traced"]},
    {"raise": "on purpose"},
    {"lines": ["x" * 10_000] * 50},
    {"sleep_s": 0.2, "traced": True},
    {"lines": ['{"message": "JSON", "level": "error"}']},
]


def kinds(messages: list[Any]) -> list[str]:
    return [str(text).split(" ")[0] for text in messages]


async def answers(world: Any) -> list[tuple[Any, bytes]]:
    """What the caller gets for each event; stack traces left out, since they name folders."""
    found = []
    for event in EVENTS:
        result = await world.invoke(**event)
        payload = json.loads(result.payload)
        if isinstance(payload, dict):
            payload.pop("stackTrace", None)
            payload.pop("requestId", None)
        found.append((result.function_error, json.dumps(payload)))
    return found


async def test_a_cold_and_a_warm_invocation_send_everything_and_leave_quietly(program: Program) -> None:
    async with local_lambda(program) as world:
        first = await world.invoke(lines=["one", "two"])
        assert "two" in "".join(map(str, world.messages())), "everything leaves within its invocation"
        second = await world.invoke(lines=["three"])
        await world.emulator.spindown()
        assert (first.cold, second.cold) == (True, False)
        assert second.post_runtime_ms < 500
        found = [kind.strip() for kind in kinds(world.messages())]
        assert found.count("INIT_START") == 1
        found.remove("INIT_START")  # it waits for the id of the first invocation, so it follows its START
        assert found == ["START", "one", "two", "END", "REPORT", "START", "three", "END", "REPORT"]
        assert world.emulator.exit_codes["datadog-agent"] == 0
        assert [line for line in world.own_lines() if not line.startswith("Exiting: ")] == []
        world.emulator.recorder.assert_no_violations()
        world.emulator.recorder.assert_exited_before_deadline()


@pytest.mark.parametrize("placing", ["before", "parallel", "after"])
async def test_the_last_report_arrives_whenever_the_platform_delivers_it(program: Program, placing: Any) -> None:
    async with local_lambda(program, options=PlatformOptions(telemetry_at_shutdown=placing)) as world:
        for _ in range(3):
            await world.invoke()
        await world.emulator.spindown()
        assert kinds(world.messages()).count("REPORT") == 3
        assert world.emulator.exit_codes["datadog-agent"] == 0


async def test_a_crash_of_the_runtime_leaves_its_lines_and_a_new_environment_works(program: Program) -> None:
    async with local_lambda(program) as world:
        crashed = await world.invoke(lines=["last words"], exit=3)
        assert crashed.error_type == "Runtime.ExitError"
        again = await world.invoke(lines=["alive"])
        assert json.loads(again.payload)["echo"] == {"lines": ["alive"]}
        assert again.generation == crashed.generation + 1
        await world.emulator.spindown()
        text = "".join(map(str, world.messages()))
        assert "last words" in text
        assert "alive" in text
        assert kinds(world.messages()).count("END") == 2


async def test_a_time_out_ends_on_time_and_its_lines_arrive(program: Program) -> None:
    async with local_lambda(program, timeout_s=1.0) as world:
        await world.invoke(lines=["before"])
        began_s = time.monotonic()
        result = await world.invoke(lines=["too slow"], sleep_s=5)
        assert result.error_type == "Sandbox.Timedout"
        assert time.monotonic() - began_s < 3.5
        assert json.loads((await world.invoke(lines=["after"])).payload)["echo"] == {"lines": ["after"]}
        await world.emulator.spindown()
        text = "".join(map(str, world.messages()))
        assert "too slow" in text
        assert "after" in text


async def test_a_pause_with_everything_frozen_loses_nothing_and_costs_nothing(program: Program) -> None:
    async with local_lambda(program) as world:
        await world.invoke(lines=["before"])
        pids = world.emulator.pids()
        assert len(pids) >= 2
        before = [cpu_ticks(pid) for pid in pids]
        await world.emulator.frozen_for(2.0)
        assert {state_of(pid) for pid in pids} == {"T"}
        assert [cpu_ticks(pid) for pid in pids] == before
        await world.invoke(lines=["after"])
        await world.emulator.spindown()
        text = "".join(map(str, world.messages()))
        assert text.count("before") == text.count("after") == 1
        assert [line for line in world.own_lines() if not line.startswith("Exiting: ")] == []


def stat_of(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()


def state_of(pid: int) -> str:
    return stat_of(pid)[0]


def cpu_ticks(pid: int) -> int:
    return int(stat_of(pid)[11]) + int(stat_of(pid)[12])


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("behaviour", "variables", "ports"),
    [
        (None, {}, []),
        ("hang", {"THIMBLE_MAX_BILLED_MS_PER_INVOCATION": "300"}, []),
        ("reset", {}, []),
        (403, {}, []),
        (None, {"DD_API_KEY": "wrong \x7f key"}, []),
        (None, intake_variables("http://127.0.0.1:1"), []),
        (None, {"DD_SERVERLESS_LOGS_ENABLED": "false"}, []),
        (None, {"DD_SERVERLESS_FLUSH_STRATEGY": "continuously,1"}, []),
        (None, {"DD_LOG_LEVEL": "trace"}, []),
        (None, {}, [8124, 8125, 8126, 8999]),
    ],
    ids=["well", "hang", "reset", "403", "bad key", "no intake", "no logs", "continuous", "trace", "ports taken"],
)
async def test_the_functions_answers_never_change(
    program: Program, behaviour: Any, variables: dict[str, str], ports: list[int]
) -> None:
    async with local_lambda(None) as alone:
        expected = await answers(alone)
    sockets = []
    for port in ports:
        kind = socket.SOCK_DGRAM if port == 8125 else socket.SOCK_STREAM
        sockets.append(socket.socket(socket.AF_INET, kind))
        sockets[-1].bind(("0.0.0.0", port))
    try:
        async with local_lambda(program, variables) as world:
            if behaviour is not None:
                world.intake.faults.always("all", behaviour)
            assert await answers(world) == expected
            await world.emulator.spindown()
            assert world.emulator.exit_codes["datadog-agent"] == 0
            if "DD_LOG_LEVEL" not in variables:
                assert len(world.own_lines()) <= 8, "our own lines come back as telemetry and must not feed themselves"
    finally:
        for sock in sockets:
            sock.close()
