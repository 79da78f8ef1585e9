"""One encoded request body that waits to be sent."""

from __future__ import annotations


class Payload:
    """Encoded (and mostly compressed) bytes for one destination type, with what the sender has to know about them.

    Args:
        body: Exactly the bytes of the request body.
        item_count: Log entries, series, sketches, trace chunks ... in it: what is lost when it is dropped.
        raw_bytes: Size before compression, at least 0.
        content_encoding: Value of the header of that name: '' (header absent) or 'zstd'.
    """

    def __init__(self, body: bytes, item_count: int, raw_bytes: int, content_encoding: str = "") -> None:
        self.body = body
        self.item_count = item_count
        self.raw_bytes = raw_bytes
        self.content_encoding = content_encoding
        self.attempts = 0
        """How many flushes have tried to send it; the sender counts, the retry queue gives up by it."""
