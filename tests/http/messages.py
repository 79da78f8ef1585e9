"""Read whole conversations with the parser under test, and make up messages for it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from thimble.http.parser import MessageParser, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

Event = tuple[object, ...]

REQUEST_LINES = (b"POST /a HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"HEAD * HTTP/1.1\r\n")
STATUS_LINES = (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No\r\n", b"HTTP/1.0 500 \r\n", b"HTTP/1.1 304\r\n")
HEADERS = (
    b"Host: a\r\n", b"X-Empty:\r\n", b"x-tab:\t a\tb \t\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length: 05\r\n", b"Content-Length: 5, 5\r\n",
    b"Content-Length: +5\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding: Chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding : chunked\r\n",
)  # fmt: skip
BODIES = (
    b"hello", b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n",
    b"00005\r\nhello\r\n", b"5 \r\nhello\r\n", b"-5\r\n", b"0x5\r\nhello\r\n", b"ffffffffffffffff\r\n",
)  # fmt: skip
SCRAPS = (
    b"PUT /", b" HTTP/1.1\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"\r\n\r\n", b" folded\r\n", b"\n", b"\r",
    b"\0", b":", b" ", b"X", b"\xff",
)  # fmt: skip
FRAGMENTS = (*REQUEST_LINES, *STATUS_LINES, *HEADERS, *BODIES, *SCRAPS)
"""Pieces of messages, right and wrong, that meet each other in any order."""


def conversations(is_request: bool) -> st.SearchStrategy[bytes]:
    """Bytes that are often a message or nearly one: a start line, headers, a body, then anything."""
    message = st.tuples(
        st.sampled_from(REQUEST_LINES if is_request else STATUS_LINES),
        st.lists(st.sampled_from(HEADERS), max_size=4).map(b"".join),
        st.just(b"\r\n"),
        st.lists(st.sampled_from(BODIES), max_size=4).map(b"".join),
    ).map(b"".join)
    anything = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=6), max_size=8).map(b"".join)
    return st.lists(message | message | anything, min_size=1, max_size=3).map(b"".join)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in pieces, cut at each of `places` (taken modulo its length)."""
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(at)]


def read(pieces: Iterable[bytes], is_request: bool = True, is_answer_to_head: bool = False) -> list[Event]:
    """Every event that these pieces give, with neighbouring body pieces joined.

    Events are `("head", start line, headers, length, is_chunked, keeps_alive)`, `("body", bytes)`, `("end", trailers)`,
    and at last `("error", status, text)` or `("eof",)`.
    """
    parser = MessageParser(is_request)
    events: list[Event] = []
    is_inside = False
    try:
        for piece in pieces:
            parser.feed(piece)
            while True:
                if not is_inside:
                    head = parser.next_head(is_answer_to_head)
                    if head is None:
                        break
                    is_inside = True
                    line = (head.method, head.target, head.status, head.reason, head.minor_version)
                    events.append(("head", line, tuple(head.headers), head.length, head.is_chunked, head.keeps_alive))
                while (body := parser.next_piece()) is not None:
                    assert body, "an empty piece"
                    if events[-1][0] == "body":
                        body = events.pop()[1] + body  # type: ignore[operator]
                    events.append(("body", body))
                if not parser.is_complete:
                    break
                is_inside = False
                events.append(("end", tuple(parser.trailers)))
        parser.end_of_stream()
        if is_inside:
            events.append(("end", tuple(parser.trailers)))
    except ProtocolError as error:
        events.append(("error", error.status, str(error)))
    else:
        events.append(("eof",))
    return events


def refusal(data: bytes, is_request: bool = True) -> tuple[int, str] | None:
    """Status and text of the error that ends these bytes, None when all of them were taken."""
    last = read([data], is_request)[-1]
    return (int(str(last[1])), str(last[2])) if last[0] == "error" else None


def bodies(data: bytes, is_request: bool = True) -> list[bytes]:
    """The bodies of the messages in these bytes."""
    found: list[bytes] = []
    for event in read([data], is_request):
        if event[0] == "head":
            found.append(b"")
        elif event[0] == "body":
            found[-1] = event[1]  # type: ignore[assignment]
    return found
