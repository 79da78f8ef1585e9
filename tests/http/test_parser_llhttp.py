"""A second opinion: what both our parser and llhttp take they read alike, and ours never takes what llhttp refuses."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings

from tests.http.llhttp import METHODS_LLHTTP_KNOWS, Message, read_by_llhttp
from tests.http.messages import Event, conversations, read
from tests.http.test_parser_refusals import SMUGGLING


def is_left_to_the_handler(error: str, method: object) -> bool:
    """llhttp knows a list of methods and of forms of targets; ours leaves both to the handler: 404 or 405."""
    return " url" in error or method not in METHODS_LLHTTP_KNOWS


def complete_messages(events: list[Event]) -> list[Message]:
    """Our events as llhttp's reader tells them, up to the message after which the connection closes."""
    found: list[Message] = []
    body = b""
    for event in events:
        if event[0] == "head":
            head = event
            body = b""
        elif event[0] == "body":
            body = bytes(event[1])  # type: ignore[call-overload]
        elif event[0] == "end":
            method, target, status, reason, minor = head[1]  # type: ignore[misc]
            line = (method, target) if method else (status, reason)
            found.append((line, (*head[2], *event[1]), body, f"1.{minor}"))  # type: ignore[misc]
            if not head[5]:
                break
    return found


def compare(data: bytes, is_request: bool) -> tuple[int, str]:
    """Check one conversation; the number of messages that both took, and llhttp's error."""
    ours = complete_messages(read([data], is_request))
    theirs, error = read_by_llhttp(data, is_request)
    shared = min(len(ours), len(theirs))
    assert ours[:shared] == theirs[:shared]
    if len(ours) > shared and error not in ("", "upgrade"):
        what = ours[shared][0][0]  # type: ignore[index]
        is_explained = is_request and is_left_to_the_handler(error, what)
        assert is_explained, f"we took {what}, llhttp says: {error}"
    return shared, error


@settings(max_examples=500)
@given(conversations(True))
@example(
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nt: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
)
def test_requests_are_read_as_llhttp_reads_them(data: bytes) -> None:
    compare(data, True)


@settings(max_examples=500)
@given(conversations(False))
def test_answers_are_read_as_llhttp_reads_them(data: bytes) -> None:
    compare(data, False)


@pytest.mark.parametrize("name", SMUGGLING)
def test_llhttp_takes_no_smuggling_form_differently(name: str) -> None:
    assert compare(SMUGGLING[name], True)[0] == 0


def test_a_typical_request_is_read_alike_whole() -> None:
    data = (
        b"POST /v0.4/traces HTTP/1.1\r\nHost: localhost:8126\r\nX-Datadog-Trace-Count: 1\r\n"
        b"Content-Type: application/msgpack\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n\x91\x90\xc0"
    )
    assert compare(data * 3, True) == (3, "")
