"""zstd, loaded when the first payload is full or flushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL_MIN = -7
LEVEL_MAX = 22


def zstd_compressor(level: int) -> Callable[[bytes], bytes]:
    """Make the function that turns bytes into one zstd frame.

    Args:
        level: As configured; clamped to -7..22, 0 is the library's default.
    """
    return _Zstd(max(LEVEL_MIN, min(level, LEVEL_MAX))).compress


class _Zstd:
    def __init__(self, level: int) -> None:
        self._level = level

    def compress(self, data: bytes) -> bytes:
        """One frame. A context per call: what it allocates (about 1 MB) is given back until the next payload."""
        from backports.zstd import ZstdCompressor

        compressor = ZstdCompressor(level=self._level)
        return compressor.compress(data, ZstdCompressor.FLUSH_FRAME)
