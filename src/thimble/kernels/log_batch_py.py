"""Scanner of telemetry bodies: plain log lines become intake entries, everything else is handed back. Pure twin.

A body is a JSON array of events. The scanner is lenient about the array (commas, brackets and white space between
events are skipped) and strict about an event: it turns into an entry only

- if it is an object whose `type` is `function` or `extension` and whose `record` is a string,
- if that string cannot be a JSON object (its first character that is not white space is no `{`), and
- if it has no sign of an exhausted memory (`emory`, `signal: killed`).

Where an event ends is found by counting brackets outside of strings, without judging what lies between them.
"""

from __future__ import annotations

from typing import Final

import orjson

from thimble.core.codec.json_bounds import object_end
from thimble.core.codec.rfc3339 import INVALID_TIME_MS, parse_time_ms
from thimble.kernels import log_batch_codes as codes

_BETWEEN_EVENTS: Final = b" \t\r\n,[]"
_OPEN_BRACE: Final = 0x7B


class LogScanner:
    """Turn the plain log lines of a body into entries, as far as there is room for them.

    Attributes after `scan`:
        entries: Entries joined by commas; empty when `count` is 0.
        count: Number of entries.
        position: Where the next call goes on.
        event_start, event_end: The slice that an answer speaks of; see `log_batch_codes`.
    """

    def __init__(self) -> None:
        self.entries = b""
        self.count = 0
        self.position = 0
        self.event_start = 0
        self.event_end = 0
        self._head = b""
        self._after_text = b""
        self._after_time = b""
        self._entry_bytes_max = 0
        self._plain = False

    def set_fragments(self, head: bytes, after_text: bytes, after_time: bytes, entry_bytes_max: int) -> None:
        """Set what stands around the text and the time of each entry, and the size above which an event is handed back.

        An empty `head` means that every event is handed back.
        """
        self._head = head
        self._after_text = after_text
        self._after_time = after_time
        self._entry_bytes_max = entry_bytes_max

    def scan(self, body: bytes, position: int, entries_max: int, bytes_max: int) -> int:
        """Go on at `position`, an offset into `body` between two events.

        Args:
            body: Valid UTF-8.
            position: 0, or `position` of the scan before.
            entries_max: Entries that fit.
            bytes_max: Bytes of joined entries that fit.

        Returns:
            One of `log_batch_codes`.
        """
        entries: list[bytes] = []
        size = 0
        reason = codes.END
        length = len(body)
        while True:
            while position < length and body[position] in _BETWEEN_EVENTS:
                position += 1
            self.event_start = position
            if position == length:
                self.event_end = position
                break
            if body[position] != _OPEN_BRACE:
                position = _skip_garbage(body, position)
                self.event_end = position
                reason = codes.GARBAGE
                break
            end = object_end(body, position)
            if end < 0:
                self.event_end = length
                reason = codes.CUT
                break
            self.event_end = end
            entry = self._entry(body[position:end]) if self._head else b""
            if not entry or len(entry) > self._entry_bytes_max:
                position = end
                reason = codes.EVENT
                break
            grown = size + len(entry) + (1 if entries else 0)
            if len(entries) >= entries_max or grown > bytes_max:
                reason = codes.FULL
                break
            entries.append(entry)
            size = grown
            position = end
        self.entries = b",".join(entries)
        self.count = len(entries)
        self.position = position
        return reason

    def _entry(self, event: bytes) -> bytes:
        """The entry for an event, or nothing if the event is to be handed back."""
        try:
            fields: dict[str, object] = orjson.loads(event)
        except ValueError:
            return b""
        kind = fields.get("type")
        text = fields.get("record")
        time = fields.get("time")
        if (kind != "function" and kind != "extension") or not isinstance(text, str) or not isinstance(time, str):
            return b""
        if text.lstrip(" \t\r\n")[:1] == "{" or "emory" in text or "signal: killed" in text:
            return b""
        time_ms = parse_time_ms(time)
        if time_ms == INVALID_TIME_MS:
            return b""
        return b"".join((self._head, orjson.dumps(text), self._after_text, b"%d" % time_ms, self._after_time))


def _skip_garbage(body: bytes, position: int) -> int:
    """Go to the next `{` behind a comma, an opening bracket or a line break, blanks between allowed, or to the end."""
    found = body.find(b"{", position)
    while found >= 0:
        before = found - 1
        while before > position and body[before] in b" \t\r":
            before -= 1
        if body[before] in b",[\n":
            return found
        found = body.find(b"{", found + 1)
    return len(body)
