"""URLs taken apart, and requests and answers as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.messages import read
from thimble.http.client import OutgoingRequest, printable
from thimble.http.messages import Answer, parse_url
from thimble.http.parser import Head


@pytest.mark.parametrize(
    ("url", "is_tls", "host", "port", "path", "authority"),
    [
        ("https://intake.example", True, "intake.example", 443, "/", "intake.example"),
        ("http://intake.example/a/b?c=d", False, "intake.example", 80, "/a/b?c=d", "intake.example"),
        ("HTTPS://Intake.Example:8443/", True, "Intake.Example", 8443, "/", "Intake.Example:8443"),
        ("http://127.0.0.1:443?x", False, "127.0.0.1", 443, "/?x", "127.0.0.1:443"),
        ("https://[::1]:8443/a", True, "::1", 8443, "/a", "[::1]:8443"),
        ("https://[::1]", True, "::1", 443, "/", "[::1]"),
        ("https://user:secret@host/a", True, "host", 443, "/a", "host"),
        ("https://host/a#b", True, "host", 443, "/a", "host"),
        ("https://host#/a", True, "host", 443, "/", "host"),
        ("https://host/a@b:c", True, "host", 443, "/a@b:c", "host"),
        ("https://host:443", True, "host", 443, "/", "host"),
    ],
)
def test_a_url_is_taken_apart(url: str, is_tls: bool, host: str, port: int, path: str, authority: str) -> None:
    target = parse_url(url)
    assert (target.is_tls, target.host, target.port, target.path) == (is_tls, host, port, path)
    assert target.authority == authority


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "does not begin with http:// or https://"),
        ("intake.example", "does not begin with http:// or https://"),
        ("ftp://host/", "does not begin with http:// or https://"),
        ("https:/host", "does not begin with http:// or https://"),
        ("https://", "has no valid host"),
        ("https:///path", "has no valid host"),
        ("https://:443/", "has no valid host"),
        ("https://ho st/", "has no valid host"),
        ("https://host\r\nx: y/", "has no valid port"),
        ("https://[::1/", "has no valid host"),
        ("https://host:/", "has no valid port"),
        ("https://host:0/", "has no valid port"),
        ("https://host:65536/", "has no valid port"),
        ("https://host:+1/", "has no valid port"),
        ("https://host:\u0661/", "has no valid port"),
        ("https://host/a b", "has a space in its path"),
        ("https://host/a\r\nx: y", "has a space in its path"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r" (has|does) ") as caught:
        parse_url(url)
    assert str(caught.value) == f"{url!r} {reason}"


@given(st.text())
def test_any_text_is_a_target_or_refused(url: str) -> None:
    for text in (url, f"https://{url}", f"http://host{url}"):
        try:
            target = parse_url(text)
        except ValueError:
            continue
        assert 0 < target.port < 65536
        assert target.host
        assert target.path.startswith("/")
        assert "\r" not in target.authority + target.path
        assert "\n" not in target.authority + target.path


VALUES = st.text(st.characters(max_codepoint=400), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["x-a", "DD-API-KEY"]), VALUES), max_size=4), st.binary(max_size=20))
def test_no_header_value_can_end_its_header(headers: list[tuple[str, str]], body: bytes) -> None:
    request = OutgoingRequest("POST", parse_url("https://host/path"), headers, body)
    head, *others = read([request.encode_head() + body])
    names = [name for name, _ in head[2]]  # type: ignore[attr-defined]
    assert names == ["host", "accept", *(name.lower() for name, _ in headers), "content-length"]
    assert [event[0] for event in others] == (["body"] if body else []) + ["end", "eof"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("a\tb", "a\tb"),
        ("a\r\nb", "a??b"),
        ("key\n", "key?"),
        ("\0\x7f", "??"),
        ("caf\xe9", "caf\xe9"),
    ],
)
def test_controls_become_question_marks(value: str, expected: str) -> None:
    assert printable(value) == expected


def test_a_get_without_a_body_has_no_length() -> None:
    request = OutgoingRequest("GET", parse_url("http://host:81/a"), [("x", "y")], b"")
    assert request.encode_head() == b"GET /a HTTP/1.1\r\nhost: host:81\r\naccept: */*\r\nx: y\r\n\r\n"


@pytest.mark.parametrize(("closes", "has_body"), [(False, True), (True, True), (True, False)])
def test_an_answer_is_read_back_as_it_was_meant(closes: bool, has_body: bool) -> None:
    answer = Answer(418, b"teapot", "text/x")
    answer.headers.append(("x-a", "b"))
    events = read([answer.encode(closes, has_body)], is_request=False, is_answer_to_head=not has_body)
    connection = [("connection", "close")] if closes else []
    assert events[0][1] == ("", "", 418, "Unknown", 1)
    assert events[0][2] == (("content-type", "text/x"), ("x-a", "b"), ("content-length", "6"), *connection)
    assert events[1:] == ([("body", b"teapot")] if has_body else []) + [("end", ()), ("eof",)]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a/b?c=d?e", "/a/b"),
        ("*", "*"),
        ("http://host/a?b", "/a"),
        ("http://host", "/"),
        ("http://host?a=/b", "/"),
        ("/a://b", "/a://b"),
    ],
)
def test_the_path_is_the_target_without_query_and_host(target: str, path: str) -> None:
    head = Head()
    head.target = target
    assert head.path == path


def test_the_first_value_of_a_repeated_header_counts() -> None:
    head = Head()
    head.headers = [("x", "1"), ("x", "2")]
    assert (head.get("x"), head.get("y")) == ("1", "")
