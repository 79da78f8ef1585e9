"""What the parser refuses, above all the forms by which requests have been smuggled past one of two parsers."""

from __future__ import annotations

import pytest

from tests.http.messages import bodies, read, refusal

POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"

SMUGGLING = {
    "length and coding": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "two equal lengths": POST + b"content-length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "length list": POST + b"content-length: 5, 5\r\n\r\nhello",
    "length with plus": POST + b"content-length: +5\r\n\r\nhello",
    "length with minus": POST + b"content-length: -5\r\n\r\nhello",
    "length with space": POST + b"content-length: 5 5\r\n\r\nhello",
    "length in hex": POST + b"content-length: 0x5\r\n\r\nhello",
    "length with underscore": POST + b"content-length: 1_0\r\n\r\nhello",
    "length in other digits": POST + b"content-length: \xb2\r\n\r\nhe",
    "length empty": POST + b"content-length:\r\n\r\n",
    "length with decimals": POST + b"content-length: 5.0\r\n\r\nhello",
    "coding gzip": POST + b"transfer-encoding: gzip\r\n\r\n",
    "coding gzip, chunked": POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding chunked, identity": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "coding twice in one": POST + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "coding twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding empty then chunked": POST + b"transfer-encoding:\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding xchunked": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding quoted": POST + b'transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding after vertical tab": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding with semicolon": POST + b"transfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "coding with comma": POST + b"transfer-encoding: chunked,\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": POST + b"x: a\r\n b\r\n\r\n",
    "folded coding": POST + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded by tab": POST + b"x: a\r\n\tb\r\n\r\n",
    "first header folded": b"POST / HTTP/1.1\r\n host: a\r\n\r\n",
    "space before colon": POST + b"content-length : 5\r\n\r\nhello",
    "tab before colon": POST + b"content-length\t: 5\r\n\r\nhello",
    "no colon": POST + b"content-length 5\r\n\r\nhello",
    "no name": POST + b": 5\r\n\r\n",
    "space in name": POST + b"content length: 5\r\n\r\nhello",
    "control in name": POST + b"content\x01length: 5\r\n\r\nhello",
    "non-ASCII name": POST + b"content-l\xe9ngth: 5\r\n\r\nhello",
    "bare LF after request line": b"POST / HTTP/1.1\nhost: a\r\n\r\n",
    "bare LF after header": POST + b"x: a\ny: b\r\n\r\n",
    "bare LF twice": b"GET / HTTP/1.1\n\n",
    "LF and CRLF": b"GET / HTTP/1.1\r\nhost: a\n\r\n\r\n",
    "bare CR in header": POST + b"x: a\rcontent-length: 5\r\n\r\n",
    "bare CR in request line": b"GET /\rx HTTP/1.1\r\n\r\n",
    "CR CR LF": POST + b"x: a\r\r\n\r\n",
    "NUL in value": POST + b"x: a\0b\r\n\r\n",
    "NUL in name": POST + b"x\0: a\r\n\r\n",
    "NUL in target": b"GET /\0 HTTP/1.1\r\n\r\n",
    "DEL in value": POST + b"x: a\x7f\r\n\r\n",
    "leading LF": b"\nGET / HTTP/1.1\r\n\r\n",
    "leading space": b" GET / HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no version": b"GET / \r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n\r\n",
    "HTTP/1.10": b"GET / HTTP/1.10\r\n\r\n",
    "HTTP/01.1": b"GET / HTTP/01.1\r\n\r\n",
    "http/1.1": b"GET / http/1.1\r\n\r\n",
    "space after version": b"GET / HTTP/1.1 \r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n\r\n",
    "tab for space": b"GET\t/\tHTTP/1.1\r\n\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\n\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "method with colon": b"GE:T / HTTP/1.1\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "chunk size with minus": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "chunk size with plus": CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size overlong": CHUNKED + b"10000000000000001\r\na\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\na\r\n0\r\n\r\n",
    "chunk size with underscore": CHUNKED + b"1_0\r\naaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
    "chunk size after space": CHUNKED + b" 1\r\na\r\n0\r\n\r\n",
    "chunk size before space": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "chunk size before tab": CHUNKED + b"1\t\r\na\r\n0\r\n\r\n",
    "chunk size with bare LF": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "chunk size with bare CR": CHUNKED + b"1\ra\r\n0\r\n\r\n",
    "chunk extension with bare LF": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "chunk extension with bare CR": CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n",
    "chunk extension only": CHUNKED + b";a\r\na\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "chunk shorter than said": CHUNKED + b"5\r\na\r\n0\r\n\r\n\r\n\r\n",
    "chunk ended by LF": CHUNKED + b"1\r\na\n0\r\n\r\n",
    "last chunk ended by LF": CHUNKED + b"0\r\n\n",
    "trailer folded": CHUNKED + b"0\r\nx: a\r\n b\r\n\r\n",
    "trailer without colon": CHUNKED + b"0\r\nx\r\n\r\n",
    "trailer with bare LF": CHUNKED + b"0\r\nx: a\ny: b\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling_form_is_refused(name: str) -> None:
    found = refusal(SMUGGLING[name])
    assert found is not None
    assert found[0] in (400, 501, 505)
    assert found[1] != "the connection ended inside a message", "it waits for more instead of refusing"


@pytest.mark.parametrize("name", SMUGGLING)
def test_refused_bytes_never_become_a_second_request(name: str) -> None:
    events = read([SMUGGLING[name] + b"GET /smuggled HTTP/1.1\r\n\r\n"])
    assert not [event for event in events if event[0] == "head" and "/smuggled" in str(event[1])]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (POST + b"content-length: 5\r\n\r\nhello", b"hello"),
        (POST + b"content-length:5\r\n\r\nhello", b"hello"),
        (POST + b"Content-Length: \t 005 \t\r\n\r\nhello", b"hello"),
        (POST + b"\r\n", b""),
        (POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (CHUNKED + b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
        (CHUNKED + b'5;name="a;b"\r\nhello\r\n00\r\nx: y\r\n\r\n', b"hello"),
        (CHUNKED + b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
        (b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (b"GET / HTTP/1.0\r\n\r\n", b""),
        (b"get / HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (b"GET http://a/b?c HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (b"GET /\xe9 HTTP/1.1\r\nx: \xe9\r\n\r\n", b""),
    ],
)
def test_right_request_is_taken(data: bytes, body: bytes) -> None:
    assert refusal(data) is None
    assert bodies(data) == [body]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 20 OK\r\n\r\n", 502),
        (b"HTTP/1.1 2000 OK\r\n\r\n", 502),
        (b"HTTP/1.1 +20 OK\r\n\r\n", 502),
        (b"HTTP/1.1\r\n\r\n", 502),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", 400),
        (b"HTTP/2 200 OK\r\n\r\n", 505),
        (b"ICY 200 OK\r\n\r\n", 505),
        (b"<html>\r\n\r\n", 502),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n", 400),
    ],
)
def test_wrong_answer_is_refused(data: bytes, status: int) -> None:
    found = refusal(data, is_request=False)
    assert found is not None
    assert found[0] == status


def test_answers_end_by_length_chunks_or_the_connection() -> None:
    assert bodies(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", False) == [b"ab"]
    assert bodies(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", False) == [b"ab"]
    assert bodies(b"HTTP/1.1 200 OK\r\n\r\nab and all that follows", False) == [b"ab and all that follows"]
    assert bodies(b"HTTP/1.0 200\r\n\r\n", False) == [b""]


@pytest.mark.parametrize("start", [b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 Continue"])
def test_answers_without_a_body_have_none_whatever_their_headers_say(start: bytes) -> None:
    data = start + b"\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"
    assert bodies(data, False) == [b"", b"x"]


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    events = read([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"], False, is_answer_to_head=True)
    assert [event[0] for event in events] == ["head", "end", "eof"]


@pytest.mark.parametrize(
    ("headers", "version", "keeps"),
    [
        (b"", b"1.1", True),
        (b"connection: close\r\n", b"1.1", False),
        (b"connection: Close\r\n", b"1.1", False),
        (b"connection: keep-alive\r\nconnection: close\r\n", b"1.1", False),
        (b"connection: x , close\r\n", b"1.1", False),
        (b"connection: closed\r\n", b"1.1", True),
        (b"", b"1.0", False),
        (b"connection: keep-alive\r\n", b"1.0", True),
        (b"connection: keep-alive, close\r\n", b"1.0", False),
    ],
)
def test_connection_header_and_version_decide_about_keep_alive(headers: bytes, version: bytes, keeps: bool) -> None:
    events = read([b"GET / HTTP/" + version + b"\r\n" + headers + b"\r\n"])
    assert events[0][-1] is keeps
