"""The local intake, against aiohttp and curl as clients."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgpack
import pytest

from tests.helpers.tools import need
from thimble.sandbox.certificates import ThrowAwayAuthority
from thimble.sandbox.intake import GONE, Intake
from thimble.sandbox.products import PRODUCTS

from . import vectors

LOGS = "/api/v2/logs"
ENTRY = {"message": {"message": "hello", "status": "info"}, "ddsource": "lambda"}


def on_intake(body: Callable[[Intake, aiohttp.ClientSession], Awaitable[None]], intake: Intake | None = None) -> None:
    """Run a coroutine beside a listening intake with a client that opens a connection per request."""

    async def main() -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        async with intake or Intake() as open_intake, aiohttp.ClientSession(connector=connector) as client:
            await body(open_intake, client)

    asyncio.run(main())


async def status_of(client: aiohttp.ClientSession, url: str, body: bytes | io.BytesIO, **headers: str) -> int:
    renamed = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(url, data=body, headers=renamed) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("encoding", ["", "zstd", "gzip", "deflate"])
def test_logs_arrive_decoded_whatever_their_encoding(encoding: str) -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        raw = json.dumps([ENTRY] * 3).encode()
        headers = {"Content_Encoding": encoding} if encoding else {}
        wire = vectors.compress(raw, encoding)
        assert await status_of(client, intake.url + LOGS, wire, **headers) == 202
        assert intake.logs() == [ENTRY] * 3
        (received,) = intake.received
        assert (received.wire_bytes, received.raw_bytes, received.item_count) == (len(wire), len(raw), 3)
        assert (received.method, received.path, received.problem) == ("POST", LOGS, "")

    on_intake(body)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_each_product_gets_its_own_success_status(product: object) -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert await status_of(client, intake.url + product.path, b"") == product.status
        assert intake.received[0].product == product

    on_intake(body)


def test_an_unknown_path_is_accepted_and_kept() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        async with client.put(f"{intake.url}/brand/new?a=1&b=2", data=b'{"x":1}') as response:
            assert response.status == 202
        (received,) = intake.received
        assert (received.product.name, received.method, received.query) == ("other", "PUT", "a=1&b=2")
        assert received.content == {"x": 1}

    on_intake(body)


def test_a_base_url_with_a_path_in_front_reaches_the_same_product() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert await status_of(client, f"{intake.url}/proxy/eu{LOGS}", b"[]") == 202
        assert intake.received[0].product.name == "logs"

    on_intake(body)


def test_metrics_traces_and_stats_are_decoded_by_their_own_formats() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        stats = msgpack.packb({"Stats": [{"Stats": [{"Stats": [{"Hits": 2}]}]}]})
        series = b'{"series":[{"metric":"a"},{"metric":"b"}]}'
        for path, raw, encoding in (
            ("/api/beta/sketches", vectors.SKETCHES, "zstd"),
            ("/api/v0.2/traces", vectors.TRACES, "zstd"),
            ("/api/v0.2/stats", stats, "gzip"),
            ("/api/v2/series", series, "zstd"),
        ):
            await status_of(client, intake.url + path, vectors.compress(raw, encoding), Content_Encoding=encoding)
        assert [(r.product.name, r.item_count, r.problem) for r in intake.received] == [
            ("sketches", 1, ""),
            ("traces", 1, ""),
            ("stats", 1, ""),
            ("series", 2, ""),
        ]

    on_intake(body)


def test_a_body_that_is_not_what_it_says_is_kept_with_its_problem() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert await status_of(client, intake.url + LOGS, b"[{}]", Content_Encoding="zstd") == 202
        assert await status_of(client, intake.url + LOGS, b"[{}") == 202
        assert [received.content for received in intake.received] == [None, None]
        assert "zstd" in intake.received[0].problem
        assert "not JSON" in intake.received[1].problem
        assert intake.logs() == []

    on_intake(body)


def test_a_script_is_used_up_in_turn_and_only_accepted_entries_count_as_logs() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.script("logs", 500, 429)
        answers = [await status_of(client, intake.url + LOGS, json.dumps([{"n": n}]).encode()) for n in range(3)]
        assert answers == [500, 429, 202]
        assert [received.accepted for received in intake.received] == [False, False, True]
        assert intake.logs() == [{"n": 2}]

    on_intake(body)


def test_a_standing_refusal_of_one_product_leaves_the_others_well_until_cleared() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.always("logs", 403)
        assert [await status_of(client, intake.url + LOGS, b"[]") for _ in range(2)] == [403, 403]
        assert await status_of(client, f"{intake.url}/api/v2/series", b"{}") == 202
        intake.faults.clear("logs")
        assert await status_of(client, intake.url + LOGS, b"[]") == 202

    on_intake(body)


def test_latency_holds_back_only_the_slow_product() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.slow("logs", 150)
        await status_of(client, intake.url + LOGS, b"[]")
        await status_of(client, f"{intake.url}/api/v2/series", b"{}")
        slow, quick = intake.received
        assert slow.answered_s - slow.time_s >= 0.15
        assert quick.answered_s - quick.time_s < 0.1

    on_intake(body)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("close", aiohttp.ServerDisconnectedError),
        ("truncate", aiohttp.ClientPayloadError),
        ("reset", aiohttp.ClientOSError),
        ("garbage", aiohttp.ClientResponseError),
    ],
)
def test_a_cut_reaches_the_client_as_what_it_is(behaviour: str, error: type[Exception]) -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.script("logs", behaviour)
        with pytest.raises(error):
            await status_of(client, intake.url + LOGS, b"[]")
        assert [received.answer for received in intake.received] == [behaviour]
        assert intake.logs() == []
        assert await status_of(client, intake.url + LOGS, b"[]") == 202

    on_intake(body)


def test_an_early_reset_cuts_a_long_body_in_the_middle() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.script("logs", "reset-early")
        with pytest.raises(aiohttp.ClientOSError):
            await status_of(client, intake.url + LOGS, io.BytesIO(b"x" * 20_000_000))
        assert intake.received == []

    on_intake(body)


def test_a_hang_lasts_until_the_client_leaves() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.always("logs", "hang")
        request = asyncio.create_task(status_of(client, intake.url + LOGS, b"[]"))
        received = await intake.wait_for(lambda received: received.answer == "hang")
        assert received.answered_s == 0.0
        request.cancel()
        await intake.wait_until(lambda: received.answered_s > 0)
        assert not received.accepted

    on_intake(body)


def test_a_client_that_leaves_during_the_latency_is_gone_not_accepted() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.slow("all", 30_000)
        request = asyncio.create_task(status_of(client, intake.url + LOGS, b"[]"))
        await intake.wait_until(lambda: len(intake.received) == 1)
        request.cancel()
        received = await intake.wait_for(lambda received: received.answer == GONE)
        assert not received.accepted

    on_intake(body)


def test_closing_the_intake_ends_requests_that_hang() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        intake.faults.always("logs", "hang")
        request = asyncio.create_task(status_of(client, intake.url + LOGS, b"[]"))
        await intake.wait_until(lambda: len(intake.received) == 1)
        await intake.close()
        with pytest.raises(aiohttp.ClientError):
            await request

    on_intake(body)


def test_a_closed_intake_refuses_connections_and_comes_back_on_the_same_port() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        url = intake.url
        await status_of(client, url + LOGS, b"[]")
        await intake.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await status_of(client, url + LOGS, b"[]")
        await intake.open()
        assert intake.url == url
        await status_of(client, url + LOGS, b"[]")
        assert len(intake.received) == 2

    on_intake(body)


def test_a_wait_in_vain_says_what_arrived() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        await status_of(client, f"{intake.url}/api/v2/series", b"{}")
        with pytest.raises(TimeoutError, match="series -> 202"):
            await intake.wait_for(lambda received: received.product.name == "logs", timeout_s=0.05)

    on_intake(body)


def test_a_condition_that_raises_fails_the_waiter_and_not_the_request() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        waiting = asyncio.create_task(intake.wait_for(lambda received: received.content["missing"]))
        await asyncio.sleep(0)
        assert await status_of(client, intake.url + LOGS, b"{}") == 202
        with pytest.raises(KeyError):
            await waiting

    on_intake(body)


def test_a_wrong_key_is_refused_when_the_intake_knows_the_right_one() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert await status_of(client, intake.url + LOGS, b"[]", DD_API_KEY="wrong") == 403
        assert await status_of(client, intake.url + LOGS, b"[]", dd_api_key="right") == 202

    on_intake(body, Intake(api_key="right"))


def test_no_key_is_ever_written_out() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        await status_of(client, intake.url + LOGS, b"[]", dd_api_key="0123456789abcdef")
        assert "0123456789abcdef" not in repr(intake.received[0].as_dict())
        assert intake.received[0].headers["DD-API-KEY"] == "0123456789abcdef"

    on_intake(body)


def test_bodies_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thimble.sandbox.intake.BODY_BYTES_MAX", 1000)

    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert await status_of(client, intake.url + LOGS, b"[" + b" " * 998 + b"]") == 202
        assert await status_of(client, intake.url + LOGS, b"[" + b" " * 999 + b"]") == 413
        assert (len(intake.received), intake.not_kept) == (1, 1)

    on_intake(body)


def test_what_the_memory_limit_keeps_out_is_counted_and_still_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thimble.sandbox.intake.KEPT_BYTES_MAX", 4)

    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        assert [await status_of(client, intake.url + LOGS, b"[1]") for _ in range(2)] == [202, 202]
        assert (len(intake.received), intake.not_kept) == (1, 1)

    on_intake(body)


def test_requests_on_one_connection_share_a_port() -> None:
    async def main() -> None:
        async with Intake() as intake, aiohttp.ClientSession() as client:
            for _ in range(3):
                await status_of(client, intake.url + LOGS, b"[]")
            assert len({received.peer_port for received in intake.received}) == 1
            assert intake.connections == 1

    asyncio.run(main())


async def curl(*arguments: str, body: bytes = b"") -> tuple[int, str]:
    """Run curl; returns its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        need("curl"), "-sS", "-m", "10", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate(body)
    assert process.returncode is not None
    return process.returncode, output.decode()


