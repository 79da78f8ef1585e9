"""Log text from bytes: lines of a pipe, and frames of the telemetry log descriptor.

Pure: bytes in, records out.

Source: frame layout of `awslambdaric` and the Node.js runtime: type and length as 32-bit, Unix time in microseconds as
64-bit, all big-endian, then the message.
"""

from __future__ import annotations

import struct

LINE_BYTES_MAX = 256 * 1024
"""A longer line is cut into pieces of this size."""

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""A longer announced frame means that the stream is out of step."""

_HEADER = struct.Struct(">IIQ")


class LineSplitter:
    """Cuts a byte stream at newlines; the records carry none."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        pieces = (self._rest + data).split(b"\n")
        self._rest = pieces.pop()
        lines = [part for piece in pieces for part in _cut(piece)]
        while len(self._rest) >= LINE_BYTES_MAX:
            lines.append(self._rest[:LINE_BYTES_MAX])
            self._rest = self._rest[LINE_BYTES_MAX:]
        return [line.decode(errors="replace") for line in lines]

    def finish(self) -> list[str]:
        """The partial line left at the end of the stream."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []


def _cut(line: bytes) -> list[bytes]:
    if len(line) <= LINE_BYTES_MAX:
        return [line]
    return [line[start : start + LINE_BYTES_MAX] for start in range(0, len(line), LINE_BYTES_MAX)]


class FrameError(ValueError):
    """The descriptor carries something that is no frame."""


class FrameSplitter:
    """Cuts the framed stream into `(message, time in microseconds)`; messages keep their newlines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[str, int]]:
        """Complete frames so far.

        Raises:
            FrameError: The type is none of `0xA55A00..`, or the length is absurd.
        """
        data = self._rest + data
        found: list[tuple[str, int]] = []
        start = 0
        while len(data) - start >= _HEADER.size:
            kind, length, time_us = _HEADER.unpack_from(data, start)
            if kind >> 8 != 0xA55A00 or length > FRAME_BYTES_MAX:
                raise FrameError(f"frame type {kind:#010x}, length {length}")
            end = start + _HEADER.size + length
            if end > len(data):
                break
            found.append((data[start + _HEADER.size : end].decode(errors="replace"), time_us))
            start = end
        self._rest = data[start:]
        return found
