"""The client against servers that people use: Node, Go, aiohttp, Python's http.server, `openssl s_server`."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.http.asking import Asker, asking
from tests.http.peer_processes import MAKES, foreign_server
from thimble.http.client import RESPONSE_BYTES_MAX
from thimble.reactor.errors import ConnectionFailed, DeadlinePassed

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=MAKES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with foreign_server(request.param) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_request_arrives_as_it_was_meant(url: str) -> None:
    body = bytes(range(256)) * 20_000

    async def scenario(asker: Asker) -> bytes:
        headers = [("DD-API-KEY", "0123"), ("Content-Type", "application/json"), ("X-Split", "a\r\nx-injected: b")]
        return (await asker.ask(f"{url}/a/b?c=d", body, headers=headers)).body

    seen = json.loads(asking(scenario))
    assert (seen["method"], seen["url"]) == ("POST", "/a/b?c=d")
    assert seen["digest"] == hashlib.sha256(body).hexdigest()
    assert seen["headers"]["host"] == url.removeprefix("http://")
    assert seen["headers"]["dd-api-key"] == "0123"
    assert seen["headers"]["content-length"] == str(len(body))
    assert seen["headers"]["x-split"] == "a??x-injected: b"
    assert "x-injected" not in seen["headers"]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/chunked?n=500", 200, b"piece;" * 500),
        ("/close", 200, b"the end"),
        ("/early", 200, b"late"),
        ("/status?n=204", 204, b""),
        ("/status?n=304", 304, b""),
        ("/status?n=403", 403, b"status 403"),
        ("/status?n=503", 503, b"status 503"),
        ("/trailer", 200, b"body"),
        ("/slow?n=100", 200, b"slow"),
        ("/big?n=1000000", 200, b"b" * 1_000_000),
    ],
)
def test_every_kind_of_answer_is_read(url: str, path: str, status: int, body: bytes) -> None:
    async def scenario(asker: Asker) -> list[tuple[int, bytes]]:
        found = []
        for _ in range(2):  # what is left of one answer must not disturb the next
            response = await asker.ask(url + path, b"x", "POST")
            found.append((response.status, response.body))
        return found

    assert asking(scenario) == [(status, body)] * 2


def test_a_redirect_is_an_answer_and_nobody_follows_it(url: str) -> None:
    async def scenario(asker: Asker) -> tuple[int, str]:
        response = await asker.ask(f"{url}/redirect")
        return response.status, response.head.get("location")

    assert asking(scenario) == (307, "/elsewhere")


def test_an_answer_to_head_has_no_body(url: str) -> None:
    async def scenario(asker: Asker) -> list[bytes]:
        return [(await asker.ask(f"{url}/big?n=1000", method="HEAD")).body, (await asker.ask(f"{url}/slow")).body]

    assert asking(scenario) == [b"", b"slow"]


def test_one_connection_serves_request_after_request_until_it_is_closed(url: str) -> None:
    async def scenario(asker: Asker) -> list[bytes]:
        ports = [(await asker.ask(f"{url}/port")).body for _ in range(3)]
        asker.client.close()
        return [*ports, (await asker.ask(f"{url}/port")).body]

    first, second, third, fourth = asking(scenario)
    assert first == second == third != fourth


def test_concurrent_requests_have_a_connection_each(url: str) -> None:
    async def scenario(asker: Asker) -> set[bytes]:
        async def one() -> bytes:
            return (await asker.ask(f"{url}/port?n=300")).body

        tasks = [asker.loop.spawn(one(), "request") for _ in range(4)]
        for task in tasks:
            await asker.loop.join(task)
        return {bytes(task.result) for task in tasks}  # type: ignore[call-overload]

    assert len(asking(scenario)) == 4


def test_a_slow_answer_ends_at_the_deadline(url: str) -> None:
    async def scenario(asker: Asker) -> None:
        with pytest.raises(DeadlinePassed, match="no answer in time"):
            await asker.ask(f"{url}/slow?n=60000", deadline_ms=100)

    asking(scenario)


def test_an_answer_above_the_limit_is_cut_and_the_connection_goes_on(url: str) -> None:
    size = 3 * RESPONSE_BYTES_MAX

    async def scenario(asker: Asker) -> tuple[int, bytes, bytes]:
        response = await asker.ask(f"{url}/big?n={size}")
        return response.status, response.body, (await asker.ask(f"{url}/slow")).body

    status, body, after = asking(scenario)
    assert status == 200
    assert 0 < len(body) <= RESPONSE_BYTES_MAX
    assert set(body) == {ord("b")}
    assert after == b"slow"


def test_a_refusal_before_the_body_is_read_is_an_answer(url: str) -> None:
    async def scenario(asker: Asker) -> tuple[int, bytes]:
        response = await asker.ask(f"{url}/refuse", bytes(20_000_000))
        return response.status, response.body

    assert asking(scenario) == (413, b"too large")


def test_a_server_that_drops_the_connection_is_named(url: str) -> None:
    async def scenario(asker: Asker) -> None:
        with pytest.raises(ConnectionFailed, match=r"without an answer|reset"):
            await asker.ask(f"{url}/drop", b"x")

    asking(scenario)


class OldHandler(BaseHTTPRequestHandler):
    """HTTP/1.0, as Python's own server speaks it: the end of the connection ends the answer."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body * 2)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def old_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OldHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_http_1_0_is_read_to_the_end_of_the_connection() -> None:
    async def scenario(asker: Asker) -> list[bytes]:
        return [(await asker.ask(url, b"ab" * 100_000)).body, (await asker.ask(url, b"cd")).body]

    with old_server() as url:
        assert asking(scenario) == [b"ab" * 200_000, b"cdcd"]
