"""The first failure of each class gives one line that names the host and says what to do; repetitions are silent."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path

import pytest

from thimble.sandbox.certificates import ThrowAwayAuthority

from .extension import Program
from .test_bad_intake import ALLOWED_MS
from .world import World

DNS = "Check DD_SITE and the URLs in the settings, and the name resolution of the function's VPC."
ROUTE = "A function in a VPC needs a NAT gateway, a VPC endpoint or a proxy (DD_PROXY_HTTPS) to get out."
CUT_OFF: dict[str, tuple[str, str]] = {
    "unknown host": (
        "http://no-such-host.invalid",
        rf"Failed to send to no-such-host.invalid after 3 attempts: no-such-host.invalid: .+\. {re.escape(DNS)}",
    ),
    "refused": (
        "http://127.0.0.1:1",
        r"Failed to send to 127.0.0.1 after 3 attempts: Connection refused\. Nobody listens there: check host and port",
    ),
}


def texts(world: World, part: str) -> list[str]:
    """The text of each own line of the logs that contains `part`."""
    found = [json.loads(line)["message"] for line in world.own_lines() if line.startswith("{")]
    return [text.split(" | ", 3)[-1] for text in found if " | LOGS | " in text and part in text]


@pytest.mark.parametrize(("url", "pattern"), CUT_OFF.values(), ids=CUT_OFF)
async def test_a_host_that_is_not_there_is_named_with_what_to_do(program: Program, url: str, pattern: str) -> None:
    async with World(program, DD_LOGS_CONFIG_LOGS_DD_URL=url) as world:
        await world.start()
        for _ in range(2):
            assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        (text,) = texts(world, "Failed to send")
        assert re.fullmatch(pattern + r"[^.]*\.?", text), text


async def test_a_network_that_swallows_everything_is_told_from_an_intake_that_does(program: Program) -> None:
    """A listener whose backlog is full answers no SYN, as a VPC without a way out does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        async with World(program, DD_LOGS_CONFIG_LOGS_DD_URL=url) as world:
            await world.start()
            assert await world.invocation("a line") < ALLOWED_MS
            assert await world.invocation("a line") < 500
            assert await world.shutdown() == 0
            (text,) = texts(world, "data is kept")
            assert re.fullmatch(rf"127.0.0.1 fails; .* waited \d+ ms for a connection\. {re.escape(ROUTE)}", text), text
        for filler in fillers:
            filler.close()


async def test_an_intake_that_never_answers_is_named_without_blaming_the_network(program: Program) -> None:
    async with World(program) as world:
        world.intake.faults.always("logs", "hang")
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        (text,) = texts(world, "data is kept")
        assert re.fullmatch(r"127.0.0.1 fails; data is kept, .* waited \d+ ms for an answer", text), text


async def test_a_handshake_that_hangs_is_told_from_a_slow_answer(program: Program) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, World(program, DD_LOGS_CONFIG_LOGS_DD_URL=url) as world:
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        (text,) = texts(world, "data is kept")
        assert "ms for the TLS handshake. Check that the host is an intake of Datadog" in text


async def test_an_unknown_issuer_is_named_with_the_setting_for_its_certificate(program: Program) -> None:
    async with World(program, tls=ThrowAwayAuthority().server_context(), host="localhost") as world:
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        (text,) = texts(world, "Failed to send")
        assert "; issued by " in text
        assert "trustme" in text, "the issuer that was seen"
        assert text.endswith("give its CA certificate as a file to DD_TLS_CERT_FILE.")


REFUSALS = {
    403: "Request was denied by Datadog: Access denied. Please verify that your API key is valid.",
    413: "The intake 127.0.0.1 refused a payload: status 413. It is not sent again. Fewer or smaller lines",
    400: "The intake 127.0.0.1 refused a payload: status 400. It is not sent again.",
}


@pytest.mark.parametrize(("status", "begin"), REFUSALS.items(), ids=map(str, REFUSALS))
async def test_a_refusal_is_said_once_and_final(program: Program, status: int, begin: str) -> None:
    async with World(program) as world:
        world.intake.faults.always("logs", status)
        await world.start()
        for _ in range(3):
            assert await world.invocation("a line") < ALLOWED_MS
        assert len([received for received in world.intake.received if received.product.name == "logs"]) == 3
        assert await world.shutdown() == 0
        (text,) = texts(world, "denied" if status == 403 else "refused a payload")
        assert text.startswith(begin)
        assert re.search(r"Lost in this sandbox: \d+ logs \(refused\)", world.own_lines()[-1])


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", "folder"], ids=["missing", "empty", "text", "a folder"]
)
async def test_an_authority_file_that_cannot_be_used_leaves_the_default_roots(
    program: Program, tmp_path: Path, content: bytes | str | None
) -> None:
    """The peer is judged by the default roots, which do not know it: were there none, the reason would be another."""
    path = tmp_path / "authority.pem"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    context = ThrowAwayAuthority().server_context()
    async with World(program, tls=context, host="localhost", DD_TLS_CERT_FILE=str(path)) as world:
        await world.start()
        for _ in range(2):
            assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        told = [line for line in world.own_lines() if "DD_TLS_CERT_FILE is not used, the default" in line]
        assert len(told) == 1
        assert str(path) in told[0]
        (text,) = texts(world, "Failed to send")
        assert "certificate not accepted" in text


async def test_an_authority_file_is_not_read_when_nothing_is_verified(program: Program) -> None:
    context = ThrowAwayAuthority().server_context()
    variables = {"DD_TLS_CERT_FILE": "/nowhere/authority.pem", "DD_SKIP_SSL_VALIDATION": "true"}
    async with World(program, tls=context, host="localhost", **variables) as world:
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert await world.shutdown() == 0
        assert world.own_lines() == []
