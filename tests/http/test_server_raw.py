"""The server against raw sockets: split, pipelined, slow, broken and hostile clients."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.http.serving import BODY_LIMIT, RawClient, Serving
from tests.http.test_parser_refusals import SMUGGLING
from tests.reactor.rig import reset
from thimble.http.server import CONNECTIONS_MAX

POST = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture
def server() -> Iterator[Serving]:
    with Serving() as serving:
        yield serving


@pytest.fixture
def client(server: Serving) -> Iterator[RawClient]:
    raw = RawClient(server.connect())
    yield raw
    raw.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Look until it is so; the server runs in another thread."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.002)


def is_refused(server: Serving) -> bool:
    """Whether the server takes no more connections."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_that_comes_byte_by_byte_is_answered(client: RawClient) -> None:
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(POST)):
        client.send(POST[at : at + 1])
    assert client.answer()[::2] == (200, b"hello")


def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    count = 500
    client.send(b"".join(b"POST /%d HTTP/1.1\r\ncontent-length: 3\r\n\r\n%03d" % (at, at) for at in range(count)))
    assert [client.answer()[2] for _ in range(count)] == [b"%03d" % at for at in range(count)]


def test_a_pipeline_ends_with_the_request_that_closes(server: Serving, client: RawClient) -> None:
    client.send(POST + b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert client.answer()[2] == b"hello"
    status, headers, body = client.answer()
    assert (status, headers["connection"], body) == (200, "close", b"GET /last")
    assert client.is_at_end()
    assert [path for _, path, _ in server.handler.requests] == ["/a", "/last"]


def test_a_chunked_body_with_extensions_and_trailers_is_put_together(client: RawClient) -> None:
    client.send(
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n" + POST
    )
    assert client.answer()[2] == b"abcde"
    assert client.answer()[2] == b"hello"


def test_a_client_that_expects_100_is_told_to_continue_once(client: RawClient) -> None:
    client.send(b"POST / HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
    assert client.answer()[0] == 100
    client.send(b"hello")
    assert client.answer()[::2] == (200, b"hello")
    client.send(b"POST / HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\nhello")
    assert client.answer()[::2] == (200, b"hello")
    client.send(b"GET /b HTTP/1.1\r\nexpect: 100-continue\r\n\r\n")
    assert client.answer()[::2] == (200, b"GET /b")


def test_http_1_0_gets_its_answer_and_the_end(client: RawClient) -> None:
    client.send(b"GET /old HTTP/1.0\r\nexpect: 100-continue\r\n\r\n")
    status, headers, body = client.answer()
    assert (status, headers["connection"], body) == (200, "close", b"GET /old")
    assert client.is_at_end()


def test_http_1_0_may_keep_its_connection(client: RawClient) -> None:
    for _ in range(2):
        client.send(b"GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        assert client.answer()[2] == b"GET /old"


def test_an_answer_to_head_has_the_length_and_no_body(client: RawClient) -> None:
    client.send(b"HEAD /a HTTP/1.1\r\n\r\n" + POST)
    status, headers, _ = client.answer(is_to_head=True)
    assert (status, headers["content-length"]) == (200, str(len("HEAD /a")))
    assert client.answer()[2] == b"hello"


def test_a_handler_may_close_the_connection(client: RawClient) -> None:
    client.send(b"GET /close HTTP/1.1\r\n\r\n")
    assert client.answer()[1]["connection"] == "close"
    assert client.is_at_end()


def test_a_defect_of_the_handler_is_told_and_answered(server: Serving, client: RawClient) -> None:
    client.send(b"GET /defect HTTP/1.1\r\n\r\n" + POST)
    assert client.answer()[0] == 500
    assert client.answer()[2] == b"hello"
    assert server.defects == ["test: a defect of the handler"]


@pytest.mark.parametrize(("excess", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_a_body_may_be_as_large_as_the_limit(client: RawClient, excess: int, status: int) -> None:
    body = bytes(1000 + excess)
    client.send(b"POST /small HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body + POST)
    assert client.answer()[0] == status
    assert client.answer()[2] == b"hello"


def test_an_oversized_body_is_read_to_its_end_and_answered(server: Serving, client: RawClient) -> None:
    body = bytes(BODY_LIMIT + 1)
    client.send(b"POST /big HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert client.answer()[::2] == (413, b"too large")
    client.send(POST)
    assert client.answer()[2] == b"hello"
    assert server.handler.requests[0] == ("POST", "/big", b"")


def test_a_body_at_the_limit_arrives_whole(server: Serving, client: RawClient) -> None:
    body = bytes(range(256)) * (BODY_LIMIT // 256)
    client.send(b"POST /big HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert client.answer()[2] == body


@pytest.mark.parametrize("name", sorted(SMUGGLING))
def test_smuggling_form_is_answered_and_the_connection_ends(server: Serving, name: str) -> None:
    client = RawClient(server.connect())
    client.send(SMUGGLING[name] + b"GET /smuggled HTTP/1.1\r\n\r\n")
    status, headers, _ = client.answer()
    assert 400 <= status < 600
    assert headers["connection"] == "close"
    client.sock.shutdown(socket.SHUT_WR)
    assert client.is_at_end()
    client.close()
    assert [path for _, path, _ in server.handler.requests if path == "/smuggled"] == []


def test_a_refusal_reaches_a_client_that_is_still_sending(server: Serving) -> None:
    client = RawClient(server.connect())
    client.send(b"GET / HTTP/3.0\r\n\r\n" + bytes(900_000))
    assert client.answer()[0] == 505
    assert client.is_at_end()
    client.close()


def test_bytes_that_are_not_http_are_refused(server: Serving) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", b"\0" * 70_000, b"GET / HTTP/1.1\n"):
        client = RawClient(server.connect())
        client.send(data)
        assert client.answer()[0] in (400, 431)
        client.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HT",
        b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nhel",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
def test_a_client_that_ends_inside_a_request_is_told_and_nothing_is_handled(server: Serving, data: bytes) -> None:
    client = RawClient(server.connect())
    client.send(data)
    client.sock.shutdown(socket.SHUT_WR)
    assert client.answer()[0] == 400
    assert client.is_at_end()
    client.close()
    assert server.handler.requests == []


def test_clients_that_vanish_harm_nobody(server: Serving, client: RawClient) -> None:
    for data in (b"", b"GET / HT", b"POST / HTTP/1.1\r\ncontent-length: 900\r\n\r\nhel", POST, POST * 50):
        for end in (socket.socket.close, reset):
            sock = server.connect()
            sock.sendall(data)
            end(sock)
    client.send(POST)
    assert client.answer()[2] == b"hello"


def test_a_client_that_vanishes_while_its_answer_is_made_harms_nobody(server: Serving, client: RawClient) -> None:
    slow = server.connect()
    slow.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
    assert server.handler.slow_begun.wait(10)
    reset(slow)
    server.handler.is_released = True
    client.send(POST)
    assert client.answer()[2] == b"hello"


def test_a_slow_loris_keeps_no_other_client_waiting(server: Serving, client: RawClient) -> None:
    lorises = [server.connect() for _ in range(50)]
    for loris in lorises:
        loris.sendall(b"POST / HTTP/1.1\r\nx: ")
    for loris in lorises:
        loris.sendall(b"y")
    client.send(POST)
    assert client.answer()[2] == b"hello"
    for loris in lorises:
        loris.close()


def test_one_more_connection_than_allowed_ends_the_one_that_idles_longest(server: Serving) -> None:
    clients = []
    for _ in range(CONNECTIONS_MAX):
        clients.append(RawClient(server.connect()))
        clients[-1].send(POST)
        assert clients[-1].answer()[2] == b"hello"
    clients[0].send(POST)  # the oldest connection is not the one that idles longest
    assert clients[0].answer()[2] == b"hello"
    extra = RawClient(server.connect())
    extra.send(POST)
    assert extra.answer()[2] == b"hello"
    assert clients[1].is_at_end()
    for client in (clients[0], clients[2], clients[-1], extra):
        client.send(POST)
        assert client.answer()[2] == b"hello"
    for client in [*clients, extra]:
        client.close()


def test_when_no_connection_idles_a_further_one_waits_until_one_ends(server: Serving) -> None:
    busy = []
    for _ in range(CONNECTIONS_MAX):
        client = RawClient(server.connect())
        client.send(b"POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\n")
        busy.append(client)
    wait_until(lambda: server.handler.bodies_begun == CONNECTIONS_MAX)
    extra = RawClient(server.connect())
    extra.send(POST)
    extra.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        extra.sock.recv(1)
    busy[7].sock.close()
    busy[7]._reader.close()
    again = extra.sock
    again.settimeout(10)
    assert again.recv(12) == b"HTTP/1.1 200"
    extra.close()
    for client in busy:
        client.close()


def test_stop_lets_a_running_request_finish_and_ends_idle_connections() -> None:
    with Serving(stop_ms=10_000) as server:
        idle, slow = RawClient(server.connect()), RawClient(server.connect())
        idle.send(POST)
        assert idle.answer()[2] == b"hello"
        slow.send(b"GET /slow HTTP/1.1\r\n\r\n")
        assert server.handler.slow_begun.wait(10)
        server.stop()
        assert idle.is_at_end()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        server.handler.is_released = True
        status, headers, _ = slow.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert slow.is_at_end()
        server.join()
        idle.close()
        slow.close()
    assert server.stop_took_s < 5


def test_stop_lets_a_request_that_has_begun_to_arrive_finish() -> None:
    with Serving(stop_ms=10_000) as server:
        client = RawClient(server.connect())
        late = RawClient(server.connect())
        late.send(POST[:20])
        time.sleep(0.05)  # nobody tells when the server has read it
        client.send(POST[:-2])
        wait_until(lambda: server.handler.bodies_begun == 1)
        server.stop()
        wait_until(lambda: is_refused(server))
        for waiting, rest in ((client, POST[-2:]), (late, POST[20:])):
            waiting.send(rest)
            status, headers, body = waiting.answer()
            assert (status, headers["connection"], body) == (200, "close", b"hello")
            waiting.close()
        server.join()


def test_stop_ends_at_its_deadline_whatever_clients_do() -> None:
    with Serving(stop_ms=100) as server:
        slow, loris = RawClient(server.connect()), RawClient(server.connect())
        slow.send(b"GET /slow HTTP/1.1\r\n\r\n")
        loris.send(b"GET /")
        assert server.handler.slow_begun.wait(10)
        server.stop()
        server.join()
        assert slow.is_at_end()
        slow.close()
        loris.close()
    assert 0.1 <= server.stop_took_s < 5


def test_many_clients_at_once_get_their_own_answers(server: Serving) -> None:
    failures: list[str] = []

    def talk(number: int) -> None:
        client = RawClient(server.connect())
        for turn in range(20):
            body = b"%d/%d" % (number, turn) * (number + 1)
            client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            if client.answer()[2] != body:
                failures.append(f"{number}/{turn}")
        client.close()

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(server.handler.requests) == 24 * 20
