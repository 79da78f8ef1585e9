"""Dual shipping seen from outside: what one destination cannot take is tried again there alone, and keys stay apart."""

from __future__ import annotations

import json

import pytest

from thimble.sandbox.certificates import ThrowAwayAuthority
from thimble.sandbox.intake import Intake
from thimble.sandbox.received import Received

from .extension import Program
from .world import API_KEY, World


def settings(second: Intake, key: str) -> dict[str, str]:
    """Logs and metrics to a second intake as well."""
    endpoint = {"api_key": key, "Host": "localhost", "Port": second.port, "is_reliable": False}
    return {
        "DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": json.dumps([endpoint]),
        "DD_ADDITIONAL_ENDPOINTS": json.dumps({second.url: [key]}),
        "DD_SKIP_SSL_VALIDATION": "true",
    }


def lines_of(intake: Intake) -> list[str]:
    texts = [str(entry["message"]["message"]) for entry in intake.logs()]
    return [text for text in texts if text.startswith("line")]


def keys_of(received: list[Received]) -> set[str | None]:
    return {request.headers.get("DD-API-KEY") for request in received}


def tries_of(intake: Intake) -> int:
    return len([request for request in intake.received if request.product.name == "logs"])


@pytest.mark.parametrize("first_fails", [True, False], ids=["the main one fails", "the additional one fails"])
async def test_only_the_destination_that_failed_is_tried_again(program: Program, first_fails: bool) -> None:
    async with (
        Intake(ThrowAwayAuthority().server_context()) as second,
        World(program, DD_SERVERLESS_FLUSH_STRATEGY="end", **settings(second, "key-two")) as world,
    ):
        failing, healthy = (world.intake, second) if first_fails else (second, world.intake)
        failing.faults.script("logs", 503, 503, 503)
        await world.start()
        await world.invocation("line 1")
        assert (lines_of(failing), lines_of(healthy)) == ([], ["line 1"])
        assert (tries_of(failing), tries_of(healthy)) == (3, 1)
        await world.invocation("line 2")
        assert sorted(lines_of(failing)) == ["line 1", "line 2"], "both go out at once, on two connections"
        assert lines_of(healthy) == ["line 1", "line 2"]
        assert (tries_of(failing), tries_of(healthy)) == (5, 2)
        assert await world.shutdown() == 0
        assert keys_of(world.intake.received) == {API_KEY}
        assert keys_of(second.received) == {"key-two"}


async def test_the_key_of_the_process_goes_to_no_intake_that_has_none(program: Program) -> None:
    async with (
        Intake(ThrowAwayAuthority().server_context()) as second,
        World(program, **settings(second, "")) as world,
    ):
        await world.start()
        await world.invocation("line 1")
        assert await world.shutdown() == 0
        assert {request.product.name for request in second.received} == {"logs", "sketches"}
        assert keys_of(second.received) == {""}
        assert keys_of(world.intake.received) == {API_KEY}