def test_curl_with_expect_and_a_chunked_body_is_served() -> None:
    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        raw = b"[" + b",".join([json.dumps(ENTRY).encode()] * 40_000) + b"]"
        code, output = await curl(
            "-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", "-H", "Content-Encoding: zstd",
            "-H", "Content-Type: application/json", "--data-binary", "@-", "-o", "/dev/null", "-w", "%{http_code}",
            intake.url + LOGS, body=vectors.compress(raw, "zstd"),
        )  # fmt: skip
        assert (code, output) == (0, "202")
        assert len(intake.logs()) == 40_000

    on_intake(body)


def test_tls_works_for_a_client_that_trusts_the_authority_and_for_nobody_else(tmp_path: Path) -> None:
    authority = ThrowAwayAuthority()
    trusted = str(authority.write_pem(tmp_path / "ca.pem"))
    stranger = str(ThrowAwayAuthority().write_pem(tmp_path / "other.pem"))

    async def body(intake: Intake, client: aiohttp.ClientSession) -> None:
        url = intake.url + LOGS
        assert url.startswith("https://")
        assert await curl("--cacert", trusted, "--tlsv1.2", "--tls-max", "1.2", "-d", "[]", url) == (0, "{}")
        assert await curl("--cacert", trusted, "--tlsv1.3", "-d", "[]", url) == (0, "{}")
        code, output = await curl("--cacert", stranger, "-d", "[]", url)
        assert code == 60, output
        async with client.post(url, data=b"[]", ssl=authority.client_context()) as response:
            assert response.status == 202
        assert len(intake.received) == 3

    on_intake(body, Intake(authority.server_context()))


def test_misfit_certificates_are_refused_by_curl_for_their_own_reason(tmp_path: Path) -> None:
    authority = ThrowAwayAuthority()
    trusted = str(authority.write_pem(tmp_path / "ca.pem"))
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = authority.server_context(not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1))
    elsewhere = authority.server_context("intake.example.com")

    async def refusal(context: ssl.SSLContext) -> str:
        async with Intake(context) as intake:
            code, output = await curl("--cacert", trusted, "-d", "[]", intake.url + LOGS)
            assert code == 60
            assert intake.received == []
            return output

    assert "expired" in asyncio.run(refusal(expired))
    assert "no alternative certificate subject name matches" in asyncio.run(refusal(elsewhere))
