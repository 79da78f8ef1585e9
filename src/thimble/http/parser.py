"""HTTP/1.1 messages as a pure object: bytes in, heads and body pieces out, no socket.

Strict where leniency has let requests be smuggled: one way to end a line (CRLF), no folded headers, no space before a
colon, at most one `Content-Length` and never together with `Transfer-Encoding`, whose only value is `chunked`. Limits
on everything; for comparison, nginx allows 32 KB and Apache 8 KB for a head, 100 header fields.

Source: RFC 9110 and RFC 9112; sections are named at the rules.
"""

from __future__ import annotations

from typing import Final

HEAD_BYTES_MAX: Final = 65_536
HEADERS_MAX: Final = 128
CHUNK_LINE_BYTES_MAX: Final = 1_024
TRAILER_BYTES_MAX: Final = 16_384

UNTIL_CLOSE: Final = -1
"""Length of a body that ends with its connection (answers only)."""

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"
_CONTROLS: Final = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f"
"""All but tab, CR and LF."""


class ProtocolError(Exception):
    """The peer did not speak HTTP/1.1 as it must; `status` is the answer to a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Head:
    """The start line and the headers of one message.

    `headers` keeps order and repetitions; names are lower-case, values are stripped, both as text in Latin-1.
    """

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.status = 0
        self.reason = ""
        self.minor_version = 1
        self.headers: list[tuple[str, str]] = []
        self.length = 0
        """Body bytes announced; `UNTIL_CLOSE`, or 0 together with `is_chunked`."""
        self.is_chunked = False
        self.keeps_alive = True
        self.expects_continue = False

    def get(self, name: str) -> str:
        """The first value of a header, `""` when there is none. `name` in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""

    @property
    def path(self) -> str:
        """The target without its query, and without the scheme and host that a client may send to a proxy.

        Source: RFC 9112, 3.2.2: a server accepts the absolute form.
        """
        path = self.target.partition("?")[0]
        if path.startswith("/"):
            return path
        _, separator, rest = path.partition("://")
        return "/" + rest.partition("/")[2] if separator else path


_START: Final = 0
_BODY: Final = 1
_CHUNK_LINE: Final = 2
_CHUNK_DATA: Final = 3
_CHUNK_END: Final = 4
_TRAILERS: Final = 5
_DONE: Final = 6


