"""The server against clients that people use: curl, aiohttp, Node and Go."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.http.peer_processes import MAKES, run_client
from tests.http.serving import Serving

PIECES = b"".join(b"piece %d;" % index for index in range(1000))
BIG = b"abcdefghij" * 500_000


@pytest.fixture
def server() -> Iterator[Serving]:
    with Serving() as serving:
        yield serving


def seen(status: int, body: bytes, continued: bool = False) -> dict[str, object]:
    digest = hashlib.sha256(body).hexdigest()
    return {"status": status, "size": len(body), "digest": digest, "continued": continued}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", MAKES)
def test_client_of_another_make_is_served(server: Serving, make: str) -> None:
    found = run_client(make, server.url)
    assert found["results"] == {
        "get": seen(200, b"GET /a"),
        "head": seen(200, b""),
        "length": seen(200, b"hello"),
        "chunked": seen(200, PIECES),
        "expect": seen(200, b"hello", continued=True),
        "big": seen(200, BIG),
        "small": seen(413, b"too large"),
        "close": seen(200, b"GET /close"),
        "after": seen(200, b"GET /a"),
    }
    assert found["connections"] == 2, "one until /close, one after it"


def curl(*arguments: str, data: bytes = b"") -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "30", *arguments]
    result = subprocess.run(command, input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode("latin-1")


def test_curl_keeps_its_connection(server: Serving) -> None:
    counts = curl("--write-out", " %{num_connects}\n", *[f"{server.url}/{number}" for number in range(3)])
    assert counts == "GET /0 1\nGET /1 0\nGET /2 0\n"


def test_curl_sends_chunks_from_its_input(server: Serving) -> None:
    assert curl("--upload-file", "-", "--header", "Expect:", f"{server.url}/a", data=PIECES) == PIECES.decode()
    assert server.handler.heads[0].is_chunked


def test_curl_waits_for_100_continue(server: Serving, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BIG)
    arguments = [
        "--data-binary",
        f"@{tmp_path / 'body'}",
        "--expect100-timeout",
        "25",
        "--header",
        "Expect: 100-continue",
    ]
    found = curl(*arguments, "--write-out", "\n%{time_total}", f"{server.url}/a")
    body, seconds = found.rsplit("\n", 1)
    assert body.encode() == BIG
    assert float(seconds) < 20, "the 100 never came"


def test_curl_asks_for_the_head_alone(server: Serving) -> None:
    found = curl("--head", f"{server.url}/a")
    assert found.startswith("HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len('HEAD /a')}\r\n" in found


def test_curl_speaks_http_1_0(server: Serving) -> None:
    assert curl("--http1.0", "--data-binary", "hello", f"{server.url}/a") == "hello"
    assert server.handler.heads[0].minor_version == 0


def test_curl_sees_that_its_body_is_too_large(server: Serving, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BIG)
    found = curl("--data-binary", f"@{tmp_path / 'body'}", "--write-out", " %{http_code}", f"{server.url}/small")
    assert found == "too large 413"


def test_curl_upgrades_to_nothing(server: Serving) -> None:
    assert curl("--http2", f"{server.url}/a") == "GET /a"


def test_aiohttp_is_served_many_times_at_once(server: Serving) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for index in range(1000):
            yield b"piece %d;" % index

    async def talk() -> list[tuple[int, bytes]]:
        async with aiohttp.ClientSession(server.url) as session:

            async def post(path: str, data: object, **options: bool) -> tuple[int, bytes]:
                async with session.post(path, data=data, **options) as answer:  # type: ignore[arg-type]
                    return answer.status, await answer.read()

            many = [post("/a", b"%d" % number) for number in range(100)]
            return [
                *await asyncio.gather(*many),
                await post("/a", chunks()),
                await post("/a", io.BytesIO(BIG), expect100=True),
                await post("/small", io.BytesIO(BIG)),
            ]

    found = asyncio.run(talk())
    assert found[:100] == [(200, b"%d" % number) for number in range(100)]
    assert found[100:] == [(200, PIECES), (200, BIG), (413, b"too large")]
