"""Lines that belong to no invocation yet: written before the first one, or between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thimble.core.logs.line import Line


class OrphanLines:
    """A bounded queue of such lines.

    Args:
        lines_max: Lines held.
        bytes_max: Bytes held, see `Line.held_bytes`.
    """

    def __init__(self, lines_max: int, bytes_max: int) -> None:
        self._lines_max = lines_max
        self._bytes_max = bytes_max
        self._lines: list[Line] = []
        self._first = 0
        self._bytes = 0

    def hold(self, line: Line) -> list[Line]:
        """Take one line, and answer those that have to go because there are too many, oldest first."""
        self._lines.append(line)
        self._bytes += line.held_bytes
        surplus: list[Line] = []
        while self._bytes > self._bytes_max or len(self._lines) - self._first > self._lines_max:
            oldest = self._lines[self._first]
            self._first += 1
            self._bytes -= oldest.held_bytes
            surplus.append(oldest)
        if self._first > self._lines_max:
            self._lines = self._lines[self._first :]
            self._first = 0
        return surplus

    def take(self) -> list[Line]:
        """All lines, oldest first; none is held afterwards."""
        lines = self._lines[self._first :] if self._first else self._lines
        self._lines = []
        self._first = 0
        self._bytes = 0
        return lines
