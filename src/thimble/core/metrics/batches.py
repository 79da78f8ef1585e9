"""Entries into request bodies: batches of bounded length, compressed, and halved where they are still too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.core.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Callable


class Batches:
    """Fills payloads of one kind, in order.

    Args:
        make_body: Makes a request body of entries.
        compress: Makes a zstd frame; None, or an error that it raises, leaves a body as it is.
        entries_max: Entries in a payload.
        bytes_max: Bytes of its entries, uncompressed; a larger entry goes alone.
        compressed_bytes_max: Bytes of a body as it is sent; above it the batch is halved, down to one entry.
    """

    def __init__(
        self,
        make_body: Callable[[list[bytes]], bytes],
        compress: Callable[[bytes], bytes] | None,
        entries_max: int,
        bytes_max: int,
        compressed_bytes_max: int,
    ) -> None:
        self.oversized = 0
        """Entries that alone are larger than the limit; they are sent all the same."""
        self._make_body = make_body
        self._compress = compress
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._compressed_bytes_max = compressed_bytes_max
        self._entries: list[bytes] = []
        self._size = 0
        self._payloads: list[Payload] = []

    def add(self, entry: bytes) -> None:
        """Take one entry into the open batch, or into the next."""
        size = len(entry)
        if len(self._entries) >= self._entries_max or self._size + size >= self._bytes_max:
            if self._size == 0:
                self.oversized += 1
            else:
                self._close()
        self._entries.append(entry)
        self._size += size

    def take(self) -> list[Payload]:
        """All payloads, the open batch included."""
        if self._entries:
            self._close()
        payloads, self._payloads = self._payloads, []
        return payloads

    def _close(self) -> None:
        entries, self._entries = self._entries, []
        self._size = 0
        self._seal(entries)

    def _seal(self, entries: list[bytes]) -> None:
        raw = self._make_body(entries)
        body = raw
        encoding = ""
        if self._compress is not None:
            try:
                body = self._compress(raw)
                encoding = "zstd"
            except Exception:
                body = raw
        if len(body) > self._compressed_bytes_max and len(entries) > 1:
            middle = len(entries) // 2
            self._seal(entries[:middle])
            self._seal(entries[middle:])
            return
        self._payloads.append(Payload(body, len(entries), len(raw), encoding))
