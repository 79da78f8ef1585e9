"""Between what happens in the sandbox and the metrics that we make of it: the clocks, the readings of `/proc`, and the
task that looks at the use of `/tmp`, descriptors and threads while an invocation is open.

A defect in here costs metrics, never an invocation: it is reported and swallowed at this border.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.core.codec.telemetry_events import (
    INIT_REPORT,
    INIT_START,
    OUT_OF_MEMORY,
    REPORT,
    RESTORE_REPORT,
    RESTORE_START,
    RUNTIME_DONE,
    START,
    TelemetryEvent,
)
from thimble.core.lifecycle.enhanced_metrics import EnhancedMetrics, SandboxUsage
from thimble.core.lifecycle.init_tags import InitTags
from thimble.core.lifecycle.invocation_records import InvocationRecord
from thimble.core.lifecycle.sampling import Peaks, SampleSchedule
from thimble.reactor.loop import Loop, Task
from thimble.shell.proc_stats import ProcReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.shell.log import Log


class SandboxMetrics:
    """Tells `EnhancedMetrics` what happens, with the sandbox's figures of that moment.

    Args:
        wall_ms: Unix milliseconds.
        clock_ms: Monotonic milliseconds, those during which the sandbox was frozen included.
        cpu_ns: CPU time of this thread in nanoseconds.
        is_on: Whether there are such metrics at all; otherwise nothing is read and nothing is counted.
        reads_use: Whether to read CPU, network, and the use of `/tmp`, descriptors and threads.
        is_managed: Whether invocations overlap; they then begin with `platform.start`.
    """

    def __init__(
        self,
        loop: Loop,
        metrics: EnhancedMetrics,
        tags: InitTags,
        reader: ProcReader,
        wall_ms: Callable[[], int],
        clock_ms: Callable[[], int],
        cpu_ns: Callable[[], int],
        is_on: bool,
        reads_use: bool,
        is_managed: bool,
        log: Log,
    ) -> None:
        self._loop = loop
        self._metrics = metrics
        self._tags = tags
        self._reader = reader
        self._wall_ms = wall_ms
        self._clock_ms = clock_ms
        self._cpu_ns = cpu_ns
        self._is_on = is_on
        self._reads_use = reads_use
        self._is_managed = is_managed
        self._log = log
        self._sampler: Task | None = None
        self._watched: InvocationRecord | None = None
        self._current_id = ""
        self._running = 0

    # --- what happens --------------------------------------------------------------------------------------------

    def on_invoke(self, request_id: str) -> None:
        """INVOKE."""
        if self._is_on:
            try:
                self._begin(request_id)
            except Exception as error:
                self._defect(error)

    def on_events(self, events: list[TelemetryEvent]) -> None:
        """Platform events, in order."""
        if self._is_on:
            for event in events:
                try:
                    self._take(event)
                except Exception as error:
                    self._defect(error)

    def on_failed_end_call(self, request_id: str) -> None:
        """A tracer says that an invocation failed: the one it names, else the one that runs."""
        if self._is_on:
            try:
                self._metrics.on_failed_end_call(request_id or self._current_id, self._now_s())
            except Exception as error:
                self._defect(error)

    def before_flush(self) -> None:
        """The flush at the end of an invocation is about to begin: what waits for telemetry must not miss it."""
        if self._is_on:
            try:
                self._metrics.release_held(self._now_s())
            except Exception as error:
                self._defect(error)

    def on_shutdown(self) -> None:
        """SHUTDOWN."""
        if self._is_on:
            try:
                self._stop_sampler()
                usage = SandboxUsage()
                if self._is_managed:
                    self._read_use(usage)
                self._metrics.on_shutdown(self._now_s(), usage)
            except Exception as error:
                self._defect(error)

    def _take(self, event: TelemetryEvent) -> None:
        kind = event.kind
        if kind == RUNTIME_DONE:
            self._end(event)
        elif kind == REPORT:
            self._close(event)
        elif kind == START:
            if self._is_managed:
                self._begin_managed(event)
        elif kind in (INIT_START, INIT_REPORT, RESTORE_REPORT):
            if kind == RESTORE_REPORT and not event.has_metrics:
                self._log.error("METRICS | platform.restoreReport has no metrics.")
            self._find_runtime()
            self._metrics.on_init_event(event, self._now_s(), self._clock_ms())
        elif kind == RESTORE_START:
            self._metrics.on_restore_start(self._clock_ms())
        elif kind == OUT_OF_MEMORY:
            self._metrics.on_out_of_memory(event, self._now_s())

    def _begin(self, request_id: str) -> None:
        if not self._metrics.is_invoked:
            self._tags.set_runtime(self._reader.runtime())
        record = self._metrics.on_invoke(request_id, self._now_s(), self._clock_ms())
        self._current_id = request_id
        self._read_offsets(record)
        self._stop_sampler()
        if self._reads_use and record.done_ms < 0:
            record.peaks = Peaks()
            self._watched = record
            self._start_sampler(record.peaks)

    def _begin_managed(self, event: TelemetryEvent) -> None:
        self._find_runtime()
        record = self._metrics.on_start(event, self._now_s(), self._clock_ms())
        if record is None:
            return
        self._read_offsets(record)
        self._running += 1
        if self._running == 1 and self._reads_use:
            self._start_sampler(self._metrics.managed_peaks)

    def _end(self, event: TelemetryEvent) -> None:
        usage = SandboxUsage()
        self._read_use(usage)
        if self._reads_use:
            usage.cpu = self._reader.cpu_times()
            usage.uptime_ms = self._reader.uptime_ms()
        watched = self._watched
        if watched is not None and watched.request_id == event.request_id:
            self._stop_sampler()
        self._metrics.on_runtime_done(event, self._now_s(), usage)

    def _close(self, event: TelemetryEvent) -> None:
        usage = SandboxUsage()
        if self._reads_use:
            usage.cpu = self._reader.cpu_times()
            usage.network = self._reader.network()
            if not event.is_on_demand_shape:
                usage.uptime_ms = self._reader.uptime_ms()
        if self._is_managed and self._running > 0:
            self._running -= 1
            if self._running == 0:
                self._stop_sampler()
        self._metrics.on_report(event, self._now_s(), usage)

    # --- readings ------------------------------------------------------------------------------------------------

    def _find_runtime(self) -> None:
        """On managed instances telemetry alone tells that the runtime is there."""
        if self._is_managed and not self._tags.runtime:
            self._tags.set_runtime(self._reader.runtime())

    def _read_offsets(self, record: InvocationRecord) -> None:
        if self._reads_use:
            record.network = self._reader.network()
            record.cpu = self._reader.cpu_times()
            record.uptime_ms = self._reader.uptime_ms()

    def _read_use(self, usage: SandboxUsage) -> None:
        if self._reads_use:
            usage.readings = self._reader.readings(self._reader.processes())
            usage.tmp_bytes_max = self._reader.tmp_bytes_max()
        else:
            self._reader.forget()
        usage.limits = self._reader.limits(self._reader.processes())  # after the readings: they find who has ended

    def _start_sampler(self, peaks: Peaks) -> None:
        self._reader.forget()
        schedule = SampleSchedule()
        pause_ms = self._look(peaks, schedule)
        self._sampler = self._loop.spawn(self._sample(peaks, schedule, pause_ms), "sampler")

    def _stop_sampler(self) -> None:
        self._watched = None
        if self._sampler is not None:
            self._loop.cancel(self._sampler)
            self._sampler = None

    async def _sample(self, peaks: Peaks, schedule: SampleSchedule, pause_ms: int) -> None:
        while True:
            await self._loop.sleep_ms(pause_ms)
            pause_ms = self._look(peaks, schedule)

    def _look(self, peaks: Peaks, schedule: SampleSchedule) -> int:
        """Look at what is in use, and answer how long to wait before the next look."""
        before_ns = self._cpu_ns()
        readings = self._reader.readings(self._reader.processes())
        peaks.take(readings)
        return schedule.next_ms(readings, (self._cpu_ns() - before_ns) // 1000)

    def _now_s(self) -> int:
        return self._wall_ms() // 1000

    def _defect(self, error: Exception) -> None:
        text = f"METRICS | Defect in our own metrics: {type(error).__name__}: {error}"
        self._log.error_once("enhanced metrics", text)
