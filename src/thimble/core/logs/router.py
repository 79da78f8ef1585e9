"""Which way a line takes after its text is final: to its invocation at once, or through one of the holding places.

A line below the level that is sent goes to the ring of its request, one that belongs to no invocation to the orphans,
one whose durable execution is not known to wait for it. What comes out of the orphans goes the same way again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core import limits
from thimble.core.logs.durable import ORDINARY, DurableContext, DurableLines
from thimble.core.logs.keep import TAG, UNFINISHED, KeepPolicy, KeptLines
from thimble.core.logs.line import Line, LineSender
from thimble.core.logs.orphans import OrphanLines
from thimble.core.logs.rules import SAVED_BYTES, SAVED_LINES

if TYPE_CHECKING:
    from thimble.core.codec.telemetry_events import TelemetryEvent
    from thimble.core.drops import Drops
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.logs.entries import EntryFragments
    from thimble.core.logs.options import LineOptions

BELOW_LEVEL: Final = "below_level"


class LineRouter:
    """The holding places, and the ways between them.

    Args:
        entry: How entries are written.
        aggregator: Where entries go.
        options: See `LineOptions`.
        managed_instance: True when invocations overlap.
        saved: Counts lines and bytes that are not sent on purpose.
    """

    def __init__(
        self,
        entry: EntryFragments,
        aggregator: LogAggregator,
        options: LineOptions,
        managed_instance: bool,
        saved: Drops,
    ) -> None:
        self._managed_instance = managed_instance
        self._saved = saved
        self._sender = LineSender(entry, aggregator)
        self._orphans = OrphanLines(limits.ORPHAN_LINES_MAX, limits.ORPHAN_BYTES_MAX)
        self._kept: KeptLines | None = None
        if options.keep:
            self._kept = KeptLines(
                KeepPolicy(options.keep),
                saved,
                limits.KEPT_REQUEST_BYTES_MAX,
                limits.KEPT_BYTES_MAX,
                limits.KEPT_REQUESTS_MAX,
            )
        self._durable: DurableLines | None = None
        if options.durable_requests_max > 0:
            self._durable = DurableLines(
                self._sender,
                options.durable_requests_max,
                limits.DURABLE_LINES_BYTES_MAX,
                limits.DURABLE_CONTEXTS_MAX,
                not managed_instance,
            )

    @property
    def is_direct(self) -> bool:
        """Whether a line of the current invocation is sent as it is and at once."""
        durable = self._durable
        return durable is None or durable.state == ORDINARY

    def queue(self, line: Line, current_id: str) -> None:
        """Take one line; `current_id` is the current invocation, or empty."""
        own_id = line.own_id
        request_id = own_id if own_id is not None else ("" if self._managed_instance else current_id)
        if own_id is None and not request_id and not self._managed_instance:
            for surplus in self._orphans.hold(line):
                self._place(surplus, "", "")
        elif self._managed_instance:
            self._place(line, request_id, request_id)
        else:
            # A line may name a request of somebody else; it is held for the invocation that wrote it.
            self._place(line, request_id, current_id or request_id)

    def release_orphans(self, request_id: str) -> None:
        """Send every line that waits for an invocation as part of this one; an empty id means that none is known."""
        for line in self._orphans.take():
            self._place(line, request_id, request_id)

    def on_init_start(self, runtime_version: str) -> None:
        """The function starts up; its runtime tells whether it is durable."""
        if self._durable is not None:
            self._durable.on_init_start(runtime_version)

    def on_start(self, request_id: str) -> None:
        """An invocation begins."""
        kept = self._kept
        if kept is not None:
            reason = kept.begin(request_id)
            if reason:
                self.mark_bad(request_id, reason)

    def on_done(self, event: TelemetryEvent) -> None:
        """The runtime is done with an invocation."""
        kept = self._kept
        if kept is not None:
            self._judge(kept, event)
            kept.done(event.request_id)

    def on_report(self, event: TelemetryEvent) -> None:
        """The last word of the platform about an invocation."""
        kept = self._kept
        if kept is not None:
            self._judge(kept, event)
            kept.report(event.request_id)

    def mark_bad(self, request_id: str, reason: str) -> None:
        """Send what is held for an invocation, and what is still to come, whatever its level."""
        kept = self._kept
        if kept is not None:
            for line in kept.mark(request_id, reason):
                line.add_tag(TAG + reason)
                self._send(line, request_id if line.own_id is None else line.own_id)

    def mark_if_errors(self, request_id: str, reason: str) -> None:
        """As `mark_bad`, if the user asked for invocations with errors."""
        kept = self._kept
        if kept is not None and kept.policy.errors:
            self.mark_bad(request_id, reason)

    def mark_if_trace(self, request_id: str, reason: str) -> None:
        """As `mark_bad`, if the user asked for invocations whose trace is kept."""
        kept = self._kept
        if kept is not None and kept.policy.trace:
            self.mark_bad(request_id, reason)

    def add_durable_context(self, request_id: str, context: DurableContext) -> None:
        """A span told which durable execution a request belongs to."""
        if self._durable is not None:
            self._durable.add_context(request_id, context)

    def release_all(self) -> None:
        """The sandbox ends: send what waits; an invocation that has not ended is a bad one."""
        self.release_orphans("")
        kept = self._kept
        if kept is not None:
            for request_id in kept.open_requests():
                self.mark_bad(request_id, UNFINISHED)
            kept.end_all()
        if self._durable is not None:
            self._durable.send_all()

    def _judge(self, kept: KeptLines, event: TelemetryEvent) -> None:
        reason = kept.policy.verdict(event)
        if reason:
            self.mark_bad(event.request_id, reason)

    def _place(self, line: Line, request_id: str, keeper_id: str) -> None:
        """Send a line, or hold it for `keeper_id` while it is below the level that is sent."""
        if line.is_low:
            reason = ""
            kept = self._kept
            if kept is not None and keeper_id:
                reason = kept.hold(line, keeper_id)
                if not reason:
                    return
            if not reason:
                self._saved.add(SAVED_LINES, BELOW_LEVEL, 1)
                self._saved.add(SAVED_BYTES, BELOW_LEVEL, len(line.text_json) - 2)
                return
            line.add_tag(TAG + reason)
        self._send(line, request_id)

    def _send(self, line: Line, request_id: str) -> None:
        if self._durable is None:
            self._sender.send(line, request_id)
        else:
            self._durable.take(line, request_id)
