"""From bodies of the Telemetry API to entries for the logs intake and platform events for the rest of the process.

A kernel turns most lines of a body into entries; what it leaves is handled here, one event at a time and in order:
platform events, lines with tags of their own, whatever needs a second look. Order matters: a line belongs to the
invocation that is current where it stands in the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from thimble.core import limits
from thimble.core.codec import telemetry_events as telemetry
from thimble.core.codec.rfc3339 import INVALID_TIME_MS, TimeReader
from thimble.core.drops import Drops
from thimble.core.logs import fragment as fragments
from thimble.core.logs import inspection, levels, platform_lines
from thimble.core.logs.aggregator import DATA_TYPE
from thimble.core.logs.entries import HEAD, TO_STATUS, TO_TIME, EntryFragments, json_text, request_id_json
from thimble.core.logs.keep import ERROR, OUT_OF_MEMORY, SERVER_ERROR, TRACE, UNFINISHED
from thimble.core.logs.line import Line
from thimble.core.logs.options import PLATFORM_ALL, PLATFORM_REPORT, LineOptions
from thimble.core.logs.router import LineRouter
from thimble.core.logs.rules import count_saved
from thimble.kernels import log_batch_codes as codes

if TYPE_CHECKING:
    from thimble.core.lifecycle.end_call import EndCall
    from thimble.core.logs.aggregator import LogAggregator
    from thimble.core.traces.facts import TraceFacts

DROP_MALFORMED: Final = "malformed_event"
"""A piece of a body that is no JSON object with time, type and record."""

PLATFORM_LINE: Final = "platform_line"
"""Why a line was not sent: the user wants fewer or no lines of the platform."""

_RESCANNED_BODIES_MAX: Final = 16
"""How often, in lengths of the body, the search for the next readable event may go over what it saw before."""

_BETWEEN_EVENTS: Final = b" \t\r\n,[]"


class LogProcessor:
    """Everything between a POST of the platform and the aggregator.

    Args:
        arn: The function's ARN, lower-cased.
        service: The `service` of every entry, perhaps empty.
        tags: The tags of every entry, joined by commas.
        logs_on: False makes no entry and only answers events.
        aggregator: Where entries go.
        drops: Where unreadable events are counted.
        managed_instance: True when invocations overlap, so that only a line that names its invocation belongs to one.
        options: What of the lines is sent; without them everything is, and at once.
        saved: Counts lines and bytes that are not sent on purpose, by the reason.

    Attributes:
        skipped_events: Readable events without a meaning for us: unknown types, records that are no text or object.
    """

    def __init__(
        self,
        arn: str,
        service: str,
        tags: str,
        logs_on: bool,
        aggregator: LogAggregator,
        drops: Drops,
        managed_instance: bool = False,
        options: LineOptions | None = None,
        saved: Drops | None = None,
    ) -> None:
        self.skipped_events = 0
        self.saved = saved if saved is not None else Drops()
        self._logs_on = logs_on
        self._aggregator = aggregator
        self._drops = drops
        self._managed_instance = managed_instance
        self._entry = EntryFragments(arn, service, tags)
        self._options = options if options is not None else LineOptions()
        self._min_level = self._options.min_level
        self._router = LineRouter(self._entry, aggregator, self._options, managed_instance, self.saved)
        self._batch = aggregator.batch
        # A filter wants to see each line: then the scan hands all of them back.
        self._scans_lines = logs_on and self._options.rules is None and self._min_level == 0
        self._current_id = ""
        self._time_reader = TimeReader()
        self._platform_lost_records = 0
        self._platform_lost_bytes = 0
        self._set_current_id("")
        self._runtime_ms: dict[str, float] = {}
        self._fragment = b""
        self._fragment_ms = 0

    def ingest(self, body: bytes, now_ms: int) -> list[telemetry.TelemetryEvent]:
        """Take one POST body, whatever its bytes.

        Args:
            body: A JSON array of events, perhaps cut in the middle of the last one.
            now_ms: Any steady clock; it limits how long a cut record waits for its other half.

        Returns:
            The platform events in it, in order, after the entries of their lines were queued.
        """
        events: list[telemetry.TelemetryEvent] = []
        if self._fragment:
            cut = self._fragment
            self._fragment = b""
            joined = fragments.join_fragment(cut, body) if self._is_fresh(now_ms) else None
            if joined is None:
                if not body.lstrip(_BETWEEN_EVENTS).startswith(_without_framing(cut)):
                    self._give_up(cut, events)
            else:
                body = joined
        self._scan(_valid_utf8(body), body, now_ms, events)
        return events

    def release_held(self) -> None:
        """Send what waits for something that will not come any more: orphans without an id, and half a record."""
        if self._fragment:
            cut = self._fragment
            self._fragment = b""
            self._give_up(cut, [])
        self._router.release_all()

    def on_end_call(self, request_id: str, call: EndCall) -> None:
        """A tracer says how its invocation ended, perhaps before any telemetry of it is here.

        Args:
            request_id: The invocation; empty if none is known.
            call: What it says.
        """
        if not request_id:
            return
        if call.is_failed:
            self._router.mark_if_errors(request_id, ERROR if call.has_error else SERVER_ERROR)
        if call.is_trace_kept:
            self._router.mark_if_trace(request_id, TRACE)

    @property
    def wants_traces(self) -> bool:
        """Whether `on_traces` changes anything."""
        return self._logs_on and self._options.wants_traces

    def on_traces(self, facts: TraceFacts, current_id: str) -> None:
        """A tracer sent what it has of some traces.

        Args:
            facts: What they say about invocations.
            current_id: The invocation that runs, for a trace that names none; perhaps empty.
        """
        for request_id, context in facts.contexts.items():
            self._router.add_durable_context(request_id, context)
        for request_id in facts.kept_requests:
            self._router.mark_if_trace(request_id, TRACE)
        if facts.is_unnamed_kept and current_id:
            self._router.mark_if_trace(current_id, TRACE)

    def on_deadline(self, request_id: str) -> None:
        """The function's deadline is near and the invocation still runs: what it said may be all that is ever known."""
        self._router.mark_bad(request_id, UNFINISHED)

    def take_platform_losses(self) -> tuple[int, int]:
        """Records and bytes that the platform dropped since the last call, because we or others were slow."""
        losses = (self._platform_lost_records, self._platform_lost_bytes)
        self._platform_lost_records = 0
        self._platform_lost_bytes = 0
        return losses

    def _scan(self, body: bytes, raw: bytes, now_ms: int, events: list[telemetry.TelemetryEvent]) -> None:
        """Handle every event of a body; `raw` is the body before it was made valid UTF-8."""
        batch = self._batch
        position = 0
        rescan_bytes = _RESCANNED_BODIES_MAX * len(body)
        while True:
            reason = batch.scan(body, position)
            position = batch.position
            if reason == codes.END:
                self._aggregator.seal_full()
                return
            if reason == codes.FULL:
                self._aggregator.seal()
                continue
            start: int = batch.event_start
            end: int = batch.event_end
            if reason == codes.GARBAGE:
                self._drops.add(DATA_TYPE, DROP_MALFORMED, 1)
                continue
            if reason == codes.EVENT and self._handle_event(body[start:end], events):
                continue
            position = fragments.next_event_start(body, start + 1, end)
            rescan_bytes -= end - start
            if position < 0 and (reason == codes.CUT or not body[end:].strip(_BETWEEN_EVENTS)):
                self._hold_fragment(body, raw, start, now_ms)
                return
            self._drops.add(DATA_TYPE, DROP_MALFORMED, 1)
            if position < 0 or rescan_bytes < 0:
                position = end

    def _handle_event(self, event_json: bytes, events: list[telemetry.TelemetryEvent]) -> bool:
        """Handle one event that the scan left; answer False if it cannot be read at all."""
        fields = _read_object(event_json)
        if fields is None:
            return False
        kind = fields.get("type")
        time = fields.get("time")
        time_ms = self._time_reader.read(time) if isinstance(time, str) else INVALID_TIME_MS
        if not isinstance(kind, str) or time_ms == INVALID_TIME_MS or "record" not in fields:
            self._drops.add(DATA_TYPE, DROP_MALFORMED, 1)
        elif kind == "function" or kind == "extension":
            self._handle_line(kind == "function", fields["record"], time_ms, events)
        else:
            event = telemetry.parse_platform_event(kind, time_ms, fields["record"])
            if event is None:
                self.skipped_events += 1
            else:
                self._handle_platform(event)
                events.append(event)
        return True

    def _handle_line(
        self, is_function: bool, record: object, time_ms: int, events: list[telemetry.TelemetryEvent]
    ) -> None:
        """Queue one line that the function or an extension wrote."""
        if not self._logs_on:
            return
        request_id: str | None = None
        durable: tuple[str, str] | None = None
        fields: dict[str, object] | None = None
        if isinstance(record, str):
            text = record
            if inspection.looks_like_object(text):
                fields = inspection.parse_object(text)
        elif isinstance(record, dict):
            compact = inspection.compact_json(record)
            if compact is None:
                self._drops.add(DATA_TYPE, DROP_MALFORMED, 1)
                return
            text = compact
            fields = record
            if is_function:
                request_id = inspection.payload_request_id(record)
                durable = inspection.durable_execution(record)
        else:
            self.skipped_events += 1
            return
        is_alarm = inspection.tells_out_of_memory(text)
        if is_alarm:
            victim = request_id or self._current_id
            events.append(telemetry.TelemetryEvent(telemetry.OUT_OF_MEMORY, time_ms, victim))
            self._mark_failed(request_id, OUT_OF_MEMORY)
        if is_function and self._options.keep and inspection.tells_failed_invocation(fields, text):
            self._mark_failed(request_id, ERROR)
        status = "info"
        extra_tags: str | None = None
        if fields is not None:
            inspected = inspection.inspect_object(fields, text, status)
            text = inspected.text
            status = inspected.status
            extra_tags = inspected.extra_tags
        is_low = self._min_level > 0 and levels.level_of_line(fields, text, is_alarm) < self._min_level
        self._queue(text, time_ms, status, extra_tags, request_id, durable, is_low)

    def _mark_failed(self, named_id: str | None, reason: str) -> None:
        """A line tells of a failure. Where invocations overlap, only the line itself knows which one it is about."""
        failed_id = (named_id or "") if self._managed_instance else (self._current_id or named_id or "")
        if failed_id:
            self._router.mark_if_errors(failed_id, reason)

    def _queue(
        self,
        text: str,
        time_ms: int,
        status: str,
        extra_tags: str | None,
        own_id: str | None,
        durable: tuple[str, str] | None,
        is_low: bool,
    ) -> None:
        """Queue a line of the function or of an extension, if rules leave anything of it."""
        rules = self._options.rules
        if rules is not None:
            left = rules.apply(text)
            if left is None:
                return
            text = left
        line = Line(json_text(text), time_ms, status, extra_tags, durable, is_low, own_id)
        self._router.queue(line, self._current_id)

    def _handle_platform(self, event: telemetry.TelemetryEvent) -> None:
        """Queue the line that a platform event stands for and follow which invocation is current."""
        kind = event.kind
        router = self._router
        if kind == telemetry.INIT_START:
            router.on_init_start(event.runtime_version or "")
            self._queue_platform(platform_lines.init_start_line(event), event, False)
            self._set_current_id(self._current_id)
        elif kind == telemetry.START:
            self._set_current_id(event.request_id)
            router.on_start(event.request_id)
            self._queue_platform(platform_lines.start_line(event), event, False)
        elif kind == telemetry.RUNTIME_DONE:
            if event.has_metrics:
                self._remember_runtime(event.request_id, event.duration_ms)
            self._queue_platform(platform_lines.end_line(event), event, platform_lines.is_failed(event))
            router.on_done(event)
            self._set_current_id("")
        elif kind == telemetry.REPORT and event.is_on_demand_shape:
            runtime_ms = self._runtime_ms.get(event.request_id, 0.0)
            self._queue_platform(platform_lines.report_line(event, runtime_ms), event, False)
            router.on_report(event)
        elif kind == telemetry.REPORT:
            text = platform_lines.managed_report_line(event)
            self._queue_platform(text, event, platform_lines.is_failed(event))
            router.on_report(event)
            self._set_current_id("")
        elif kind == telemetry.LOGS_DROPPED:
            self._platform_lost_records += event.dropped_records
            self._platform_lost_bytes += event.dropped_bytes

    def _queue_platform(self, text: str, event: telemetry.TelemetryEvent, failed: bool) -> None:
        """Queue a platform line, then the orphans if the line names an invocation."""
        if not self._logs_on:
            return
        shown = self._options.platform
        if shown == PLATFORM_ALL or (shown == PLATFORM_REPORT and event.kind == telemetry.REPORT):
            rules = self._options.rules
            left = text if rules is None else rules.apply(text)
            if left is not None:
                status = "error" if failed else "info"
                line = Line(json_text(left), event.time_ms, status, None, None, False, event.request_id or None)
                self._router.queue(line, self._current_id)
        else:
            count_saved(self.saved, PLATFORM_LINE, text)
        if event.request_id:
            self._router.release_orphans(event.request_id)

    def _set_current_id(self, request_id: str) -> None:
        """Change the current invocation, and with it what the scan writes around plain lines."""
        self._current_id = request_id
        takes_lines = self._scans_lines and self._router.is_direct and (bool(request_id) or self._managed_instance)
        self._batch.set_fragments(
            HEAD if takes_lines else b"",
            self._entry.to_request_id,
            request_id_json("" if self._managed_instance else request_id),
            TO_TIME,
            TO_STATUS,
            self._entry.after_status,
        )

    def _remember_runtime(self, request_id: str, runtime_ms: float) -> None:
        if len(self._runtime_ms) >= limits.RUNTIME_DURATIONS_MAX:
            for oldest in self._runtime_ms:
                del self._runtime_ms[oldest]
                break
        self._runtime_ms[request_id] = runtime_ms

    def _is_fresh(self, now_ms: int) -> bool:
        return now_ms - self._fragment_ms <= limits.TELEMETRY_FRAGMENT_AGE_MS_MAX

    def _hold_fragment(self, body: bytes, raw: bytes, start: int, now_ms: int) -> None:
        """Keep the last event of a body, which cannot be read, for the next body."""
        cut = body[start:]
        if raw is not body:
            # The cut may have gone through a character: keep the bytes as they came, the other half completes it.
            envelope = fragments.envelope_of(cut)
            found = raw.rfind(envelope) if envelope else -1
            if found >= 0:
                cut = raw[found:]
        if len(cut) > limits.TELEMETRY_FRAGMENT_BYTES_MAX:
            self._give_up(cut, [])
            return
        self._fragment = cut
        self._fragment_ms = now_ms

    def _give_up(self, cut: bytes, events: list[telemetry.TelemetryEvent]) -> None:
        """Send what there is of a record whose other half never came, or count it."""
        event_json = fragments.closed_by_force(_valid_utf8(cut))
        if not event_json or not self._handle_event(event_json, events):
            self._drops.add(DATA_TYPE, DROP_MALFORMED, 1)


def _read_object(event_json: bytes) -> dict[str, object] | None:
    """Parse one event; a lone surrogate in it becomes U+FFFD."""
    try:
        value: object = orjson.loads(event_json)
    except ValueError:
        if b"\\u" not in event_json:
            return None
        try:
            value = orjson.loads(fragments.replace_lone_surrogates(event_json))
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _without_framing(cut: bytes) -> bytes:
    return cut[:-2] if cut.endswith(b"}]") else cut


def _valid_utf8(body: bytes) -> bytes:
    """The body itself if it is UTF-8, else a copy with U+FFFD for what is not."""
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body
