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
    RESTORE_REPORT,
    STATUS_ERROR,
    STATUS_SUCCESS,
    STATUS_TIMEOUT,
    TelemetryEvent,
)
from thimble.core.lifecycle.estimated_cost import estimated_cost, usd_per_gb_second
from thimble.core.lifecycle.invocation_records import (
    COLD,
    INIT_UNKNOWN,
    PROACTIVE,
    WARM,
    InvocationRecord,
    InvocationRecords,
)
from thimble.core.lifecycle.proc_files import NO_UPTIME, utilisation
from thimble.core.lifecycle.sampling import Peaks
from thimble.core.limits import INIT_EVENTS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.lifecycle.proc_files import CpuTimes, Limits, Network
    from thimble.core.lifecycle.sampling import Readings

PREFIX: Final = "aws.lambda.enhanced."

PROACTIVE_AFTER_MS: Final = 10_000
"""A first invocation that comes later than this after the start found a sandbox that was made in advance."""

SUSPICION_PERCENT: Final = 98
SUSPICION_TAG: Final = "memory_exhaustion:suspected"
"""On `max_memory_used` of an invocation that failed with so much of its memory used that this is the likely reason,
though nothing says so; `out_of_memory` keeps its exact meaning."""

_SECONDS: Final = 0.001
_SNAP_START: Final = "snap-start"
_SNAP_START_TAG: Final = "SnapStart"
_ON_DEMAND: Final = "on-demand"
_DURABLE: Final = "DurableFunction"
_OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"


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
        is_managed: Several invocations at once, and neither INVOKE nor `platform.runtimeDone`.
        is_snap_start: The sandbox was restored from a snapshot.
        waits_for_init: Telemetry will tell about the initialisation.
        machine: As the kernel names it; decides the price.
        started_ms: When the process started, on the clock of every `clock_ms` here (monotonic milliseconds).

    Attributes:
        runtime: Value of the `runtime` tag; to be set before the first invocation is told.
    """

    def __init__(
        self,
        insert: Callable[[str, float, list[str], int], None],
        records: InvocationRecords,
        is_managed: bool,
        is_snap_start: bool,
        waits_for_init: bool,
        machine: str,
        started_ms: int,
    ) -> None:
        self._insert = insert
        self._records = records
        self._is_managed = is_managed
        self._is_snap_start = is_snap_start
        self._waits_for_init = waits_for_init and not is_managed
        self._usd_per_gb_s = usd_per_gb_second(machine)
        self._started_ms = started_ms
        self._restored_ms = -1
        self.runtime = ""
        self._has_invocation = False
        self._is_first_taken = False
        self._awaits_first = False
        self._init_state = INIT_UNKNOWN
        self._is_init_counted = False
        self._init_type = ""
        self._is_durable = False
        self._held: InvocationRecord | None = None
        self._held_s = 0
        self._init_events: list[TelemetryEvent] = []
        self._managed_peaks = Peaks()
        self._tags: dict[int, list[str]] = {}

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
        else:
            self._init_state = self._next_init_state(clock_ms)
        record.init_state = self._init_state
        self.release_held(now_s)
        is_first = not self._has_invocation
        self._has_invocation = True
        if is_first and self._waits_for_init:
            self._held = record
            self._held_s = now_s
            self._replay_init(now_s)
            if record.done_ms >= 0 or record.reported_ms >= 0:
                self.release_held(now_s)
        else:
            self._emit("invocations", 1.0, self._tags_of(record), now_s, now_s)
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
        if event.request_id:
            self._count_out_of_memory(self._records.note(event.request_id), event.time_ms // 1000, now_s)
        else:
            self._emit("out_of_memory", 1.0, self._tags_now(), event.time_ms // 1000, now_s)

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
        record.peaks = None
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
            if record.is_invoked and record.done_ms < 0:
                self._count_managed_run(record, event, now_s, usage)
        self._emit_totals(record, usage, now_s)
        record.forget_figures()

    def release_held(self, now_s: int) -> None:
        """Send the count of the first invocation off if it still waits; before a flush at the latest."""
        record = self._held
        if record is not None:
            self._held = None
            self._emit("invocations", 1.0, self._tags_of(record), self._held_s, now_s)

    # --- the sandbox ---------------------------------------------------------------------------------------------

    def on_init_event(self, event: TelemetryEvent, now_s: int, clock_ms: int) -> None:
        """`platform.initStart`, `platform.initReport` or `platform.restoreReport`; others are ignored."""
        if self._is_managed and event.kind == INIT_START and not self._is_first_taken:
            self._init_state = self._next_init_state(clock_ms)
            self._awaits_first = True
        if self._has_invocation or not self._waits_for_init:
            self._handle_init(event, now_s)
        elif len(self._init_events) < INIT_EVENTS_MAX:
            self._init_events.append(event)

    def on_restore_start(self, clock_ms: int) -> None:
        """`platform.restoreStart`: the sandbox comes out of a snapshot."""
        self._restored_ms = clock_ms

    def on_shutdown(self, now_s: int, usage: SandboxUsage) -> None:
        """SHUTDOWN: to be told once."""
        self._replay_init(now_s)
        self.release_held(now_s)
        self._emit("shutdowns", 1.0, self._tags_now(), now_s, now_s)
        if not self._has_invocation:
            self._emit("unused_init", 1.0, self._tags_now(), now_s, now_s)
        if self._is_managed:
            self._emit_use(self._managed_peaks, usage, now_s)

    def _next_init_state(self, clock_ms: int) -> int:
        if self._is_first_taken:
            return WARM
        self._is_first_taken = True
        since_ms = self._started_ms
        if self._is_snap_start:
            if self._restored_ms < 0:
                return COLD
            since_ms = self._restored_ms
        return PROACTIVE if clock_ms - since_ms > PROACTIVE_AFTER_MS else COLD

    def _replay_init(self, now_s: int) -> None:
        events = self._init_events
        self._init_events = []
        for event in events:
            self._handle_init(event, now_s)

    def _handle_init(self, event: TelemetryEvent, now_s: int) -> None:
        if event.kind == INIT_START:
            version = event.runtime_version
            if version is not None and _DURABLE in version and not self._is_durable:
                self._is_durable = True
                self._tags.clear()
            self._waits_for_init = False
            self.release_held(now_s)
        elif event.kind == INIT_REPORT and event.has_metrics:
            init_type = _SNAP_START_TAG if event.init_type == _SNAP_START else event.init_type
            self._count_init(event.duration_ms, init_type, event, None, now_s)
        elif event.kind == RESTORE_REPORT and event.has_metrics:
            self._emit(
                "snapstart_restore_duration",
                event.duration_ms * _SECONDS,
                self._tags_now(),
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
        self._init_type = init_type
        self._tags.clear()
        tags = self._tags_now() if record is None else self._tags_of(record)
        self._emit("init_duration", duration_ms * _SECONDS, tags, event.time_ms // 1000, now_s)

    # --- counting ------------------------------------------------------------------------------------------------

    def _count_outcome(self, record: InvocationRecord, event: TelemetryEvent, now_s: int) -> None:
        """Errors, time-outs, memory, and how long the response took; the same for both modes."""
        if event.status != STATUS_SUCCESS:
            self._count_error(record, event.time_ms // 1000, now_s)
            if event.status == STATUS_TIMEOUT:
                self._emit_own(record, "timeouts", 1.0, event, now_s)
            elif event.status == STATUS_ERROR and event.error_type == _OUT_OF_MEMORY:
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
        tags = self._tags_of(record)
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
        record.note_done(event.time_ms)
        runtime_ms = event.duration_ms
        for span in event.spans:
            if span.name == "responseLatency":
                runtime_ms = span.duration_ms
                break
        record.runtime_ms = runtime_ms
        self._emit_own(record, "runtime_duration", runtime_ms, event, now_s)
        self._count_outcome(record, event, now_s)
        self._emit_utilisation(record, usage, now_s)

    def _count_error(self, record: InvocationRecord, time_s: int, now_s: int) -> None:
        """One error per invocation, whoever tells it first."""
        if not record.is_error_counted:
            record.is_error_counted = True
            self._emit("errors", 1.0, self._tags_of(record), time_s, now_s)

    def _count_out_of_memory(self, record: InvocationRecord, time_s: int, now_s: int) -> None:
        if not record.is_out_of_memory_counted:
            record.is_out_of_memory_counted = True
            self._emit("out_of_memory", 1.0, self._tags_of(record), time_s, now_s)

    # --- figures of the sandbox ----------------------------------------------------------------------------------

    def _emit_use(self, peaks: Peaks, usage: SandboxUsage, now_s: int) -> None:
        """Limits, and the highest use with a last look at it."""
        tags = self._tags_now()
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
            tags = self._tags_now()
            self._emit("cpu_total_utilization_pct", busy.total_percent, tags, now_s, now_s)
            self._emit("cpu_total_utilization", busy.total_cores, tags, now_s, now_s)
            self._emit("num_cores", float(busy.cores), tags, now_s, now_s)
            self._emit("cpu_max_utilization", busy.most_percent, tags, now_s, now_s)
            self._emit("cpu_min_utilization", busy.least_percent, tags, now_s, now_s)

    def _emit_totals(self, record: InvocationRecord, usage: SandboxUsage, now_s: int) -> None:
        """What went over the network and how much CPU was used since the invocation began, the freeze included."""
        tags = self._tags_now()
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

    # --- tags ----------------------------------------------------------------------------------------------------

    def _tags_of(self, record: InvocationRecord) -> list[str]:
        """The tags of an invocation: as it began; one that was never invoked has those of the sandbox."""
        return self._tags_for(record.init_state or self._init_state)

    def _tags_now(self) -> list[str]:
        return self._tags_for(self._init_state)

    def _tags_for(self, init_state: int) -> list[str]:
        """One and the same list until a tag changes, so that whoever takes it in can recognise it."""
        tags = self._tags.get(init_state)
        if tags is None:
            tags = []
            if init_state != INIT_UNKNOWN:
                tags.append("cold_start:true" if init_state == COLD else "cold_start:false")
                if init_state == PROACTIVE:
                    tags.append("proactive_initialization:true")
                if self.runtime:
                    tags.append("runtime:" + self.runtime)
            if self._is_durable:
                tags.append("durable_function:true")
            if self._init_type:
                tags.append("init_type:" + self._init_type)
            self._tags[init_state] = tags
        return tags

    def _emit_own(self, record: InvocationRecord, name: str, value: float, event: TelemetryEvent, now_s: int) -> None:
        self._emit(name, value, self._tags_of(record), event.time_ms // 1000, now_s)

    def _emit(self, name: str, value: float, tags: list[str], time_s: int, now_s: int) -> None:
        self._insert(PREFIX + name, value, tags, min(time_s, now_s))
