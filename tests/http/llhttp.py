"""The same bytes read by llhttp, Node's parser, as a second opinion. Source: PyPI `httptools`."""

from __future__ import annotations

import httptools

Message = tuple[object, ...]
"""`(start line, headers with lower-case names, body)`."""

METHODS_LLHTTP_KNOWS = frozenset(
    ("DELETE", "GET", "HEAD", "POST", "PUT", "CONNECT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND",
     "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE",
     "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE", "MKCALENDAR", "LINK", "UNLINK", "SOURCE",
     "QUERY")
)  # fmt: skip


class _Collector:
    """What `httptools` calls while it parses."""

    def __init__(self) -> None:
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser | None = None
        self.complete: list[Message] = []
        self._target = b""
        self._reason = b""
        self._headers: list[tuple[str, str]] = []
        self._body = b""

    def on_message_begin(self) -> None:
        self._target = self._reason = self._body = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower().decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        parser = self.parser
        if isinstance(parser, httptools.HttpRequestParser):
            line: tuple[object, ...] = (parser.get_method().decode(), self._target.decode("latin-1"))
        else:
            assert parser is not None
            line = (parser.get_status_code(), self._reason.decode("latin-1"))
        self.complete.append((line, tuple(self._headers), self._body, parser.get_http_version()))


def read_by_llhttp(data: bytes, is_request: bool) -> tuple[list[Message], str]:
    """The complete messages, and the error that ended them ("" for none)."""
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector) if is_request else httptools.HttpResponseParser(collector)
    collector.parser = parser
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return collector.complete, "upgrade"
    except httptools.HttpParserError as error:
        return collector.complete, str(error)
    return collector.complete, ""
