"""Where the network cuts the bytes makes no difference to what the parser says."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.http.messages import conversations, cut, read
from thimble.http.parser import CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, TRAILER_BYTES_MAX

PLACES = st.lists(st.integers(0, 1_000_000), max_size=12)


@settings(max_examples=300)
@given(st.booleans().flatmap(lambda side: st.tuples(st.just(side), conversations(side))), PLACES)
@example((True, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), [1, 3])
@example((True, b"GET / HTTP/1.1\nHost: a\r\n\r\n"), [15])
@example((True, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"), [50])
def test_cutting_the_input_anywhere_gives_the_same_events(case: tuple[bool, bytes], places: list[int]) -> None:
    is_request, data = case
    assert read(cut(data, places), is_request) == read([data], is_request)


@settings(max_examples=150)
@given(st.booleans().flatmap(lambda side: st.tuples(st.just(side), conversations(side))))
def test_byte_by_byte_gives_the_same_events(case: tuple[bool, bytes]) -> None:
    is_request, data = case
    assert read([data[at : at + 1] for at in range(len(data))], is_request) == read([data], is_request)


def near_limits() -> list[bytes]:
    """Messages one below, at and one above each limit."""
    found: list[bytes] = []
    for excess in (-1, 0, 1, 2, 3, 4):
        line = b"POST / HTTP/1.1\r\n"
        head = line + b"x: " + b"y" * (HEAD_BYTES_MAX + excess - len(line) - 3)
        found.append(head + b"\r\n\r\n")
        found.append(line + b"\r\n".join([b"a: b"] * (HEADERS_MAX + excess)) + b"\r\n\r\n")
        chunked = line + b"transfer-encoding: chunked\r\n\r\n"
        found.append(chunked + b"1;" + b"x" * (CHUNK_LINE_BYTES_MAX + excess - 2) + b"\r\na\r\n0\r\n\r\n")
        found.append(chunked + b"0\r\nt: " + b"x" * (TRAILER_BYTES_MAX + excess - 5) + b"\r\n\r\n")
        found.append(
            chunked + b"0\r\n" + b"t: 12345\r\n" * (TRAILER_BYTES_MAX // 10) + b"x" * (4 + excess) + b"\r\n\r\n"
        )
        found.append(head[:-10] + b"\n" + head[-9:] + b"\r\n\r\n")
    return found


@settings(max_examples=120)
@given(st.sampled_from(near_limits()), st.lists(st.integers(-12, 12), max_size=8))
def test_cuts_near_a_limit_give_the_same_events(data: bytes, places: list[int]) -> None:
    # Near the end, and near where a limit may be reached.
    edges = [len(data) + place for place in places] + [max(HEAD_BYTES_MAX + place, 0) for place in places]
    assert read(cut(data, edges)) == read([data])
