"""A proxy between us and the intake: which settings lead to it, whom they except, and what is said when it fails."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from thimble.sandbox.certificates import ThrowAwayAuthority

from .connect_proxy import CLOSE, HANG, ConnectProxy, refusal
from .extension import Program
from .test_bad_intake import ALLOWED_MS
from .world import World

HOST = "intake.example.com"
"""Exists nowhere: only the proxy leads there."""
BASIC = "Basic " + base64.b64encode(b"user:p@ss word").decode()
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def authority() -> ThrowAwayAuthority:
    return ThrowAwayAuthority()


@pytest.fixture
def trusted(authority: ThrowAwayAuthority, tmp_path: Path) -> str:
    return str(authority.write_pem(tmp_path / "authority.pem"))


def filled(variables: dict[str, str], proxy: ConnectProxy) -> dict[str, str]:
    return {name: value.replace("$PROXY", f"127.0.0.1:{proxy.port}") for name, value in variables.items()}


WAYS = {
    "Datadog's variable": {"DD_PROXY_HTTPS": "http://$PROXY"},
    "without a scheme": {"DD_PROXY_HTTPS": "$PROXY"},
    "with a slash and blanks": {"DD_PROXY_HTTPS": " http://$PROXY/ "},
    "the conventional one": {"HTTPS_PROXY": "http://$PROXY"},
    "in small letters": {"https_proxy": "http://$PROXY"},
    "for all": {"ALL_PROXY": "http://$PROXY"},
    "for all, in small letters": {"all_proxy": "http://$PROXY"},
    "Datadog's goes first": {"DD_PROXY_HTTPS": "http://$PROXY", "HTTPS_PROXY": NOWHERE, "ALL_PROXY": NOWHERE},
    "capitals go first": {"HTTPS_PROXY": "http://$PROXY", "https_proxy": NOWHERE, "all_proxy": NOWHERE},
    "other hosts excepted": {"HTTPS_PROXY": "http://$PROXY", "NO_PROXY": "example.org,take.example.com,10.0.0.0/8"},
    "another port excepted": {"HTTPS_PROXY": "http://$PROXY", "NO_PROXY": "intake.example.com:1"},
}


@pytest.mark.parametrize("variables", WAYS.values(), ids=WAYS)
async def test_a_setting_for_a_proxy_leads_through_it(
    program: Program, authority: ThrowAwayAuthority, trusted: str, variables: dict[str, str]
) -> None:
    async with (
        ConnectProxy() as proxy,
        World(
            program,
            tls=authority.server_context(HOST),
            host=HOST,
            DD_TLS_CERT_FILE=trusted,
            **filled(variables, proxy),
        ) as world,
    ):
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert "a line" in world.messages()
        assert set(proxy.asked) == {f"{HOST}:{world.intake.port}"}
        assert await world.shutdown() == 0
        assert world.own_lines() == []


EXCEPTIONS = {
    "host": {"NO_PROXY": "localhost"},
    "in small letters": {"no_proxy": "localhost"},
    "one of many": {"NO_PROXY": "a.example, localhost ,b.example"},
    "everything": {"NO_PROXY": "*"},
    "leading dot": {"NO_PROXY": ".localhost"},
    "Datadog's variable": {"DD_PROXY_NO_PROXY": "localhost"},
    "the site, as in the reference": {"NO_PROXY": "my.datadoghq.com.example"},
}


@pytest.mark.parametrize("variables", EXCEPTIONS.values(), ids=EXCEPTIONS)
async def test_an_excepted_host_is_reached_without_the_proxy(
    program: Program, authority: ThrowAwayAuthority, trusted: str, variables: dict[str, str]
) -> None:
    async with (
        ConnectProxy() as proxy,
        World(
            program,
            tls=authority.server_context(),
            host="localhost",
            DD_TLS_CERT_FILE=trusted,
            DD_PROXY_HTTPS=f"127.0.0.1:{proxy.port}",
            **variables,
        ) as world,
    ):
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert proxy.asked == []
        assert await world.shutdown() == 0


async def test_plain_http_never_goes_through_the_proxy(program: Program) -> None:
    async with ConnectProxy() as proxy, World(program, DD_PROXY_HTTPS=f"127.0.0.1:{proxy.port}") as world:
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert proxy.asked == []


async def test_credentials_in_the_url_are_decoded_and_given(
    program: Program, authority: ThrowAwayAuthority, trusted: str
) -> None:
    async with ConnectProxy(authorization=BASIC) as proxy:
        url = f"http://user:p%40ss%20word@127.0.0.1:{proxy.port}"
        context = authority.server_context(HOST)
        async with World(program, tls=context, host=HOST, DD_TLS_CERT_FILE=trusted, DD_PROXY_HTTPS=url) as world:
            await world.start()
            await world.invocation("a line")
            assert "a line" in world.messages()
            assert await world.shutdown() == 0


async def test_a_proxy_that_speaks_tls_is_spoken_to_in_tls(
    program: Program, authority: ThrowAwayAuthority, trusted: str
) -> None:
    async with ConnectProxy(tls=authority.server_context("127.0.0.1"), authorization=BASIC) as proxy:
        url = f"https://user:p%40ss%20word@127.0.0.1:{proxy.port}"
        context = authority.server_context(HOST)
        async with World(program, tls=context, host=HOST, DD_TLS_CERT_FILE=trusted, DD_PROXY_HTTPS=url) as world:
            await world.start()
            await world.invocation("a line", "x" * 200_000)
            assert "a line" in world.messages()
            assert await world.shutdown() == 0


SETTINGS_ADVICE = "Check DD_PROXY_HTTPS and HTTPS_PROXY, or except the host in DD_PROXY_NO_PROXY."
FAILURES: dict[str, tuple[bytes | None, str, str]] = {
    "credentials wanted": (refusal(407), "asks for credentials (status 407)", "http://user:password@host:port"),
    "refused": (refusal(403), "opens no tunnel (status 403)", SETTINGS_ADVICE),
    "bad gateway": (refusal(502), "opens no tunnel (status 502)", SETTINGS_ADVICE),
    "redirected": (refusal(302), "opens no tunnel (status 302)", SETTINGS_ADVICE),
    "closes": (CLOSE, "it closed the connection without an answer", SETTINGS_ADVICE),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP", SETTINGS_ADVICE),
}


@pytest.mark.parametrize(("answer", "reason", "advice"), FAILURES.values(), ids=FAILURES)
async def test_a_proxy_that_fails_is_named_once_with_what_to_do(
    program: Program, authority: ThrowAwayAuthority, answer: bytes, reason: str, advice: str
) -> None:
    async with ConnectProxy(answer=answer) as proxy:
        url = f"http://somebody:secret@127.0.0.1:{proxy.port}"
        async with World(program, tls=authority.server_context(HOST), host=HOST, DD_PROXY_HTTPS=url) as world:
            await world.start()
            for _ in range(2):
                assert await world.invocation("a line") < ALLOWED_MS
            assert world.intake.connections == 0, "nothing goes around the proxy"
            assert await world.shutdown() == 0
            lines = [line for line in world.own_lines() if "LOGS | Failed to send" in line]
            assert len(lines) == 1
            assert f"Failed to send to {HOST} after 3 attempts: the proxy 127.0.0.1:{proxy.port} " in lines[0]
            assert reason in lines[0]
            assert advice in lines[0]
            assert not any("secret" in line for line in world.own_lines())


async def test_a_proxy_that_hangs_costs_one_budget(program: Program, authority: ThrowAwayAuthority) -> None:
    async with ConnectProxy(answer=HANG) as proxy:
        context = authority.server_context(HOST)
        async with World(program, tls=context, host=HOST, DD_PROXY_HTTPS=f"127.0.0.1:{proxy.port}") as world:
            await world.start()
            assert await world.invocation("a line") < ALLOWED_MS
            assert await world.invocation("a line") < 500
            assert await world.shutdown() == 0
            (line,) = [line for line in world.own_lines() if "data is kept" in line]
            assert "ms for the proxy. " + SETTINGS_ADVICE in line


async def test_a_proxy_that_is_not_there_is_named(program: Program, authority: ThrowAwayAuthority) -> None:
    async with World(program, tls=authority.server_context(HOST), host=HOST, DD_PROXY_HTTPS=NOWHERE) as world:
        await world.start()
        assert await world.invocation("a line") < ALLOWED_MS
        assert await world.shutdown() == 0
        text = f"the proxy 127.0.0.1:1 cannot be reached: Connection refused. {SETTINGS_ADVICE}"
        assert any(text in line for line in world.own_lines())


@pytest.mark.parametrize("url", ["http://", "http://:80", "socks5://127.0.0.1:1080", "http://host:port", "a b"])
async def test_a_setting_that_is_no_proxy_is_said_once_and_left_out(
    program: Program, authority: ThrowAwayAuthority, trusted: str, url: str
) -> None:
    context = authority.server_context()
    async with World(program, tls=context, DD_TLS_CERT_FILE=trusted, DD_PROXY_HTTPS=url) as world:
        await world.start()
        await world.invocation("a line")
        assert "a line" in world.messages()
        assert await world.shutdown() == 0
        (line,) = world.own_lines()
        assert "DD_PROXY_HTTPS" in line
