"""Connections after the first continue its session, as far as the peer still knows it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.reactor.authorities import Authority, over_tls, serving
from tests.reactor.rig import run
from thimble.reactor.loop import Loop
from thimble.reactor.streams import connect
from thimble.reactor.tls import SESSIONS_MAX, TlsContext


def answer(wrapped: ssl.SSLSocket) -> None:
    wrapped.sendall(wrapped.recv(100).upper())


async def ask(loop: Loop, context: TlsContext, port: int) -> bool:
    """Connect, exchange some bytes, close; tells whether the handshake continued an earlier session."""
    deadline_ns = loop.deadline_in_ms(20_000)
    stream = await context.wrap(await connect(loop, 2, "127.0.0.1", port, deadline_ns), "localhost", deadline_ns)
    try:
        await stream.send(b"ping", deadline_ns)
        assert await stream.receive(100, deadline_ns) == b"PING"
        return stream.is_resumed
    finally:
        stream.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_later_connections_to_a_host_resume_its_session(tmp_path: Path, version: ssl.TLSVersion) -> None:
    authority = Authority(tmp_path)
    server = authority.server_context()
    server.maximum_version = version

    async def main(loop: Loop) -> list[bool]:
        context = TlsContext(str(authority.directory), "", True)
        return [await ask(loop, context, port) for _ in range(3)]

    with serving(over_tls(server, answer)) as port:
        assert run(main) == [False, True, True]


def test_a_server_that_forgot_the_session_gets_a_full_handshake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def main(loop: Loop) -> list[bool]:
        context = TlsContext(str(authority.directory), "", True)
        return [await ask(loop, context, port) for port in ports]

    with (
        serving(over_tls(authority.server_context(), answer)) as first,
        serving(over_tls(authority.server_context(), answer)) as second,
    ):
        ports = [first, second]
        assert run(main) == [False, False]


def test_only_the_last_hosts_are_remembered(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def main(loop: Loop) -> list[bool]:
        context = TlsContext(str(authority.directory), "", True)
        await ask(loop, context, port)
        for number in range(SESSIONS_MAX):
            context.keep_session(f"host-{number}", None)
        return [await ask(loop, context, port), await ask(loop, context, port)]

    with serving(over_tls(authority.server_context(), answer)) as port:
        assert run(main) == [False, True]
