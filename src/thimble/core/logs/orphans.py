"""Lines that belong to no invocation yet: written before the first one, or between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.core.logs.entries import HEAD

if TYPE_CHECKING:
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.logs.entries import EntryFragments


class Orphan:
    """One line without its request id."""

    def __init__(self, text_json: bytes, after_time: bytes, durable: tuple[str, str] | None) -> None:
        self.text_json = text_json
        self.after_time = after_time
        self.durable = durable


class OrphanLines:
    """A bounded queue of such lines; the oldest goes out without a request id when there are too many.

    Args:
        fragments: How entries are written.
        aggregator: Where released lines go.
        lines_max: Lines held.
        bytes_max: Bytes held, counting texts and what follows them.
    """

    def __init__(self, fragments: EntryFragments, aggregator: LogAggregator, lines_max: int, bytes_max: int) -> None:
        self._fragments = fragments
        self._aggregator = aggregator
        self._lines_max = lines_max
        self._bytes_max = bytes_max
        self._lines: list[Orphan] = []
        self._first = 0
        self._bytes = 0

    def hold(self, text_json: bytes, after_time: bytes, durable: tuple[str, str] | None) -> None:
        """Take one line; `after_time` is the milliseconds and the rest of the entry."""
        self._lines.append(Orphan(text_json, after_time, durable))
        self._bytes += len(text_json) + len(after_time)
        while self._bytes > self._bytes_max or len(self._lines) - self._first > self._lines_max:
            oldest = self._lines[self._first]
            self._first += 1
            self._bytes -= len(oldest.text_json) + len(oldest.after_time)
            self._send(oldest, "")
        if self._first > self._lines_max:
            self._lines = self._lines[self._first :]
            self._first = 0

    def release(self, request_id: str) -> None:
        """Send every line, oldest first, as part of an invocation; an empty id means that none is known."""
        lines = self._lines
        first = self._first
        self._lines = []
        self._first = 0
        self._bytes = 0
        for index in range(first, len(lines)):
            self._send(lines[index], request_id)

    def _send(self, line: Orphan, request_id: str) -> None:
        after_text = self._fragments.after_text(request_id, line.durable)
        self._aggregator.add(HEAD, line.text_json, after_text + line.after_time)
