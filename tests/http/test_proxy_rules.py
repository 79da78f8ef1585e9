"""Which hosts a `NO_PROXY` excepts, and what the URL of a proxy may look like."""

from __future__ import annotations

import pytest

from thimble.http.messages import parse_url
from thimble.http.proxy import ProxyRules, excepts, parse_proxy


@pytest.mark.parametrize(
    ("entry", "host", "port", "excepted"),
    [
        ("datadoghq.com", "api.datadoghq.com", 443, True),
        ("datadoghq.com", "datadoghq.com", 443, True),
        (".datadoghq.com", "api.datadoghq.com", 443, True),
        (".datadoghq.com", "datadoghq.com", 443, True),
        ("*.datadoghq.com", "api.datadoghq.com", 443, True),
        ("datadoghq.com", "notdatadoghq.com", 443, False),
        ("api.datadoghq.com", "datadoghq.com", 443, False),
        ("datadoghq.com", "datadoghq.com.example", 443, False),
        ("*", "anything.example", 443, True),
        ("*", "10.0.0.1", 443, True),
        ("datadoghq.com:443", "api.datadoghq.com", 443, True),
        ("datadoghq.com:8443", "api.datadoghq.com", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1", "10.0.0.10", 443, False),
        ("10.0.0.1:443", "10.0.0.1", 443, True),
        ("10.0.0.1:80", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "10.200.3.4", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.0.0.0/33", "10.0.0.1", 443, False),
        ("10.0.0.0/x", "10.0.0.1", 443, False),
        ("0.0.0.0/0", "192.0.2.1", 443, True),
        ("192.0.2.128/25", "192.0.2.127", 443, False),
        ("192.0.2.128/25", "192.0.2.128", 443, True),
        ("10.0.0.0/8", "api.datadoghq.com", 443, False),
        ("2001:db8::/32", "2001:db8::7", 443, True),
        ("2001:db8::/32", "2001:db9::7", 443, False),
        ("10.0.0.0/8", "2001:db8::7", 443, False),
        ("[2001:db8::7]:443", "2001:db8::7", 443, True),
        ("2001:0db8::7", "2001:db8::7", 443, True),
        ("10", "api.10", 443, True),
        (":443", "api.datadoghq.com", 443, False),
        (".", "api.datadoghq.com", 443, False),
    ],
)
def test_an_exception_covers_a_host_and_what_is_below_it(entry: str, host: str, port: int, excepted: bool) -> None:
    assert excepts(entry, host, port) is excepted


def test_only_https_targets_go_through_the_proxy() -> None:
    rules = ProxyRules(parse_proxy("p:3128"), [])
    assert rules.proxy_for(parse_url("http://127.0.0.1:8080/")) is None
    assert rules.proxy_for(parse_url("https://api.datadoghq.com/")) is not None


def test_blanks_and_letter_case_of_exceptions_do_not_matter() -> None:
    rules = ProxyRules(parse_proxy("p:3128"), ["", "  DataDogHQ.com "])
    assert rules.proxy_for(parse_url("https://API.datadoghq.COM/")) is None


@pytest.mark.parametrize(
    ("url", "host", "port", "is_tls", "authorization"),
    [
        ("http://p.example:3128", "p.example", 3128, False, ""),
        ("my-proxy:3128", "my-proxy", 3128, False, ""),
        ("https://p.example/", "p.example", 443, True, ""),
        ("http://p.example", "p.example", 80, False, ""),
        ("http://user:pass@p:1", "p", 1, False, "Basic dXNlcjpwYXNz"),
        ("http://us%40er:p%3Ass%zz@p:1", "p", 1, False, "Basic dXNAZXI6cDpzcyV6eg=="),
        ("http://a@b:c@p:1", "p", 1, False, "Basic YUBiOmM="),
        ("http://[::1]:3128", "::1", 3128, False, ""),
    ],
)
def test_a_proxy_url_needs_a_host_only(url: str, host: str, port: int, is_tls: bool, authorization: str) -> None:
    proxy = parse_proxy(url)
    assert (proxy.host, proxy.port, proxy.is_tls, proxy.authorization) == (host, port, is_tls, authorization)


@pytest.mark.parametrize("url", ["", "http://", "socks5://p:1", "http://p:0", "http://user:secret@", "http://p:99999"])
def test_what_is_no_http_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL of an HTTP proxy") as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)


def test_the_tunnel_is_asked_for_with_host_port_and_credentials() -> None:
    request = parse_proxy("http://u:p@proxy:1").connect_request(parse_url("https://api.datadoghq.com/x"))
    assert request == (
        b"CONNECT api.datadoghq.com:443 HTTP/1.1\r\nhost: api.datadoghq.com:443\r\n"
        b"proxy-authorization: Basic dTpw\r\n\r\n"
    )
