"""HTTP/1.1 messages as a pure object: bytes in, heads and body pieces out, no socket.

Strict where leniency has let requests be smuggled: one way to end a line (CRLF), no folded headers, no space before a
colon, at most one `Content-Length` and never together with `Transfer-Encoding`, whose only value is `chunked`. Limits on
everything; for comparison, nginx allows 32 KB and Apache 8 KB for a head, 100 header fields.

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

TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS: Final = b"0123456789"
_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"


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
        """The target without its query."""
        return self.target.partition("?")[0]


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
    its body, piece by piece, until `is_complete`. Bytes of the following message stay for later (pipelining).
    """

    def __init__(self, is_request: bool) -> None:
        self._is_request = is_request
        self._pending = b""
        self._state = _START
        self._remaining = 0
        self._trailer_bytes = 0
        self.trailers: list[tuple[str, str]] = []

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait that nobody has asked for."""
        return len(self._pending) > 0

    @property
    def is_complete(self) -> bool:
        """Whether the current message has ended."""
        return self._state == _DONE

    @property
    def wanted_bytes(self) -> int:
        """How many bytes of a body of known length are still to come; 0 when that is not known."""
        return max(self._remaining - len(self._pending), 0) if self._state in (_BODY, _CHUNK_DATA) else 0

    def feed(self, data: bytes) -> None:
        self._pending = self._pending + data if self._pending else data

    def next_head(self, is_answer_to_head: bool = False) -> Head | None:
        """The next head, or None when more bytes are needed.

        Raises:
            ProtocolError: What came is not a head, or too large.
        """
        assert self._state in (_START, _DONE), "the body was not read to its end"
        self._state = _START
        # RFC 9112, 2.2: a server ignores empty lines before the request line.
        while self._is_request and self._pending.startswith(b"\r\n"):
            self._pending = self._pending[2:]
        end = self._pending.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX + 4)
        if end < 0:
            if len(self._pending) > HEAD_BYTES_MAX:
                raise ProtocolError(431, f"head above {HEAD_BYTES_MAX} bytes")
            _refuse_bare_newline(self._pending)
            return None
        lines = self._pending[:end].split(b"\r\n")
        self._pending = self._pending[end + 4 :]
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
                if not self._pending:
                    return None
                if self._remaining == UNTIL_CLOSE or len(self._pending) < self._remaining:
                    piece, self._pending = self._pending, b""
                    if self._remaining != UNTIL_CLOSE:
                        self._remaining -= len(piece)
                    return piece
                size = self._remaining
                piece = self._pending[:size]
                self._pending = self._pending[size:]
                self._remaining = 0
                self._state = _DONE if self._state == _BODY else _CHUNK_END
                return piece
            if self._state == _CHUNK_LINE:
                line = self._take_line(CHUNK_LINE_BYTES_MAX, "chunk size")
                if line is None:
                    return None
                self._remaining = _parse_chunk_size(line)
                self._state = _CHUNK_DATA if self._remaining else _TRAILERS
            elif self._state == _CHUNK_END:
                if len(self._pending) < 2 and b"\r\n".startswith(self._pending):
                    return None
                if not self._pending.startswith(b"\r\n"):
                    raise ProtocolError(400, "chunk without its end")
                self._pending = self._pending[2:]
                self._state = _CHUNK_LINE
            elif self._state == _TRAILERS:
                line = self._take_line(TRAILER_BYTES_MAX, "trailer")
                if line is None:
                    return None
                if not line:
                    self._state = _DONE
                    return None
                self._trailer_bytes += len(line) + 2
                if self._trailer_bytes > TRAILER_BYTES_MAX:
                    raise ProtocolError(431, f"trailers above {TRAILER_BYTES_MAX} bytes")
                self.trailers.append(_parse_header(line))
            else:
                return None

    def end_of_stream(self) -> None:
        """Tell that no byte will follow.

        Raises:
            ProtocolError: The current message is not complete.
        """
        if self._state == _BODY and self._remaining == UNTIL_CLOSE:
            self._state = _DONE
        elif self._state not in (_START, _DONE) or self._pending:
            raise ProtocolError(400, "the connection ended inside a message")

    def _take_line(self, size_max: int, what: str) -> bytes | None:
        end = self._pending.find(b"\r\n", 0, size_max + 2)
        if end < 0:
            if len(self._pending) > size_max:
                raise ProtocolError(400, f"{what} above {size_max} bytes")
            _refuse_bare_newline(self._pending)
            return None
        line = self._pending[:end]
        self._pending = self._pending[end + 2 :]
        return line


def _refuse_bare_newline(data: bytes) -> None:
    """RFC 9112, 2.2 lets a recipient take a bare LF as a line's end; peers differ on it, so we never do."""
    at = data.find(b"\n")
    while at >= 0:
        if at == 0 or data[at - 1] != 13:
            raise ProtocolError(400, "line feed without carriage return")
        at = data.find(b"\n", at + 1)


def _is_token(text: bytes) -> bool:
    for char in text:
        if char not in TOKEN:
            return False
    return len(text) > 0


def _has_control(text: bytes) -> bool:
    """Whether a value holds what RFC 9110, 5.5 forbids: controls other than tab."""
    for char in text:
        if (char < 32 and char != 9) or char == 127:
            return True
    return False


def _minor_version(text: bytes) -> int:
    if text == b"HTTP/1.1":
        return 1
    if text == b"HTTP/1.0":
        return 0
    raise ProtocolError(505, "not HTTP/1.1")


def _parse_request_line(line: bytes, head: Head) -> None:
    parts = line.split(b" ")
    if len(parts) != 3 or not _is_token(parts[0]) or not parts[1]:
        raise ProtocolError(400, "not a request line")
    for char in parts[1]:
        if char <= 32 or char == 127:
            raise ProtocolError(400, "control character in the target")
    head.minor_version = _minor_version(parts[2])
    head.method = parts[0].decode("latin-1")
    head.target = parts[1].decode("latin-1")


def _parse_status_line(line: bytes, head: Head) -> None:
    parts = line.split(b" ", 2)
    code = parts[1] if len(parts) > 1 else b""
    if len(code) != 3 or not code.isdigit():
        raise ProtocolError(502, "not a status line")
    if len(parts) > 2 and _has_control(parts[2]):
        raise ProtocolError(502, "control character in the status line")
    head.minor_version = _minor_version(parts[0])
    head.status = int(code)
    head.reason = parts[2].decode("latin-1") if len(parts) > 2 else ""


def _parse_header(line: bytes) -> tuple[str, str]:
    colon = line.find(b":")
    name = line[:colon] if colon > 0 else b""
    # RFC 9112, 5.1 and 5.2: no space between name and colon, no folded line (which would begin with a space).
    if not _is_token(name):
        raise ProtocolError(400, "not a header line")
    value = line[colon + 1 :].strip(b" \t")
    if _has_control(value):
        raise ProtocolError(400, "control character in a header")
    return name.lower().decode("latin-1"), value.decode("latin-1")


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
    """RFC 9112, 7.1: hexadecimal digits, then perhaps extensions, which we skip."""
    digits, _, extension = line.partition(b";")
    digits = digits.rstrip(b" \t")
    if not digits or len(digits) > 15 or _has_control(extension):
        raise ProtocolError(400, "not a chunk size")
    for char in digits:
        if char not in _HEX_DIGITS:
            raise ProtocolError(400, "not a chunk size")
    return int(digits, 16)
