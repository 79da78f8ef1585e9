"""What we hold about each invocation, by request id.

Events of one invocation come in any order: telemetry may overtake INVOKE, the report comes during the next invocation,
a batch may be delivered twice. And a request id is not one invocation: Lambda retries a failed asynchronous invocation
under the same id, perhaps in the same sandbox. So an id that INVOKE brings anew gets a new record, which remembers the
one before for as long as that one waits for its report; and a repeated telemetry event is known by its time.

A record outlives its report, without its figures, so that repetitions are known; the oldest one goes when there are too
many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.lifecycle.proc_files import NO_UPTIME

if TYPE_CHECKING:
    from thimble.core.lifecycle.proc_files import CpuTimes, Network
    from thimble.core.lifecycle.sampling import Peaks

NEVER: Final = -1
"""In place of the time of an event that has not come."""

# How an invocation began.
INIT_UNKNOWN: Final = 0
COLD: Final = 1
WARM: Final = 2
PROACTIVE: Final = 3


class InvocationRecord:
    """One invocation.

    Attributes:
        is_invoked: False while only telemetry has told about it.
        init_state: `COLD`, `WARM` or `PROACTIVE`; `INIT_UNKNOWN` until it is invoked.
        cpu, network, uptime_ms: The sandbox's figures when it was invoked; dropped with the report.
        peaks: The highest use so far, while it is being watched.
        runtime_ms: From `platform.runtimeDone`, 0 before.
        started_ms, done_ms, reported_ms: Unix milliseconds of its telemetry events.
        is_error_pending: An end-invocation call told of an error before it was invoked.
        previous: An earlier run under the same id that still waits for its report.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.is_invoked = False
        self.init_state = INIT_UNKNOWN
        self.cpu: CpuTimes | None = None
        self.network: Network | None = None
        self.uptime_ms = NO_UPTIME
        self.peaks: Peaks | None = None
        self.runtime_ms = 0.0
        self.started_ms = NEVER
        self.done_ms = NEVER
        self.reported_ms = NEVER
        self.is_error_counted = False
        self.is_error_pending = False
        self.is_out_of_memory_counted = False
        self.previous: InvocationRecord | None = None
        self._earlier_started_ms = NEVER
        self._earlier_done_ms = NEVER
        self._earlier_reported_ms = NEVER

    def succeed(self, earlier: InvocationRecord) -> None:
        """Begin another run under the id of `earlier`."""
        self._earlier_started_ms = earlier.started_ms
        self._earlier_done_ms = earlier.done_ms
        self._earlier_reported_ms = earlier.reported_ms
        earlier.previous = None
        if earlier.done_ms != NEVER and earlier.reported_ms == NEVER:
            self.previous = earlier

    def note_start(self, time_ms: int) -> bool:
        """Take note of a `platform.start`; False when it is a repetition."""
        if time_ms in (self.started_ms, self._earlier_started_ms):
            return False
        self.started_ms = time_ms
        return True

    def note_done(self, time_ms: int) -> bool:
        """Take note of a `platform.runtimeDone`; False when it is a repetition."""
        if time_ms in (self.done_ms, self._earlier_done_ms):
            return False
        self.done_ms = time_ms
        return True

    def note_report(self, time_ms: int) -> InvocationRecord | None:
        """Take note of a `platform.report`, and answer whose it is: this one's, an earlier run's, or a repetition's."""
        if time_ms in (self.reported_ms, self._earlier_reported_ms):
            return None
        earlier = self.previous
        if earlier is not None:
            self._earlier_reported_ms = time_ms
            self.previous = None
            return earlier
        self.reported_ms = time_ms
        return self

    def forget_figures(self) -> None:
        """Keep only what tells repetitions."""
        self.cpu = None
        self.network = None
        self.peaks = None


class InvocationRecords:
    """The records of a sandbox.

    Args:
        records_max: The oldest record is dropped for one more than this.
    """

    def __init__(self, records_max: int) -> None:
        self._records_max = records_max
        self._records: dict[str, InvocationRecord] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, request_id: str) -> InvocationRecord | None:
        return self._records.get(request_id)

    def open(self, request_id: str) -> InvocationRecord:
        """The record of an invocation that begins now; one that telemetry made before is adopted."""
        record = self._records.pop(request_id, None)
        if record is None or record.is_invoked:
            earlier = record
            record = InvocationRecord(request_id)
            if earlier is not None:
                record.succeed(earlier)
        record.is_invoked = True
        self._add(record)
        return record

    def note(self, request_id: str) -> InvocationRecord:
        """The record of an invocation that telemetry tells about, made if it is not known."""
        record = self._records.get(request_id)
        if record is None:
            record = InvocationRecord(request_id)
            self._add(record)
        return record

    def _add(self, record: InvocationRecord) -> None:
        if len(self._records) >= self._records_max:
            for oldest in self._records:
                del self._records[oldest]
                break
        self._records[record.request_id] = record
