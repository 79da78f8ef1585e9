"""The intake's limits of one logs payload, met from both sides by what is really sent.

Source: specification of logs, "Building payloads".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from thimble.sandbox.received import Received

from .extension import Program
from .world import World

ENTRIES_MAX = 1000
PAYLOAD_BYTES_MAX = 5_242_880
BRACKETS = 2


def payloads(world: World) -> list[Received]:
    return [request for request in world.intake.received if request.product.name == "logs"]


def compact(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def texts_of(request: Received) -> list[str]:
    return [entry["message"]["message"] for entry in request.content]


@pytest.mark.parametrize("entries", [999, 1000, 1001, 2000, 2001])
async def test_a_payload_takes_a_thousand_entries(program: Program, entries: int) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end") as world:
        await world.start()
        lines = [f"line {number:04d}" for number in range(entries - 2)]  # START and END are entries too
        await world.invocation(*lines)
        full, rest = divmod(entries, ENTRIES_MAX)
        expected = [ENTRIES_MAX] * full + ([rest] if rest else [])
        held = payloads(world)
        assert sorted([len(request.content) for request in held], reverse=True) == expected
        parts = sorted([[text for text in texts_of(request) if text.startswith("line")] for request in held])
        assert [text for part in parts for text in part] == lines
        assert await world.shutdown() == 0


@pytest.mark.parametrize("variables", [{}, {"DD_LOGS_CONFIG_USE_COMPRESSION": "false"}], ids=["zstd", "raw"])
@pytest.mark.parametrize("over", [-1, 0, 1, 100_000])
async def test_a_line_that_alone_is_too_large_is_cut_to_fit_between_its_neighbours(
    program: Program, over: int, variables: dict[str, str]
) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="end", **variables) as world:
        world.timeout_ms = 10_000
        await world.start()
        await world.invocation("x")
        (entry,) = [entry for entry in world.intake.logs() if entry["message"]["message"] == "x"]
        text_bytes_max = PAYLOAD_BYTES_MAX - BRACKETS - len(compact(entry)) + len("x")
        await world.invocation("before", "a" * (text_bytes_max + over), "after")
        large = max(payloads(world), key=lambda request: request.raw_bytes)
        assert texts_of(large) == ["a" * (text_bytes_max + min(over, 0))]
        assert large.raw_bytes == PAYLOAD_BYTES_MAX + min(over, 0)
        sent = [text for request in payloads(world)[1:] for text in texts_of(request)]
        assert {"before", "after"} <= set(sent)
        assert await world.shutdown() == 0
        assert not any("Lost in this sandbox" in line for line in world.own_lines())
