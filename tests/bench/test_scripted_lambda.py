"""The measuring side itself: what it accepts from an extension, and what it must refuse to measure."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bench import telemetry_bodies as bodies
from bench.scripted_lambda import Connection

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_request_is_taken_only_when_it_is_whole_wherever_it_is_cut():
    message = b'PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}GET'
    for cut in range(len(message) - 3):
        with socket.socket() as sock:
            connection = Connection(sock)
            connection.data = message[:cut]
            assert connection.take(5) is None
            connection.data += message[cut:]
            call = connection.take(5)
        assert call is not None
        assert (call.method, call.path, call.body, call.at_ns) == ("PUT", "/2022-07-01/telemetry", b'{"a":1}', 5)
        assert connection.data == b"GET"


def test_log_lines_have_their_size_and_are_the_same_in_every_run():
    lines = bodies.lines(200)
    assert {len(line) for line in lines} == {bodies.LINE_BYTES}
    assert lines == bodies.lines(200)
    assert len(set(lines)) == 200


@pytest.mark.parametrize("bytes_max", [500, 4096, bodies.POST_BYTES_MAX])
def test_posts_hold_every_line_once_in_order_and_stay_below_their_limit(bytes_max):
    lines = bodies.lines(300)
    posts = bodies.posts(lines, bytes_max)
    assert [event["record"] for post in posts for event in json.loads(post)] == lines
    assert max(map(len, posts)) <= bytes_max
    assert len(posts) >= sum(map(len, lines)) // bytes_max


EXTENSION = """
    import socket, sys
    def ask(line, body=b""):
        sock.sendall(line + b" HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        return sock.recv(65536)
    host, port = sys.argv[1].split(":")
    sock = socket.create_connection((host, int(port)))
    assert b"Lambda-Extension-Identifier: " in ask(b"POST /2020-01-01/extension/register", b"{}")
    if "impatient" not in sys.argv:
        assert b'"OK"' in ask(b"PUT /2022-07-01/telemetry", b"{}")
    assert b"INVOKE" in ask(b"GET /2020-01-01/extension/event/next")
    assert b"SHUTDOWN" in ask(b"GET /2020-01-01/extension/event/next")
"""

PLATFORM = """
    import subprocess, sys
    from bench.scripted_lambda import NEXT, ScriptedLambda
    api = ScriptedLambda()
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], api.address, *sys.argv[2:]])
    api.boot()
    api.invoke("a-request")
    api.expect(NEXT, 10)
    api.shut_down()
    sys.exit(child.wait(10))
"""


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since the platform moves its process into namespaces."""
    command = [sys.executable, "-c", textwrap.dedent(PLATFORM), textwrap.dedent(EXTENSION), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)


@pytest.mark.network_namespace
def test_an_extension_is_seen_through_registration_invocation_and_shutdown():
    result = play()
    if "Unavailable" in result.stderr:
        pytest.skip("no namespaces here")
    assert result.returncode == 0, result.stderr


@pytest.mark.network_namespace
def test_an_extension_that_leaves_a_step_out_is_not_measured():
    result = play("impatient")
    if "Unavailable" in result.stderr:
        pytest.skip("no namespaces here")
    assert result.returncode == 1
    assert "GET /2020-01-01/extension/event/next came instead of PUT /2022-07-01/telemetry" in result.stderr