class MessageParser:
    """Cuts the bytes of one direction of a connection into messages.

    Feed bytes as they come. `next_head` gives the head of the next message once it is complete; then `next_piece` gives
    its body, piece by piece, until `is_complete`. Bytes of the following message stay for later (pipelining). Where the
    input was cut makes no difference to what comes out, errors included.

    Holds one buffer and a position in it, so that many small messages or chunks in one buffer are not copied again and
    again.
    """

    def __init__(self, is_request: bool) -> None:
        self._is_request = is_request
        self._buffer = b""
        self._at = 0
        self._state = _START
        self._remaining = 0
        self._trailer_bytes = 0
        self.trailers: list[tuple[str, str]] = []

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait that nobody has asked for."""
        return self._at < len(self._buffer)

    @property
    def is_complete(self) -> bool:
        """Whether the current message has ended."""
        return self._state == _DONE

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def next_head(self, is_answer_to_head: bool = False) -> Head | None:
        """The next head, or None when more bytes are needed.

        Raises:
            ProtocolError: What came is not a head, or too large.
        """
        assert self._state in (_START, _DONE), "the body was not read to its end"
        self._state = _START
        # RFC 9112, 2.2: a server ignores empty lines before the request line.
        while self._is_request and self._buffer.startswith(b"\r\n", self._at):
            self._at += 2
        end = self._buffer.find(b"\r\n\r\n", self._at, self._at + HEAD_BYTES_MAX + 4)
        if end < 0:
            self._refuse_bare_newline(HEAD_BYTES_MAX)
            # Up to three bytes of the end of a head of full length may be here already.
            if len(self._buffer) - self._at > HEAD_BYTES_MAX + 3:
                raise ProtocolError(431, f"head above {HEAD_BYTES_MAX} bytes")
            return None
        raw = self._buffer[self._at : end]
        self._at = end + 4
        lines = raw.decode("latin-1").split("\r\n")
        if raw.count(b"\n") != len(lines) - 1:
            raise _bare_newline()
        # Checked over the whole head at once: it is what costs.
        if raw.count(b"\r") != len(lines) - 1 or _has_control(raw):
            raise ProtocolError(400, "control character in the head")
        if len(lines) - 1 > HEADERS_MAX:
            raise ProtocolError(431, f"more than {HEADERS_MAX} headers")
        head = Head()
        if self._is_request:
            _parse_request_line(lines[0], head)
        else:
            _parse_status_line(lines[0], head)
        for index in range(1, len(lines)):
            head.headers.append(_parse_header(lines[index]))
        _settle(head, self._is_request, is_answer_to_head)
        self.trailers = []
        self._trailer_bytes = 0
        self._release()
        if head.is_chunked:
            self._state = _CHUNK_LINE
        elif head.length == 0:
            self._state = _DONE
        else:
            self._state = _BODY
            self._remaining = head.length
        return head

    def next_piece(self) -> bytes | None:
        """The next piece of the body; None when more bytes are needed or the message is complete.

        Raises:
            ProtocolError: The chunked coding is broken.
        """
        while True:
            if self._state == _BODY or self._state == _CHUNK_DATA:
                return self._take_data()
            if self._state == _CHUNK_LINE:
                line = self._take_line(CHUNK_LINE_BYTES_MAX, 400, "chunk size")
                if line is None:
                    return None
                self._remaining = _parse_chunk_size(line)
                self._state = _CHUNK_DATA if self._remaining else _TRAILERS
            elif self._state == _CHUNK_END:
                ending = self._buffer[self._at : self._at + 2]
                if ending != b"\r\n":
                    if b"\r\n".startswith(ending):
                        return None
                    raise ProtocolError(400, "chunk without its end")
                self._at += 2
                self._state = _CHUNK_LINE
            elif self._state == _TRAILERS:
                line = self._take_line(TRAILER_BYTES_MAX - self._trailer_bytes, 431, "trailers")
                if line is None:
                    return None
                if not line:
                    self._state = _DONE
                    self._release()
                    return None
                self._trailer_bytes = min(self._trailer_bytes + len(line) + 2, TRAILER_BYTES_MAX)
                self.trailers.append(_parse_header(line.decode("latin-1")))
            else:
                return None

    def end_of_stream(self) -> None:
        """Tell that no byte will follow.

        Raises:
            ProtocolError: The current message is not complete.
        """
        if self._state == _BODY and self._remaining == UNTIL_CLOSE:
            self._state = _DONE
        elif self._state not in (_START, _DONE) or self.has_pending:
            raise ProtocolError(400, "the connection ended inside a message")

    def _take_data(self) -> bytes | None:
        """What is there of the body or of the chunk, up to its end."""
        ready = len(self._buffer) - self._at
        if ready == 0:
            return None
        if self._remaining == UNTIL_CLOSE or ready < self._remaining:
            piece = self._buffer[self._at :] if self._at else self._buffer
            if self._remaining != UNTIL_CLOSE:
                self._remaining -= ready
            self._at += ready
        else:
            end = self._at + self._remaining
            piece = self._buffer[self._at : end]
            self._at = end
            self._remaining = 0
            self._state = _DONE if self._state == _BODY else _CHUNK_END
        self._release()
        return piece

    def _release(self) -> None:
        """Let go of a buffer that is used up: an idle connection must not hold the last body."""
        if self._at == len(self._buffer):
            self._buffer = b""
            self._at = 0

    def _take_line(self, size_max: int, status: int, what: str) -> bytes | None:
        """The next line without its end, or None when it is not complete."""
        end = self._buffer.find(b"\r\n", self._at, self._at + size_max + 2)
        if end < 0:
            self._refuse_bare_newline(size_max)
            if len(self._buffer) - self._at > size_max + 1:
                raise ProtocolError(status, f"{what} too long")
            return None
        line = self._buffer[self._at : end]
        self._at = end + 2
        if b"\n" in line:
            raise _bare_newline()
        if b"\r" in line or _has_control(line):
            raise ProtocolError(400, f"control character in {what}")
        return line

    def _refuse_bare_newline(self, size_max: int) -> None:
        """Look for a line feed without its carriage return in the lines that are not complete yet."""
        end = self._at + size_max
        found = self._buffer.find(b"\n", self._at, end)
        while found >= 0:
            if found == self._at or self._buffer[found - 1] != 13:
                raise _bare_newline()
            found = self._buffer.find(b"\n", found + 1, end)


def _bare_newline() -> ProtocolError:
    """RFC 9112, 2.2 lets a recipient take a bare LF as a line's end; peers differ on it, so we never do."""
    return ProtocolError(400, "line feed without carriage return")


