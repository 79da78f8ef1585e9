"""Payloads of log entries, filled by scanning telemetry bodies: plain lines are taken, the rest is handed back.

The pure twin.

A body is a JSON array of events. The scan is lenient about the array (commas, brackets and white space between
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


class LogBatch:
    """The payload that is being filled, and the scan that fills it.

    Args:
        entries_max: Entries that it takes.
        bytes_max: Bytes of the finished payload, brackets and commas included.

    Attributes:
        count: Entries in it.
        size: Bytes that the finished payload would have now; 2 when it is empty.
        position: Where the next scan goes on.
        event_start, event_end: The slice that the answer of a scan speaks of; see `log_batch_codes`.
    """

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self.count = 0
        self.size = 2
        self.position = 0
        self.event_start = 0
        self.event_end = 0
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._entries: list[bytes] = []
        self._head = b""
        self._after_text = b""
        self._after_time = b""

    def set_fragments(
        self,
        head: bytes,
        to_request_id: bytes,
        request_id: bytes,
        to_time: bytes,
        to_status: bytes,
        after_status: bytes,
    ) -> None:
        """Set what every entry is made of; an empty `head` hands every event back.

        Args:
            head: What stands before the text.
            to_request_id: Between the text and the request id.
            request_id: As JSON; a string or null.
            to_time: Between the request id and the time in milliseconds.
            to_status: Between the time and the name of the status.
            after_status: The rest.
        """
        self._head = head
        self._after_text = to_request_id + request_id + to_time
        self._after_time = to_status + b"info" + after_status

    def append(self, before: bytes, text_json: bytes, after: bytes) -> bool:
        """Take one entry in three pieces, or answer False if there is no room for it."""
        return self._append(b"".join((before, text_json, after)))

    def take(self) -> bytes:
        """The finished payload; the next one begins empty."""
        payload = b"".join((b"[", b",".join(self._entries), b"]"))
        self._entries = []
        self.count = 0
        self.size = 2
        return payload

    def scan(self, body: bytes, position: int) -> int:
        """Take entries from a body until it ends, there is no room, or something is met that the caller must handle.

        Args:
            body: Valid UTF-8.
            position: Between two events: 0, or `position` of the scan before.

        Returns:
            One of `log_batch_codes`.
        """
        length = len(body)
        reason = codes.END
        while True:
            while position < length and body[position] in _BETWEEN_EVENTS:
                position += 1
            self.event_start = position
            self.event_end = length
            if position == length:
                break
            if body[position] != _OPEN_BRACE:
                position = self.event_end = _skip_garbage(body, position)
                reason = codes.GARBAGE
                break
            end = object_end(body, position)
            if end < 0:
                reason = codes.CUT
                break
            self.event_end = end
            entry = self._entry(body[position:end]) if self._head else b""
            if not entry or len(entry) > self._bytes_max - 2:
                position = end
                reason = codes.EVENT
                break
            if not self._append(entry):
                reason = codes.FULL
                break
            position = end
        self.position = position
        return reason

    def _append(self, entry: bytes) -> bool:
        size = self.size + len(entry) + (1 if self.count else 0)
        if self.count >= self._entries_max or size > self._bytes_max:
            return False
        self._entries.append(entry)
        self.count += 1
        self.size = size
        return True

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


def release_memory() -> None:
    """Give free pages of the heap back to the kernel, where we can: without the compiled form we cannot.

    After a flood one small block may pin ten megabytes of free heap below it. Costs about 1 ms, so not for every flush.
    """


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
