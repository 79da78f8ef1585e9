"""One log line on its way to an entry, while its invocation, or whether it is sent at all, is not known yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.logs.entries import HEAD

if TYPE_CHECKING:
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.logs.entries import EntryFragments

LINE_BYTES: Final = 200
"""What a held line costs beside its text: the object, the numbers, its place in a list."""


class Line:
    """A line without its request id.

    Args:
        text_json: The message as a JSON string.
        time_ms: Unix milliseconds.
        status: `info`, `error` ...
        extra_tags: Follow the function's tags after a comma, unless None.
        durable: Name and id of the durable execution that the line itself names.
        is_low: Whether it is below the level that is sent.
        own_id: The request that the line itself names, or None. An empty name is written as it is.
    """

    def __init__(
        self,
        text_json: bytes,
        time_ms: int,
        status: str,
        extra_tags: str | None,
        durable: tuple[str, str] | None,
        is_low: bool,
        own_id: str | None,
    ) -> None:
        self.text_json = text_json
        self.time_ms = time_ms
        self.status = status
        self.extra_tags = extra_tags
        self.durable = durable
        self.is_low = is_low
        self.own_id = own_id

    @property
    def held_bytes(self) -> int:
        """What the line takes while it is held."""
        return len(self.text_json) + LINE_BYTES

    def add_tag(self, tag: str) -> None:
        """Put one more tag behind those of the line."""
        self.extra_tags = tag if self.extra_tags is None else self.extra_tags + "," + tag


class LineSender:
    """Writes lines as entries.

    Args:
        entry: How entries are written.
        aggregator: Where they go.
    """

    def __init__(self, entry: EntryFragments, aggregator: LogAggregator) -> None:
        self._entry = entry
        self._aggregator = aggregator
        self._usual_id = ""
        self._usual = entry.after_text("")

    def send(self, line: Line, request_id: str, more: bytes = b"") -> None:
        """Send one line.

        Args:
            line: The line.
            request_id: Its invocation; empty is written as null unless the line names it so.
            more: Further members of the entry's `lambda` object, each with a comma before it.
        """
        if line.own_id is None and line.durable is None and not more:
            if request_id != self._usual_id:
                self._usual_id = request_id
                self._usual = self._entry.after_text(request_id)
            after_text = self._usual
        else:
            after_text = self._entry.after_text(request_id, line.durable, more, line.own_id is not None)
        after_time = self._entry.after_time(line.status, line.extra_tags)
        self._aggregator.add(HEAD, line.text_json, b"%b%d%b" % (after_text, line.time_ms, after_time))
