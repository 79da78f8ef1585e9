"""One below each limit of the parser, at it, and one above."""

from __future__ import annotations

import pytest

from tests.http.messages import bodies, refusal
from thimble.http.parser import CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, TRAILER_BYTES_MAX, MessageParser

LINE = b"POST / HTTP/1.1\r\n"
CHUNKED = LINE + b"transfer-encoding: chunked\r\n\r\n"
OUTCOMES = pytest.mark.parametrize(("excess", "is_taken"), [(-1, True), (0, True), (1, False)])


@OUTCOMES
def test_a_head_may_be_as_long_as_the_limit(excess: int, is_taken: bool) -> None:
    head = LINE + b"x: " + b"y" * (HEAD_BYTES_MAX + excess - len(LINE) - 3)
    assert len(head) == HEAD_BYTES_MAX + excess
    expected = None if is_taken else (431, f"head above {HEAD_BYTES_MAX} bytes")
    assert refusal(head + b"\r\n\r\n") == expected


def test_a_head_without_end_is_refused_at_the_limit() -> None:
    parser = MessageParser(True)
    parser.feed(b"GET /" + b"a" * (HEAD_BYTES_MAX - 5 + 3))
    assert parser.next_head() is None
    assert refusal(b"GET /" + b"a" * (HEAD_BYTES_MAX - 5 + 4)) == (431, f"head above {HEAD_BYTES_MAX} bytes")


@OUTCOMES
def test_a_head_may_have_as_many_headers_as_the_limit(excess: int, is_taken: bool) -> None:
    data = LINE + b"a: b\r\n" * (HEADERS_MAX + excess) + b"\r\n"
    assert refusal(data) == (None if is_taken else (431, f"more than {HEADERS_MAX} headers"))


@OUTCOMES
def test_a_chunk_line_may_be_as_long_as_the_limit(excess: int, is_taken: bool) -> None:
    line = b"1;" + b"x" * (CHUNK_LINE_BYTES_MAX + excess - 2)
    assert refusal(CHUNKED + line + b"\r\na\r\n0\r\n\r\n") == (None if is_taken else (400, "chunk size too long"))


@OUTCOMES
def test_one_trailer_may_be_as_long_as_the_limit(excess: int, is_taken: bool) -> None:
    trailer = b"t: " + b"x" * (TRAILER_BYTES_MAX + excess - 3)
    assert refusal(CHUNKED + b"0\r\n" + trailer + b"\r\n\r\n") == (None if is_taken else (431, "trailers too long"))


@OUTCOMES
def test_all_trailers_together_may_be_as_long_as_the_limit(excess: int, is_taken: bool) -> None:
    trailers = b"t: 12345\r\n" * (TRAILER_BYTES_MAX // 10)
    last = b"u:" + b"x" * (TRAILER_BYTES_MAX - len(trailers) + excess - 2)
    data = CHUNKED + b"0\r\n" + trailers + last + b"\r\n\r\n"
    assert refusal(data) == (None if is_taken else (431, "trailers too long"))


@pytest.mark.parametrize(("digits", "is_taken"), [(17, True), (18, True), (19, False)])
def test_a_content_length_has_at_most_eighteen_digits(digits: int, is_taken: bool) -> None:
    data = LINE + b"content-length: " + b"1".rjust(digits, b"0") + b"\r\n\r\nx"
    assert refusal(data) == (None if is_taken else (400, "content-length is not a number"))


@pytest.mark.parametrize(("digits", "is_taken"), [(14, True), (15, True), (16, False)])
def test_a_chunk_size_has_at_most_fifteen_digits(digits: int, is_taken: bool) -> None:
    data = CHUNKED + b"1".rjust(digits, b"0") + b"\r\na\r\n0\r\n\r\n"
    assert refusal(data) == (None if is_taken else (400, "not a chunk size"))


def test_thousands_of_messages_in_one_buffer_are_read_in_order() -> None:
    count = 20_000
    data = b"".join(b"POST /%d HTTP/1.1\r\ncontent-length: 5\r\n\r\n%05d" % (number, number) for number in range(count))
    assert bodies(data) == [b"%05d" % number for number in range(count)]


def test_a_body_of_many_small_chunks_in_one_buffer_is_put_together() -> None:
    data = CHUNKED + b"2\r\nab\r\n" * 20_000 + b"0\r\n\r\n"
    assert bodies(data) == [b"ab" * 20_000]


def test_a_parser_that_gave_a_body_holds_none_of_it() -> None:
    parser = MessageParser(True)
    parser.feed(LINE + b"content-length: 1000000\r\n\r\n" + bytes(1_000_000))
    assert parser.next_head() is not None
    assert parser.next_piece() == bytes(1_000_000)
    assert parser.is_complete
    assert parser._buffer == b""
