"""The life of one sandbox, told to `EnhancedMetrics`, and the metrics that came of it."""

from __future__ import annotations

from typing import Any

from thimble.core.codec.telemetry_events import OUT_OF_MEMORY, TelemetryEvent, parse_platform_event
from thimble.core.lifecycle.enhanced_metrics import PREFIX, EnhancedMetrics, SandboxUsage
from thimble.core.lifecycle.init_tags import InitTags
from thimble.core.lifecycle.invocation_records import InvocationRecords
from thimble.core.lifecycle.proc_files import CpuTimes, Limits, Network
from thimble.core.lifecycle.sampling import Peaks, Readings

BASE_S = 1_772_446_530
"""Unix seconds at which the process started; every event is later."""

Point = tuple[str, float, tuple[str, ...], int]


class Life:
    """One sandbox. Times of calls are milliseconds since the start of the process; events carry the same.

    Attributes:
        points: (name without the prefix, value, tags, Unix seconds) in the order of creation.
    """

    def __init__(
        self,
        *,
        managed: bool = False,
        snap_start: bool = False,
        subscribed: bool = True,
        machine: str = "x86_64",
        records_max: int = 500,
    ) -> None:
        self.points: list[Point] = []
        self.records = InvocationRecords(records_max)
        tags = InitTags(snap_start, 0)
        tags.set_runtime("python3.13")
        self.metrics = EnhancedMetrics(self._insert, self.records, tags, managed, subscribed, machine)
        self.use = (0, 0, 0)
        """Bytes of /tmp, descriptors and threads at the last look."""

    def _insert(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        assert name.startswith(PREFIX)
        self.points.append((name[len(PREFIX) :], value, tuple(tags), timestamp_s))

    # --- what happens --------------------------------------------------------------------------------------------

    def invoke(self, request_id: str = "r1", at_ms: int = 300) -> None:
        record = self.metrics.on_invoke(request_id, BASE_S + at_ms // 1000, at_ms)
        self._read_offsets(record, at_ms)
        if record.done_ms < 0:
            record.peaks = Peaks()

    def _read_offsets(self, record: Any, at_ms: int) -> None:
        record.cpu = cpu(at_ms)
        record.network = Network(1200 + at_ms, 300 + at_ms)
        record.uptime_ms = float(at_ms)

    def init_start(self, at_ms: int = 0, runtime_version: str = "python:3.13.v1") -> None:
        record = {"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime_version}
        self._init_event("platform.initStart", record, at_ms)

    def init_report(self, duration_ms: float = 312.5, kind: str = "on-demand", at_ms: int = 313) -> None:
        record = {"initializationType": kind, "phase": "init", "metrics": {"durationMs": duration_ms}}
        self._init_event("platform.initReport", record, at_ms)

    def restore_start(self, at_ms: int) -> None:
        self.metrics.on_restore_start(at_ms)

    def restore_report(self, duration_ms: float, at_ms: int = 313) -> None:
        self._init_event("platform.restoreReport", {"status": "success", "metrics": {"durationMs": duration_ms}}, at_ms)

    def _init_event(self, kind: str, record: dict[str, Any], at_ms: int) -> None:
        self.metrics.on_init_event(event(kind, record, at_ms), BASE_S + at_ms // 1000, at_ms)

    def start(self, request_id: str, at_ms: int = 300) -> None:
        """`platform.start` of a managed instance."""
        record = {"requestId": request_id, "version": "$LATEST"}
        begun = self.metrics.on_start(event("platform.start", record, at_ms), BASE_S + at_ms // 1000, at_ms)
        if begun is not None:
            self._read_offsets(begun, at_ms)

    def done(self, request_id: str = "r1", at_ms: int = 1000, status: str = "success", **fields: Any) -> None:
        """`platform.runtimeDone`; `fields` replace those of the record, None removes one."""
        metrics = {"durationMs": 701.56, "producedBytes": 52}
        record = {"requestId": request_id, "status": status, "metrics": metrics} | fields
        told = event("platform.runtimeDone", {k: v for k, v in record.items() if v is not None}, at_ms)
        usage = self._usage(at_ms)
        usage.readings = Readings(*self.use)
        usage.tmp_bytes_max = 1 << 29
        usage.limits = Limits()
        self.metrics.on_runtime_done(told, BASE_S + at_ms // 1000, usage)

    def report(
        self, request_id: str = "r1", at_ms: int = 1100, status: str = "success", spans: Any = None, **metrics: Any
    ) -> None:
        """`platform.report`; `metrics` replace those of the record, None removes one."""
        figures = {"durationMs": 734.21, "billedDurationMs": 735, "memorySizeMB": 512, "maxMemoryUsedMB": 97} | metrics
        record: dict[str, Any] = {"requestId": request_id, "status": status, "spans": spans}
        record["metrics"] = {key: value for key, value in figures.items() if value is not None}
        if "error_type" in record["metrics"]:
            record["errorType"] = record["metrics"].pop("error_type")
        self.metrics.on_report(event("platform.report", record, at_ms), BASE_S + at_ms // 1000, self._usage(at_ms))

    def managed_report(self, request_id: str, at_ms: int = 1100, duration_ms: float = 40.0, **fields: Any) -> None:
        """`platform.report` as managed instances get it."""
        none = {"billedDurationMs": None, "memorySizeMB": None, "maxMemoryUsedMB": None}
        self.report(request_id, at_ms, durationMs=duration_ms, **none, **fields)

    def out_of_memory_line(self, request_id: str = "", at_ms: int = 900) -> None:
        told = TelemetryEvent(OUT_OF_MEMORY, (BASE_S * 1000) + at_ms, request_id)
        self.metrics.on_out_of_memory(told, BASE_S + at_ms // 1000)

    def failed_end_call(self, request_id: str = "r1", at_ms: int = 950) -> None:
        self.metrics.on_failed_end_call(request_id, BASE_S + at_ms // 1000)

    def shutdown(self, at_ms: int = 5000) -> None:
        usage = self._usage(at_ms)
        usage.readings = Readings(*self.use)
        usage.limits = Limits()
        self.metrics.on_shutdown(BASE_S + at_ms // 1000, usage)

    def _usage(self, at_ms: int) -> SandboxUsage:
        usage = SandboxUsage()
        usage.cpu = cpu(at_ms)
        usage.network = Network(1200 + at_ms * 3, 300 + at_ms * 2)
        usage.uptime_ms = float(at_ms)
        return usage

    # --- what came of it -----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return [name for name, _, _, _ in self.points]

    def count(self, name: str) -> int:
        return self.names().count(name)

    def of(self, name: str) -> list[Point]:
        return [point for point in self.points if point[0] == name]

    def one(self, name: str) -> Point:
        (point,) = self.of(name)
        return point

    def value(self, name: str) -> float:
        return self.one(name)[1]

    def tags(self, name: str) -> set[str]:
        return set(self.one(name)[2])


def event(kind: str, record: dict[str, Any], at_ms: int) -> TelemetryEvent:
    parsed = parse_platform_event(kind, BASE_S * 1000 + at_ms, record)
    assert parsed is not None, f"{kind} cannot be read"
    return parsed


def cpu(at_ms: int) -> CpuTimes:
    """Two cores; a quarter of the time is user's, an eighth the system's."""
    idle_ms = at_ms * 2 * 0.625
    return CpuTimes(at_ms * 0.5, at_ms * 0.25, idle_ms, {b"cpu0": idle_ms / 2, b"cpu1": idle_ms / 2})
