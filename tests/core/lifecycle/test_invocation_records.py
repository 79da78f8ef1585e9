"""Records by request id: bounded, adopted, and one per run where an id runs again."""

from __future__ import annotations

from tests.core.lifecycle.life import Life
from thimble.core.lifecycle.invocation_records import InvocationRecords
from thimble.core.limits import INVOCATION_RECORDS_MAX


def test_the_oldest_record_goes_at_the_limit() -> None:
    records = InvocationRecords(INVOCATION_RECORDS_MAX)
    for number in range(INVOCATION_RECORDS_MAX - 1):
        records.open(f"r{number}")
    records.note("r498")
    assert len(records) == INVOCATION_RECORDS_MAX - 1
    records.note("one more")
    assert (len(records), records.get("r0") is not None) == (INVOCATION_RECORDS_MAX, True)
    records.open("too many")
    assert (len(records), records.get("r0"), records.get("r1") is not None) == (INVOCATION_RECORDS_MAX, None, True)


def test_a_record_that_telemetry_made_is_adopted_by_its_invocation() -> None:
    records = InvocationRecords(3)
    early = records.note("r1")
    early.note_done(5)
    assert records.open("r1") is early
    assert early.is_invoked


def test_a_retry_under_the_same_id_is_an_invocation_of_its_own() -> None:
    """Lambda retries a failed asynchronous invocation so; the first report comes during the second run."""
    life = Life()
    life.init_start()
    life.invoke("r1", 300)
    life.done("r1", 1000, status="error", metrics={"durationMs": 600.0})
    life.invoke("r1", 61_000)
    life.report("r1", 61_010, status="error", durationMs=610.0, maxMemoryUsedMB=512)
    life.done("r1", 62_000, status="error", metrics={"durationMs": 900.0})
    life.invoke("r2", 63_000)
    life.report("r1", 63_010, status="error", durationMs=902.0, maxMemoryUsedMB=512)
    counted = {name: life.count(name) for name in ("invocations", "errors", "duration", "out_of_memory")}
    assert counted == {"invocations": 3, "errors": 2, "duration": 2, "out_of_memory": 2}
    assert [value for _, value, _, _ in life.of("post_runtime_duration")] == [10.0, 2.0]
    assert ["cold_start:true" in tags for _, _, tags, _ in life.of("duration")] == [True, False]


def test_a_batch_that_is_delivered_twice_counts_once() -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", 300)
    for _ in range(2):
        life.done("r1", 1000, status="timeout")
        life.report("r1", 1100, status="timeout")
    life.invoke("r1", 61_000)
    life.done("r1", 1000, status="timeout")
    life.report("r1", 1100, status="timeout")
    counted = {name: life.count(name) for name in ("runtime_duration", "timeouts", "errors", "duration", "fd_max")}
    assert set(counted.values()) == {1}


def test_the_report_of_an_earlier_run_that_is_delivered_twice_counts_once() -> None:
    life = Life()
    life.invoke("r1", 300)
    life.done("r1", 1000)
    life.invoke("r1", 61_000)
    for _ in range(2):
        life.report("r1", 61_010)
    assert life.count("duration") == 1
    life.report("r1", 62_000)
    assert life.count("duration") == 2


def test_figures_are_dropped_with_the_report() -> None:
    life = Life()
    life.invoke("r1")
    record = life.records.get("r1")
    assert record is not None
    assert record.cpu is not None
    life.report("r1")
    assert (record.cpu, record.network, record.peaks) == (None, None, None)
