"""The client against servers that misbehave, each byte of them scripted."""

from __future__ import annotations

import socket

import pytest

from tests.http.asking import Asker, ScriptedServer, asking
from thimble.reactor.errors import ConnectionFailed, ConnectionRefused, DeadlinePassed, NameNotResolved

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
NOT_HTTP = "ConnectionFailed: the answer is not HTTP/1.1: "
NO_ANSWER = "ConnectionFailed: the server closed the connection without an answer"


def outcome(*scripts: list[bytes | str], count: int = 1, deadline_ms: int = 20_000) -> tuple[list[str], ScriptedServer]:
    """What `count` requests one after the other come to: status and body, or the error."""

    async def scenario(asker: Asker) -> list[str]:
        found = []
        for number in range(count):
            try:
                response = await asker.ask(f"{server.url}/{number}", b"body", deadline_ms=deadline_ms)
                found.append(f"{response.status} {response.body.decode()}")
            except (ConnectionFailed, DeadlinePassed) as error:
                found.append(f"{type(error).__name__}: {error}")
        return found

    with ScriptedServer(*scripts) as server:
        return asking(scenario), server


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", NO_ANSWER),
        (b"HTTP/1.1 200 OK\r\ncont", NO_ANSWER),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", NOT_HTTP + "the connection ended inside a message"),
        (CHUNKED + b"2\r\nok\r\n", NOT_HTTP + "the connection ended inside a message"),
        (CHUNKED + b"zz\r\nok\r\n", NOT_HTTP + "not a chunk size"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", NOT_HTTP + "not a status line"),
        (b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n", NOT_HTTP + "control character in the head"),
        (b"<html>\n<body>\n", NOT_HTTP + "line feed without carriage return"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, NOT_HTTP + "head above 65536 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", NO_ANSWER),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, "200 ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", "200 to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "200 "),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", "200 ok"),
    ],
)  # fmt: skip
def test_what_a_server_says_before_it_closes_decides(answer: bytes, expected: str) -> None:
    found, server = outcome(["request", answer])
    assert found == [expected]
    assert server.connections == 1


def test_a_server_that_never_answers_costs_the_deadline_and_no_more() -> None:
    assert outcome(["request", "wait"], deadline_ms=60)[0] == ["DeadlinePassed: no answer in time"]


def test_a_server_that_stops_in_its_answer_costs_the_deadline() -> None:
    started = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
    assert outcome(["request", started, "wait"], deadline_ms=60)[0] == ["DeadlinePassed: no end of the answer in time"]


def test_an_idle_connection_that_the_server_closed_is_replaced_without_a_word() -> None:
    found, server = outcome(["request", OK], ["request", OK], count=2)
    assert found == ["200 ok", "200 ok"]
    assert server.connections == 2


def test_an_idle_connection_that_breaks_at_the_next_request_is_replaced() -> None:
    found, server = outcome(["request", OK, "request", "reset"], ["request", OK], count=2)
    assert found == ["200 ok", "200 ok"]
    assert [request.split()[1] for request in server.requests] == [b"/0", b"/1", b"/1"]


def test_a_new_connection_that_breaks_is_not_replaced() -> None:
    found, server = outcome(["request", "reset"], ["request", OK])
    assert found[0].startswith("ConnectionFailed: ")
    assert server.connections == 1


def test_a_request_whose_answer_had_begun_is_not_sent_again() -> None:
    found, server = outcome(["request", OK, "request", b"HTTP/1.1 2"], ["request", OK], count=2)
    assert found == ["200 ok", NO_ANSWER]
    assert server.connections == 1


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    poisoned = OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
    found, server = outcome(["request", poisoned, "wait"], ["request", OK], count=2)
    assert found == ["200 ok", "200 ok"]
    assert server.connections == 2


def test_a_connection_that_is_to_close_is_not_used_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    found, server = outcome(["request", closing, "wait"], ["request", OK], count=2)
    assert found == ["200 ok", "200 ok"]
    assert [request.split()[1] for request in server.requests] == [b"/0", b"/1"]


def test_a_port_that_nobody_listens_on_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]

    async def scenario(asker: Asker) -> None:
        with pytest.raises(ConnectionRefused, match="Connection refused"):
            await asker.ask(f"http://127.0.0.1:{port}/")

    asking(scenario)


def test_a_host_that_does_not_exist_is_named() -> None:
    async def scenario(asker: Asker) -> None:
        with pytest.raises(NameNotResolved, match=r"no-such-host\.invalid: "):
            await asker.ask("http://no-such-host.invalid/")

    asking(scenario)


def test_the_second_address_of_a_name_is_tried_when_the_first_refuses() -> None:
    async def scenario(asker: Asker) -> list[tuple[int, str]]:
        # `localhost` is ::1 and 127.0.0.1 where the machine has both; the server listens on one of them only.
        found = await asker.client._connector._resolver.resolve("localhost", 80, asker.loop.deadline_in_ms(5_000))
        assert (await asker.ask(server.url.replace("127.0.0.1", "localhost"))).body == b"ok"
        return found

    with ScriptedServer(["request", OK]) as server:
        assert ("127.0.0.1" in [address for _, address in asking(scenario)]) is True
