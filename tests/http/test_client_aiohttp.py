"""The client against aiohttp, which the local intake is built on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.http.asking import Asker, asking


async def answer(request: web.Request) -> web.StreamResponse:
    if request.path == "/refuse":
        return web.Response(status=403, text="no")
    if request.path == "/unread":
        return web.Response(status=413, text="unread", headers={"connection": "close"})
    body = await request.read()
    if request.path == "/stream":
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(0, len(body), 1000):
            await response.write(body[at : at + 1000])
        return response
    return web.Response(body=body)


@contextmanager
def aiohttp_server() -> Iterator[str]:
    """An aiohttp server in a thread of its own; gives its URL."""
    loop = asyncio.new_event_loop()
    up = threading.Event()
    ports: list[int] = []
    over = asyncio.Event()

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        up.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(20)
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(over.set)
    thread.join(20)
    loop.close()


def test_aiohttp_answers_many_requests_on_few_connections() -> None:
    body = bytes(range(256)) * 2_000

    async def scenario(asker: Asker) -> None:
        for size in (0, 1, 1_000, 16_384, 16_385, len(body)):
            for path in ("/a", "/stream"):
                response = await asker.ask(url + path, body[:size])
                assert (response.status, response.body) == (200, body[:size])

        async def one(size: int) -> bytes:
            return (await asker.ask(f"{url}/stream", body[:size])).body

        tasks = [asker.loop.spawn(one(size), "request") for size in range(0, 40_000, 1_000)]
        for size, task in enumerate(tasks):
            await asker.loop.join(task)
            assert task.result == body[: size * 1_000]

    with aiohttp_server() as url:
        asking(scenario)


def test_aiohttp_refuses_with_or_without_reading_the_body() -> None:
    async def scenario(asker: Asker) -> list[tuple[int, bytes]]:
        found = []
        for path in ("/refuse", "/unread", "/refuse", "/a"):
            response = await asker.ask(url + path, bytes(3_000_000) if path != "/a" else b"x")
            found.append((response.status, response.body))
        return found

    with aiohttp_server() as url:
        assert asking(scenario) == [(403, b"no"), (413, b"unread"), (403, b"no"), (200, b"x")]
