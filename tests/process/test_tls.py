"""TLS to the intake, seen from outside: what is wrong with the peer is named, and nothing is sent to it."""

from __future__ import annotations

import asyncio
import datetime
import re
import ssl
from pathlib import Path

import pytest

from thimble.sandbox.certificates import ThrowAwayAuthority

from .extension import Program, intake_variables
from .world import World

ALLOWED_MS = 2500
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> ThrowAwayAuthority:
    return ThrowAwayAuthority()


@pytest.fixture
def trusted(authority: ThrowAwayAuthority, tmp_path: Path) -> str:
    return str(authority.write_pem(tmp_path / "authority.pem"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_lines_arrive_over_tls_from_an_authority_that_is_trusted(
    program: Program, authority: ThrowAwayAuthority, trusted: str, version: ssl.TLSVersion, host: str
) -> None:
    context = authority.server_context()
    context.minimum_version = context.maximum_version = version
    async with World(program, tls=context, host=host, DD_TLS_CERT_FILE=trusted) as world:
        await world.start()
        for number in range(3):
            assert await world.invocation(f"line {number}", "x" * 100_000) < ALLOWED_MS
        assert await world.shutdown() == 0
        assert [text for text in world.messages() if text.startswith("line")] == ["line 0", "line 1", "line 2"]
        assert world.own_lines() == []


async def refused(program: Program, context: ssl.SSLContext, reason: str, **variables: str) -> None:
    """The invocation goes on, nothing is delivered, and one line names the reason."""
    async with World(program, tls=context, host="localhost", **variables) as world:
        world.timeout_ms = 10_000
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.invocation("a line") < ALLOWED_MS
        assert world.intake.received == []
        assert await world.shutdown() == 0
        lines = [line for line in world.own_lines() if "LOGS | Failed to send to localhost" in line]
        assert lines
        assert re.search(reason, lines[0]), lines
        assert len(lines) <= 2


async def test_an_expired_certificate_is_refused(program: Program, authority: ThrowAwayAuthority, trusted: str) -> None:
    context = authority.server_context(not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    await refused(program, context, "certificate has expired", DD_TLS_CERT_FILE=trusted)


async def test_a_certificate_of_tomorrow_is_refused(
    program: Program, authority: ThrowAwayAuthority, trusted: str
) -> None:
    context = authority.server_context(not_before=NOW + DAY, not_after=NOW + 9 * DAY)
    await refused(program, context, "certificate is not yet valid", DD_TLS_CERT_FILE=trusted)


async def test_a_certificate_of_another_host_is_refused(
    program: Program, authority: ThrowAwayAuthority, trusted: str
) -> None:
    context = authority.server_context("intake.example.com")
    await refused(program, context, "(?i)hostname mismatch.*localhost", DD_TLS_CERT_FILE=trusted)


async def test_an_unknown_issuer_is_refused(program: Program, authority: ThrowAwayAuthority) -> None:
    await refused(program, authority.server_context(), "unable to get local issuer certificate|self-signed")


async def test_a_peer_with_an_old_protocol_only_is_refused(
    program: Program, authority: ThrowAwayAuthority, trusted: str
) -> None:
    context = authority.server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    await refused(program, context, "(?i)protocol|version|alert|handshake", DD_TLS_CERT_FILE=trusted)


async def test_an_unverified_peer_is_taken_when_the_customer_says_so(
    program: Program, authority: ThrowAwayAuthority
) -> None:
    context = authority.server_context("intake.example.com")
    async with World(program, tls=context, DD_SKIP_SSL_VALIDATION="true") as world:
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert await world.shutdown() == 0


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", b"\xff" * 1000], ids=["missing", "empty", "text", "bytes"]
)
async def test_an_authority_file_that_cannot_be_used_is_named_and_costs_no_invocation(
    program: Program, authority: ThrowAwayAuthority, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content)
    async with World(program, tls=authority.server_context(), DD_TLS_CERT_FILE=str(path)) as world:
        await world.start()
        for _ in range(2):
            assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        assert any("authority.pem" in line for line in world.own_lines())


BROKEN_HANDSHAKES = {
    "close": b"",
    "plain HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "half a hello": b"\x16\x03\x03\x00\x7a\x02",
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
}


@pytest.mark.parametrize("answer", BROKEN_HANDSHAKES.values(), ids=BROKEN_HANDSHAKES)
async def test_a_handshake_that_breaks_off_is_a_failed_attempt(program: Program, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, World(program, **intake_variables(url)) as world:
        await world.start()
        for _ in range(2):
            assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        assert any("Failed to send to 127.0.0.1" in line for line in world.own_lines())
