"""To connect and to send are limited apart: who cannot be reached is given up sooner than who is slow."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.http.asking import Asker, ScriptedServer, asking
from thimble.http.client import OutgoingRequest
from thimble.http.connector import CONNECT_TIMEOUT_MS, FOR_ANSWER, FOR_CONNECTION, Progress
from thimble.http.messages import parse_url
from thimble.reactor.errors import DeadlinePassed

SECOND_NS = 1_000_000_000


@contextmanager
def listener_that_answers_no_one() -> Iterator[int]:
    """The port of a listener whose backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


async def failure(asker: Asker, url: str, body: bytes, deadline_ms: int) -> tuple[str, float, Progress]:
    request = OutgoingRequest("POST", parse_url(url), [], body)
    began_s = time.monotonic()
    with pytest.raises(DeadlinePassed) as caught:
        await asker.client.request(request, asker.loop.deadline_in_ms(deadline_ms))
    return str(caught.value), time.monotonic() - began_s, request.progress


def test_who_cannot_be_reached_is_given_up_after_the_time_for_connecting() -> None:
    with listener_that_answers_no_one() as port:
        text, took_s, progress = asking(lambda asker: failure(asker, f"http://127.0.0.1:{port}/", b"", 30_000))
    assert text == "no connection in time"
    assert CONNECT_TIMEOUT_MS / 1000 <= took_s < CONNECT_TIMEOUT_MS / 1000 + 2
    assert progress.waits_for == FOR_CONNECTION


def test_a_nearer_deadline_ends_the_connecting() -> None:
    with listener_that_answers_no_one() as port:
        text, took_s, _ = asking(lambda asker: failure(asker, f"http://127.0.0.1:{port}/", b"", 200))
    assert text == "no connection in time"
    assert 0.2 <= took_s < 2


def test_who_takes_no_bytes_has_the_whole_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        text, took_s, progress = asking(lambda asker: failure(asker, url, b"x" * 64_000_000, 700))
    assert text == "the request was not taken in time"
    assert 0.7 <= took_s < 3
    assert progress.waits_for == FOR_ANSWER


def test_who_gives_no_answer_has_the_whole_time() -> None:
    with ScriptedServer(["request", "wait"]) as server:
        url = f"http://127.0.0.1:{server.port}/"
        text, took_s, progress = asking(lambda asker: failure(asker, url, b"body", 700))
    assert text == "no answer in time"
    assert 0.7 <= took_s < 3
    assert progress.waits_for == FOR_ANSWER
