"""Log entries, kept until a flush as finished payloads.

A payload is closed and compressed as soon as it is full, so that a long wait for the intake
costs a tenth of the memory that the entries would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.logs.entries import cut_json_text
from thimble.core.payload import Payload
from thimble.kernels.log_batch import LogBatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.drops import Drops

DATA_TYPE: Final = "logs"
DROP_STORE_FULL: Final = "store_full"
DROP_ENTRY_TOO_LARGE: Final = "entry_too_large"

_BRACKETS: Final = 2
_QUOTES: Final = 2


class LogAggregator:
    """Entries in, payloads out, in order.

    Args:
        entries_max: Entries in one payload.
        payload_bytes_max: Uncompressed bytes of one payload, brackets and commas included.
        store_bytes_max: Bytes held in all; above it the oldest payload is dropped and its entries counted.
        compress: Makes a zstd frame of a payload; None, or an error it
            raises, leaves a payload as it is.
        drops: Where losses are counted.

    Attributes:
        entries_made, bytes_made: Of all payloads so far, before compression.
    """

    def __init__(
        self,
        entries_max: int,
        payload_bytes_max: int,
        store_bytes_max: int,
        compress: Callable[[bytes], bytes] | None,
        drops: Drops,
    ) -> None:
        assert entries_max > 0
        assert payload_bytes_max > _BRACKETS
        self._entries_max = entries_max
        self._payload_bytes_max = payload_bytes_max
        self._store_bytes_max = store_bytes_max
        self._compress = compress
        self._drops = drops
        self._batch = LogBatch(entries_max, payload_bytes_max)
        self._sealed: list[Payload] = []
        self._sealed_bytes = 0
        self.entries_made = 0
        self.bytes_made = 0

    @property
    def batch(self) -> LogBatch:
        """The open payload, which scans bodies by itself. Call `seal` or `seal_full` after it took entries."""
        return self._batch

    @property
    def held_bytes(self) -> int:
        """What the store holds: closed payloads and the open one."""
        return self._sealed_bytes + self._batch.size - _BRACKETS

    @property
    def held_entries(self) -> int:
        """Entries in closed payloads and the open one."""
        total = self._batch.count
        for payload in self._sealed:
            total += payload.item_count
        return total

    def add(self, before: bytes, text_json: bytes, after: bytes) -> None:
        """Take one entry of any size.

        Args:
            before: The entry up to its message text.
            text_json: The message text as a JSON string; shortened if the entry alone is larger than a payload.
            after: The rest of the entry.
        """
        text_bytes_max = self._payload_bytes_max - _BRACKETS - len(before) - len(after)
        if len(text_json) > text_bytes_max:
            if text_bytes_max < _QUOTES:
                self._drops.add(DATA_TYPE, DROP_ENTRY_TOO_LARGE, 1)
                return
            text_json = cut_json_text(text_json, text_bytes_max)
        if not self._batch.append(before, text_json, after):
            self.seal()
            taken = self._batch.append(before, text_json, after)
            assert taken
        self.seal_full()

    def seal_full(self) -> None:
        """Close the open payload if it takes no more entries."""
        if self._batch.count >= self._entries_max:
            self.seal()

    def seal(self) -> None:
        """Close the open payload, if it holds anything, and compress it."""
        count = self._batch.count
        if not count:
            return
        raw = self._batch.take()
        self.entries_made += count
        self.bytes_made += len(raw)
        body, encoding = encoded(raw, self._compress)
        self._sealed.append(Payload(body, count, len(raw), encoding))
        self._sealed_bytes += len(body)
        self._drop_oldest()

    def take(self) -> list[Payload]:
        """Hand over everything held, oldest first, and forget it."""
        self.seal()
        payloads = self._sealed
        self._sealed = []
        self._sealed_bytes = 0
        return payloads

    def _drop_oldest(self) -> None:
        """Drop payloads from the oldest on until the store is within its bound."""
        dropped = 0
        while self._sealed_bytes > self._store_bytes_max and dropped < len(self._sealed):
            payload = self._sealed[dropped]
            self._sealed_bytes -= len(payload.body)
            self._drops.add(DATA_TYPE, DROP_STORE_FULL, payload.item_count)
            dropped += 1
        if dropped:
            self._sealed = self._sealed[dropped:]


def encoded(body: bytes, compress: Callable[[bytes], bytes] | None) -> tuple[bytes, str]:
    """A payload as an intake gets it, and its `Content-Encoding`: "" when nothing compresses it."""
    if compress is not None:
        try:
            return compress(body), "zstd"
        except Exception:  # the compressor is handed in, its errors are not known here; raw bytes are as good
            return body, ""
    return body, ""