def _has_control(text: bytes) -> bool:
    """Whether text holds what RFC 9110, 5.5 forbids: controls other than tab. CR and LF are looked at elsewhere."""
    return len(text.translate(None, _CONTROLS)) != len(text)


def _is_token(text: str) -> bool:
    """RFC 9110, 5.6.2. Nearly every token is of letters, digits and hyphens, which is quick to see."""
    if not text.isascii():
        return False
    return text.replace("-", "").isalnum() or (len(text) > 0 and not text.encode("ascii").translate(None, TOKEN))


def _minor_version(text: str) -> int:
    if text == "HTTP/1.1":
        return 1
    if text == "HTTP/1.0":
        return 0
    raise ProtocolError(505, "not HTTP/1.1")


def _parse_request_line(line: str, head: Head) -> None:
    parts = line.split(" ")
    if len(parts) != 3 or not _is_token(parts[0]) or not parts[1] or "\t" in parts[1]:
        raise ProtocolError(400, "not a request line")
    head.minor_version = _minor_version(parts[2])
    head.method = parts[0]
    head.target = parts[1]


def _parse_status_line(line: str, head: Head) -> None:
    parts = line.split(" ", 2)
    code = parts[1] if len(parts) > 1 else ""
    if len(code) != 3 or not code.isascii() or not code.isdigit():
        raise ProtocolError(502, "not a status line")
    head.minor_version = _minor_version(parts[0])
    head.status = int(code)
    head.reason = parts[2] if len(parts) > 2 else ""


def _parse_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    # RFC 9112, 5.1 and 5.2: no space between name and colon, no folded line (which would begin with a space).
    if not colon or not _is_token(name):
        raise ProtocolError(400, "not a header line")
    return name.lower(), value.strip(" \t")


def _settle(head: Head, is_request: bool, is_answer_to_head: bool) -> None:
    """Find out how the body is framed and what happens to the connection afterwards. RFC 9112, 6.1 to 6.3 and 9.3."""
    length = -1
    codings = 0
    closes = False
    keeps = False
    for name, value in head.headers:
        if name == "content-length":
            if length >= 0:
                raise ProtocolError(400, "more than one content-length")
            if not value or len(value) > 18 or not (value.isascii() and value.isdigit()):
                raise ProtocolError(400, "content-length is not a number")
            length = int(value)
        elif name == "transfer-encoding":
            codings += 1
            if value.lower() != "chunked":
                raise ProtocolError(501, "transfer coding other than chunked")
        elif name == "connection":
            options = [option.strip() for option in value.lower().split(",")]
            closes = closes or "close" in options
            keeps = keeps or "keep-alive" in options
        elif name == "expect" and value.lower() == "100-continue":
            head.expects_continue = head.minor_version == 1
    if codings:
        if codings > 1 or length >= 0 or head.minor_version == 0:
            raise ProtocolError(400, "transfer-encoding repeated, in HTTP/1.0, or beside content-length")
        head.is_chunked = True
        length = 0
    head.keeps_alive = not closes and (head.minor_version == 1 or keeps)
    if is_request:
        head.length = max(length, 0)
    elif is_answer_to_head or head.status < 200 or head.status in (204, 304):
        head.length = 0
        head.is_chunked = False
    elif length < 0 and not head.is_chunked:
        head.length = UNTIL_CLOSE
        head.keeps_alive = False
    else:
        head.length = max(length, 0)


def _parse_chunk_size(line: bytes) -> int:
    """RFC 9112, 7.1: hexadecimal digits, then perhaps extensions, which we skip. No space: peers differ on it."""
    digits = line.partition(b";")[0]
    if not digits or len(digits) > 15 or digits.translate(None, _HEX_DIGITS):
        raise ProtocolError(400, "not a chunk size")
    return int(digits, 16)
