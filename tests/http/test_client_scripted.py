"""The client against servers that misbehave, each byte of them scripted."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.forms import ROOT
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
        assert all(not idle.stream.is_closed for idle in asker.client._idle), "a closed connection idles"  # type: ignore[attr-defined]
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
    found, server = outcome(["request", poisoned, "request"], ["request", OK], count=2)
    assert found == ["200 ok", "200 ok"]
    # The first connection was closed, not asked again: its script reads no second request.
    assert [request.split()[1:2] for request in server.requests] in ([[b"/0"], [], [b"/1"]], [[b"/0"], [b"/1"], []])


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


TWO_ADDRESSES = """
import select, sys, time
from tests.http.asking import asking
async def scenario(asker):
    response = await asker.ask(f"http://two.test:{sys.argv[1]}/")
    return len(await asker.client._connector._resolver.resolve("two.test", 80, 0)), response.body
print(asking(scenario))
"""


def test_an_address_that_refuses_does_not_hide_the_next_one(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    # The C library's order puts 127.0.0.1, where nobody listens, first.
    hosts.write_text("127.0.0.1 two.test\n127.0.0.2 two.test\n")
    with ScriptedServer(["request", OK], address="127.0.0.2") as server:
        program = [sys.executable, "-c", TWO_ADDRESSES, str(server.port)]
        show = f'mount --bind {hosts} /etc/hosts && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", show, "sh", *program]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if "unshare" in result.stderr or "mount" in result.stderr:
        pytest.skip(f"another /etc/hosts cannot be shown here: {result.stderr.strip()}")
    assert result.stdout == "(2, b'ok')\n", result.stderr
