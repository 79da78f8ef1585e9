"""The metrics that we make ourselves: one value per event, all of them distributions, `aws.lambda.enhanced.*`.

Theory of operation. A metric that carries the time of its event belongs to one invocation and is tagged as that
invocation began (cold or not), however late the event comes: the report of the first invocation is handled during the
second. A figure of the whole sandbox, taken and stamped now, is tagged as the sandbox is now.

What happens before the first invocation waits for it (on demand): `platform.initReport` and its like come while the
first `/next` is pending, and their metrics carry the tags of the first invocation. The other way round, the count of
the first invocation waits for `platform.initStart`, which tells whether the function is durable; whatever comes before
that, the end of the runtime above all, sends it off as it is.

Units are mixed by contract: durations of a report in seconds, those of the runtime in milliseconds.

Source: specification of metrics, "Enhanced metrics".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.telemetry_events import (
    INIT_REPORT,
    INIT_START,
    OUT_OF_MEMORY,
    RESTORE_REPORT,
    STATUS_ERROR,
    STATUS_SUCCESS,
    STATUS_TIMEOUT,
    TelemetryEvent,
)
from thimble.core.lifecycle.estimated_cost import estimated_cost, usd_per_gb_second
from thimble.core.lifecycle.init_tags import InitTags
from thimble.core.lifecycle.invocation_records import INIT_UNKNOWN, InvocationRecord, InvocationRecords
from thimble.core.lifecycle.proc_files import NO_UPTIME, utilisation
from thimble.core.lifecycle.sampling import Peaks
from thimble.core.limits import EARLY_EVENTS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.lifecycle.proc_files import CpuTimes, Limits, Network
    from thimble.core.lifecycle.sampling import Readings

PREFIX: Final = "aws.lambda.enhanced."

SUSPICION_PERCENT: Final = 98
SUSPICION_TAG: Final = "memory_exhaustion:suspected"
"""On `max_memory_used` of an invocation that failed with so much of its memory used that this is the likely reason,
though nothing says so; `out_of_memory` keeps its exact meaning."""

_SECONDS: Final = 0.001
_SNAP_START: Final = "snap-start"
_SNAP_START_TAG: Final = "SnapStart"
_ON_DEMAND: Final = "on-demand"
_OUT_OF_MEMORY_TYPE: Final = "Runtime.OutOfMemory"


class SandboxUsage:
    """What the sandbox uses at this moment; None and `NO_UPTIME` for what was not read."""

    def __init__(self) -> None:
        self.limits: Limits | None = None
        self.readings: Readings | None = None
        self.tmp_bytes_max = 0
        self.cpu: CpuTimes | None = None
        self.uptime_ms = NO_UPTIME
        self.network: Network | None = None


class EnhancedMetrics:
    """Turns what happens in the sandbox into metrics.

    Args:
        insert: Takes name, value, tags and Unix seconds, not in the future; must not change the tags.
        tags: Its runtime is to be set before the first invocation is told.
        is_managed: Several invocations at once, and neither INVOKE nor `platform.runtimeDone`.
        waits_for_init: Telemetry will tell about the initialisation.
        machine: As the kernel names it; decides the price.
    """

    def __init__(
        self,
        insert: Callable[[str, float, list[str], int], None],
        records: InvocationRecords,
        tags: InitTags,
        is_managed: bool,
        waits_for_init: bool,
        machine: str,
    ) -> None:
        self._insert = insert
        self._records = records
        self._is_managed = is_managed
        self._waits_for_init = waits_for_init and not is_managed
        self._usd_per_gb_s = usd_per_gb_second(machine)
        self._tags = tags
        self._has_invocation = False
        self._awaits_first = False
        self._is_init_counted = False
        self._held: InvocationRecord | None = None
        self._held_s = 0
        self._early_events: list[TelemetryEvent] = []
        self._managed_peaks = Peaks()

    @property
    def managed_peaks(self) -> Peaks:
        """The highest use since the start; sent at SHUTDOWN on managed instances, where invocations overlap."""
        return self._managed_peaks

    @property
    def is_invoked(self) -> bool:
        """Whether there was an invocation yet."""
        return self._has_invocation

    # --- invocations ---------------------------------------------------------------------------------------------

    def on_invoke(self, request_id: str, now_s: int, clock_ms: int) -> InvocationRecord:
        """An invocation begins; its record is still without figures."""
        record = self._records.open(request_id)
        if self._awaits_first:
            self._awaits_first = False
            record.init_state = self._tags.state
        else:
            record.init_state = self._tags.begin(clock_ms)
        self.release_held(now_s)
        is_first = not self._has_invocation
        self._has_invocation = True
        if is_first and self._waits_for_init:
            self._held = record
            self._held_s = now_s
            self._replay_early(now_s)
            if record.done_ms >= 0 or record.reported_ms >= 0:
                self.release_held(now_s)
        else:
            self._emit("invocations", 1.0, self._tags.of(record), now_s, now_s)
        if record.is_error_pending:
            self._count_error(record, now_s, now_s)
        return record

    def on_start(self, event: TelemetryEvent, now_s: int, clock_ms: int) -> InvocationRecord | None:
        """`platform.start` of a managed instance: an invocation begins, unless the event is a repetition."""
        known = self._records.get(event.request_id)
        if known is not None and not known.note_start(event.time_ms):
            return None
        record = self.on_invoke(event.request_id, now_s, clock_ms)
        record.note_start(event.time_ms)
        return record

    def on_failed_end_call(self, request_id: str, now_s: int) -> None:
        """A tracer says that the invocation failed; one that is not known yet is counted when it begins."""
        record = self._records.note(request_id)
        if record.is_invoked:
            self._count_error(record, now_s, now_s)
        else:
            record.is_error_pending = True

    def on_out_of_memory(self, event: TelemetryEvent, now_s: int) -> None:
        """A log line told that memory ran out, perhaps without naming an invocation."""
        if not self._has_invocation and not self._is_managed:
            self._hold_early(event)
        else:
            self._count_line(event, now_s)

    def on_runtime_done(self, event: TelemetryEvent, now_s: int, usage: SandboxUsage) -> None:
        """`platform.runtimeDone`, with or without metrics."""
        record = self._records.note(event.request_id)
        if not record.note_done(event.time_ms):
            return
        self.release_held(now_s)
        if event.has_metrics:
            record.runtime_ms = event.duration_ms
            self._emit_own(record, "runtime_duration", event.duration_ms, event, now_s)
            produced_bytes = event.produced_bytes
            if produced_bytes is not None:
                self._emit_own(record, "produced_bytes", float(produced_bytes), event, now_s)
        self._count_outcome(record, event, now_s)
        peaks = record.peaks
        self._emit_use(Peaks() if peaks is None else peaks, usage, now_s)
        self._emit_utilisation(record, usage, now_s)

    def on_report(self, event: TelemetryEvent, now_s: int, usage: SandboxUsage) -> None:
        """`platform.report`, in the form of on-demand functions or in that of managed instances."""
        record = self._records.note(event.request_id).note_report(event.time_ms)
        if record is None:
            return
        self.release_held(now_s)
        if event.is_on_demand_shape:
            self._count_bill(record, event, now_s)
        else:
            self._emit_own(record, "duration", event.duration_ms * _SECONDS, event, now_s)
            if record.is_invoked:
                self._count_managed_run(record, event, now_s, usage)
        self._emit_totals(record, usage, now_s)
        record.forget_figures()

    def release_held(self, now_s: int) -> None:
        """Send the count of the first invocation off if it still waits; before a flush at the latest."""
        record = self._held
        if record is not None:
            self._held = None
            self._emit("invocations", 1.0, self._tags.of(record), self._held_s, now_s)

    # --- the sandbox ---------------------------------------------------------------------------------------------

    def on_init_event(self, event: TelemetryEvent, now_s: int, clock_ms: int) -> None:
        """`platform.initStart`, `platform.initReport` or `platform.restoreReport`; others are ignored."""
        if self._is_managed and event.kind == INIT_START and self._tags.state == INIT_UNKNOWN:
            self._tags.begin(clock_ms)
            self._awaits_first = True
        if self._has_invocation or not self._waits_for_init:
            self._handle_init(event, now_s)
        else:
            self._hold_early(event)

    def on_restore_start(self, clock_ms: int) -> None:
        """`platform.restoreStart`: the sandbox comes out of a snapshot."""
        self._tags.on_restore_start(clock_ms)

    def on_shutdown(self, now_s: int, usage: SandboxUsage) -> None:
        """SHUTDOWN: to be told once."""
        self._replay_early(now_s)
        self.release_held(now_s)
        self._emit("shutdowns", 1.0, self._tags.now(), now_s, now_s)
        if not self._has_invocation:
            self._emit("unused_init", 1.0, self._tags.now(), now_s, now_s)
        if self._is_managed:
            self._emit_use(self._managed_peaks, usage, now_s)

    def _hold_early(self, event: TelemetryEvent) -> None:
        if len(self._early_events) < EARLY_EVENTS_MAX:
            self._early_events.append(event)

    def _replay_early(self, now_s: int) -> None:
        events = self._early_events
        self._early_events = []
        for event in events:
            if event.kind == OUT_OF_MEMORY:
                self._count_line(event, now_s)
            else:
                self._handle_init(event, now_s)

    def _handle_init(self, event: TelemetryEvent, now_s: int) -> None:
        if event.kind == INIT_START:
            self._tags.set_runtime_version(event.runtime_version)
            self.release_held(now_s)
        elif event.kind == INIT_REPORT and event.has_metrics:
            init_type = _SNAP_START_TAG if event.init_type == _SNAP_START else event.init_type
            self._count_init(event.duration_ms, init_type, event, None, now_s)
        elif event.kind == RESTORE_REPORT and event.has_metrics:
            self._emit(
                "snapstart_restore_duration",
                event.duration_ms * _SECONDS,
                self._tags.now(),
                event.time_ms // 1000,
                now_s,
            )

    def _count_init(
        self, duration_ms: float, init_type: str, event: TelemetryEvent, record: InvocationRecord | None, now_s: int
    ) -> None:
        """The sandbox's one `init_duration`, whichever event tells it first."""
        if self._is_init_counted:
            return
        self._is_init_counted = True
        self._tags.set_init_type(init_type)
        tags = self._tags.now() if record is None else self._tags.of(record)
        self._emit("init_duration", duration_ms * _SECONDS, tags, event.time_ms // 1000, now_s)

    # --- counting ------------------------------------------------------------------------------------------------

    def _count_outcome(self, record: InvocationRecord, event: TelemetryEvent, now_s: int) -> None:
        """Errors, time-outs, memory, and how long the response took; the same for both modes."""
        if event.status != STATUS_SUCCESS:
            self._count_error(record, event.time_ms // 1000, now_s)
            if event.status == STATUS_TIMEOUT:
                self._emit_own(record, "timeouts", 1.0, event, now_s)
            elif event.status == STATUS_ERROR and event.error_type == _OUT_OF_MEMORY_TYPE:
                self._count_out_of_memory(record, event.time_ms // 1000, now_s)
        for span in event.spans:
            if span.name == "responseLatency":
                self._emit_own(record, "response_latency", span.duration_ms, event, now_s)
            elif span.name == "responseDuration":
                self._emit_own(record, "response_duration", span.duration_ms, event, now_s)

    def _count_bill(self, record: InvocationRecord, event: TelemetryEvent, now_s: int) -> None:
        """What the report of an on-demand function says."""
        init_ms = event.init_duration_ms
        if init_ms is not None:
            self._count_init(init_ms, _ON_DEMAND, event, record, now_s)
        used_mb = event.max_memory_used_mb
        size_mb = event.memory_size_mb
        self._emit_own(record, "duration", event.duration_ms * _SECONDS, event, now_s)
        self._emit_own(record, "billed_duration", event.billed_duration_ms * _SECONDS, event, now_s)
        is_all_used = used_mb == size_mb and size_mb > 0
        tags = self._tags.of(record)
        is_exact = is_all_used or record.is_out_of_memory_counted
        if event.status != STATUS_SUCCESS and not is_exact and used_mb * 100 >= size_mb * SUSPICION_PERCENT:
            tags = [*tags, SUSPICION_TAG]
        self._emit("max_memory_used", float(used_mb), tags, event.time_ms // 1000, now_s)
        self._emit_own(record, "memorysize", float(size_mb), event, now_s)
        cost = estimated_cost(float(event.billed_duration_ms), float(size_mb), self._usd_per_gb_s)
        self._emit_own(record, "estimated_cost", cost, event, now_s)
        if is_all_used:
            self._count_out_of_memory(record, event.time_ms // 1000, now_s)
        if record.runtime_ms != 0.0:
            self._emit_own(record, "post_runtime_duration", event.duration_ms - record.runtime_ms, event, now_s)

    def _count_managed_run(
        self, record: InvocationRecord, event: TelemetryEvent, now_s: int, usage: SandboxUsage
    ) -> None:
        """What `platform.runtimeDone` would have said, out of the report of a managed instance."""
        runtime_ms = event.duration_ms
        for span in event.spans:
            if span.name == "responseLatency":
                runtime_ms = span.duration_ms
                break
        record.runtime_ms = runtime_ms
        self._emit_own(record, "runtime_duration", runtime_ms, event, now_s)
        self._count_outcome(record, event, now_s)
        self._emit_utilisation(record, usage, now_s)

    def _count_line(self, event: TelemetryEvent, now_s: int) -> None:
        """A line about memory: once for the invocation it belongs to, and always where that is not known."""
        if event.request_id:
            self._count_out_of_memory(self._records.note(event.request_id), event.time_ms // 1000, now_s)
        else:
            self._emit("out_of_memory", 1.0, self._tags.now(), event.time_ms // 1000, now_s)

    def _count_error(self, record: InvocationRecord, time_s: int, now_s: int) -> None:
        """One error per invocation, whoever tells it first."""
        if not record.is_error_counted:
            record.is_error_counted = True
            self._emit("errors", 1.0, self._tags.of(record), time_s, now_s)

    def _count_out_of_memory(self, record: InvocationRecord, time_s: int, now_s: int) -> None:
        if not record.is_out_of_memory_counted:
            record.is_out_of_memory_counted = True
            self._emit("out_of_memory", 1.0, self._tags.of(record), time_s, now_s)

    # --- figures of the sandbox ----------------------------------------------------------------------------------

    def _emit_use(self, peaks: Peaks, usage: SandboxUsage, now_s: int) -> None:
        """Limits, and the highest use with a last look at it."""
        tags = self._tags.now()
        limits = usage.limits
        if limits is not None:
            self._emit("fd_max", float(limits.descriptors), tags, now_s, now_s)
            self._emit("threads_max", float(limits.threads), tags, now_s, now_s)
        readings = usage.readings
        if readings is None:
            return
        peaks.take(readings)
        if peaks.tmp_used_bytes > 0:
            self._emit("tmp_used", float(peaks.tmp_used_bytes), tags, now_s, now_s)
            self._emit("tmp_max", float(usage.tmp_bytes_max), tags, now_s, now_s)
            self._emit("tmp_free", float(usage.tmp_bytes_max - peaks.tmp_used_bytes), tags, now_s, now_s)
        if peaks.descriptors > 0:
            self._emit("fd_use", float(peaks.descriptors), tags, now_s, now_s)
        if peaks.threads > 0:
            self._emit("threads_use", float(peaks.threads), tags, now_s, now_s)

    def _emit_utilisation(self, record: InvocationRecord, usage: SandboxUsage, now_s: int) -> None:
        start, end = record.cpu, usage.cpu
        if start is None or end is None or record.uptime_ms < 0.0 or usage.uptime_ms < 0.0:
            return
        busy = utilisation(start, record.uptime_ms, end, usage.uptime_ms)
        if busy is not None:
            tags = self._tags.now()
            self._emit("cpu_total_utilization_pct", busy.total_percent, tags, now_s, now_s)
            self._emit("cpu_total_utilization", busy.total_cores, tags, now_s, now_s)
            self._emit("num_cores", float(busy.cores), tags, now_s, now_s)
            self._emit("cpu_max_utilization", busy.most_percent, tags, now_s, now_s)
            self._emit("cpu_min_utilization", busy.least_percent, tags, now_s, now_s)

    def _emit_totals(self, record: InvocationRecord, usage: SandboxUsage, now_s: int) -> None:
        """What went over the network and how much CPU was used since the invocation began, the freeze included."""
        tags = self._tags.now()
        sent, sent_now = record.network, usage.network
        if sent is not None and sent_now is not None:
            received_bytes = float(sent_now.received_bytes - sent.received_bytes)
            sent_bytes = float(sent_now.sent_bytes - sent.sent_bytes)
            self._emit("rx_bytes", received_bytes, tags, now_s, now_s)
            self._emit("tx_bytes", sent_bytes, tags, now_s, now_s)
            self._emit("total_network", received_bytes + sent_bytes, tags, now_s, now_s)
        start, end = record.cpu, usage.cpu
        if start is not None and end is not None:
            user_ms = end.user_ms - start.user_ms
            system_ms = end.system_ms - start.system_ms
            self._emit("cpu_user_time", user_ms, tags, now_s, now_s)
            self._emit("cpu_system_time", system_ms, tags, now_s, now_s)
            self._emit("cpu_total_time", user_ms + system_ms, tags, now_s, now_s)

    # --- inserting -----------------------------------------------------------------------------------------------

    def _emit_own(self, record: InvocationRecord, name: str, value: float, event: TelemetryEvent, now_s: int) -> None:
        self._emit(name, value, self._tags.of(record), event.time_ms // 1000, now_s)

    def _emit(self, name: str, value: float, tags: list[str], time_s: int, now_s: int) -> None:
        self._insert(PREFIX + name, value, tags, min(time_s, now_s))
