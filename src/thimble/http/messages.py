"""Requests and answers as the servers and the client pass them around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .parser import Head

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"

REASONS: Final = {
    100: "Continue", 200: "OK", 202: "Accepted", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 413: "Payload Too Large", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
}  # fmt: skip


class Request:
    """One request to a local server, its body read."""

    def __init__(self, head: Head, body: bytes, is_oversized: bool) -> None:
        self.head = head
        self.body = body
        self.is_oversized = is_oversized
        """The body was above the route's limit; it was read and thrown away, and `body` is empty."""

    @property
    def method(self) -> str:
        return self.head.method

    @property
    def path(self) -> str:
        return self.head.path


class Answer:
    """What a local server answers."""

    def __init__(self, status: int, body: bytes = b"", content_type: str = TEXT) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers: list[tuple[str, str]] = []
        self.closes = False

    def encode(self, closes: bool, has_body: bool) -> bytes:
        """The answer's bytes; without its body for a HEAD request."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}"]
        if self.body:
            lines.append(f"content-type: {self.content_type}")
        for name, value in self.headers:
            lines.append(f"{name}: {value}")
        lines.append(f"content-length: {len(self.body)}")
        if closes:
            lines.append("connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        return head + self.body if has_body else head


class Response:
    """What a server elsewhere answered to our request."""

    def __init__(self, head: Head, body: bytes) -> None:
        self.status = head.status
        self.head = head
        self.body = body


class Target:
    """Where a request goes: the parts of an `http://` or `https://` URL."""

    def __init__(self, is_tls: bool, host: str, port: int, path: str) -> None:
        self.is_tls = is_tls
        self.host = host
        self.port = port
        self.path = path

    @property
    def authority(self) -> str:
        """The `Host` header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def key(self) -> str:
        """What two targets share when a connection can serve both."""
        return f"{'https' if self.is_tls else 'http'}://{self.host}:{self.port}"


def parse_url(url: str) -> Target:
    """Take an absolute URL apart.

    Raises:
        ValueError: It is not `http(s)://host[:port][/path]`; the text says what is wrong.
    """
    scheme, separator, rest = url.partition("://")
    is_tls = scheme.lower() == "https"
    if not separator or (not is_tls and scheme.lower() != "http"):
        raise ValueError(f"{url!r} does not begin with http:// or https://")
    cut = len(rest)
    for mark in "/?#":
        at = rest.find(mark)
        if 0 <= at < cut:
            cut = at
    authority, path = rest[:cut], rest[cut:].partition("#")[0]
    authority = authority.rpartition("@")[2]
    host, port = authority, 443 if is_tls else 80
    colon = authority.rfind(":")
    if colon > authority.rfind("]"):
        text = authority[colon + 1 :]
        if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
            raise ValueError(f"{url!r} has no valid port")
        host, port = authority[:colon], int(text)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or any(char <= " " or char in "/\\@[]" for char in host):
        raise ValueError(f"{url!r} has no valid host")
    if any(char <= " " for char in path):
        raise ValueError(f"{url!r} has a space in its path")
    return Target(is_tls, host, port, path if path.startswith("/") else "/" + path)
