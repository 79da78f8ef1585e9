"""The life of a sandbox and the metrics that come of it: the specification's scenarios, and what each event counts."""

from __future__ import annotations

import math

import pytest

from tests.core.lifecycle.life import BASE_S, Life, event
from thimble.core.lifecycle.enhanced_metrics import SandboxUsage

COLD = {"cold_start:true", "runtime:python3.13"}
WARM = {"cold_start:false", "runtime:python3.13"}
DONE = [
    "runtime_duration", "produced_bytes", "fd_max", "threads_max", "tmp_used", "tmp_max", "tmp_free", "fd_use",
    "threads_use", "cpu_total_utilization_pct", "cpu_total_utilization", "num_cores", "cpu_max_utilization",
    "cpu_min_utilization",
]  # fmt: skip
REPORTED = [
    "duration", "billed_duration", "max_memory_used", "memorysize", "estimated_cost", "post_runtime_duration",
    "rx_bytes", "tx_bytes", "total_network", "cpu_user_time", "cpu_system_time", "cpu_total_time",
]  # fmt: skip


def test_an_ordinary_cold_invocation_makes_every_metric_in_order() -> None:
    life = Life()
    life.invoke("r1", 300)
    assert life.points == []
    life.init_start()
    assert life.names() == ["invocations"]
    life.init_report()
    life.use = (4096, 31, 9)
    life.done("r1", 1000)
    life.invoke("r2", 2000)
    life.report("r1", 2001)
    life.shutdown()
    assert life.names() == ["invocations", "init_duration", *DONE, "invocations", *REPORTED, "shutdowns"]


def test_the_first_invocation_is_cold_and_counted_at_the_second_of_its_invoke() -> None:
    life = Life()
    life.invoke("r1", 1900)
    life.init_start(2500)
    life.done("r1", 3500)
    assert life.one("invocations") == ("invocations", 1.0, ("cold_start:true", "runtime:python3.13"), BASE_S + 1)


def test_a_first_invocation_long_after_the_start_is_proactive_and_not_cold() -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", 12_000)
    assert life.tags("invocations") == {*WARM, "proactive_initialization:true"}


@pytest.mark.parametrize(("at_ms", "is_cold"), [(9_999, True), (10_000, True), (10_001, False)])
def test_proactive_begins_strictly_after_ten_seconds(at_ms: int, is_cold: bool) -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", at_ms)
    assert ("cold_start:true" in life.tags("invocations")) == is_cold
    assert ("proactive_initialization:true" in life.tags("invocations")) != is_cold


@pytest.mark.parametrize("first_ms", [300, 12_000])
def test_only_the_first_invocation_is_cold_or_proactive_whenever_its_report_comes(first_ms: int) -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", first_ms)
    life.done("r1", first_ms + 500)
    life.report("r1", first_ms + 510)
    life.invoke("r2", first_ms + 700)
    assert set(life.of("invocations")[1][2]) == WARM


def test_the_report_of_the_first_invocation_is_tagged_as_that_one_began_though_it_comes_during_the_second() -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", 300)
    life.done("r1", 1000)
    life.invoke("r2", 2000)
    life.report("r1", 2010)
    for name in ("duration", "billed_duration", "max_memory_used", "memorysize", "estimated_cost"):
        assert life.tags(name) == COLD, name
    assert life.tags("post_runtime_duration") == COLD


def test_a_late_end_of_the_runtime_is_tagged_as_its_own_invocation_began() -> None:
    life = Life()
    life.init_start()
    life.invoke("r1", 300)
    life.invoke("r2", 2000)
    life.done("r1", 2010)
    assert life.tags("runtime_duration") == COLD
    assert life.tags("fd_max") == WARM  # a figure of the sandbox, taken now


@pytest.mark.parametrize(
    ("restored_ms", "invoke_ms", "expected"),
    [
        (50_000, 54_000, "cold_start:true"),
        (50_000, 60_001, "proactive_initialization:true"),
        (None, 300, "cold_start:true"),
        (None, 60_000, "cold_start:true"),
    ],
)
def test_under_snap_start_the_restoration_counts_as_the_start(
    restored_ms: int | None, invoke_ms: int, expected: str
) -> None:
    life = Life(snap_start=True)
    life.init_start()
    if restored_ms is not None:
        life.restore_start(restored_ms)
    life.invoke("r1", invoke_ms)
    assert expected in life.tags("invocations")


def test_a_restoration_is_counted_in_seconds() -> None:
    life = Life(snap_start=True)
    life.restore_report(188.25)
    assert life.points == []
    life.invoke()
    assert life.one("snapstart_restore_duration")[1] == 188.25 * 0.001
    assert life.tags("snapstart_restore_duration") == COLD


def test_the_duration_of_the_initialisation_counts_once_and_its_report_comes_first() -> None:
    life = Life()
    life.init_report(312.5, "provisioned-concurrency")
    life.invoke("r1", 400)
    life.done("r1", 1000)
    life.report("r1", 1100, initDurationMs=312.5)
    assert life.value("init_duration") == 0.3125
    assert "init_type:provisioned-concurrency" in life.tags("init_duration")


def test_the_duration_of_the_initialisation_counts_once_and_the_invocations_report_comes_first() -> None:
    life = Life()
    life.invoke("r1")
    life.report("r1", 1100, initDurationMs=80)
    life.init_report(80.5)
    assert life.value("init_duration") == 0.08
    assert "init_type:on-demand" in life.tags("init_duration")


@pytest.mark.parametrize(
    ("told", "tag"),
    [
        ("on-demand", "on-demand"),
        ("snap-start", "SnapStart"),
        ("lambda-managed-instances", "lambda-managed-instances"),
    ],
)
def test_the_init_type_is_on_every_later_metric(told: str, tag: str) -> None:
    life = Life()
    life.invoke()
    life.init_start()
    life.init_report(10, told)
    life.done()
    assert f"init_type:{tag}" not in life.tags("invocations")
    assert f"init_type:{tag}" in life.tags("init_duration")
    assert f"init_type:{tag}" in life.tags("runtime_duration")


def test_what_is_told_before_the_first_invocation_waits_for_its_tags() -> None:
    life = Life()
    life.init_start()
    life.init_report(312.5)
    assert life.points == []
    life.invoke()
    assert life.names() == ["invocations", "init_duration"]
    assert life.tags("init_duration") == {*COLD, "init_type:on-demand"}
    assert life.tags("invocations") == COLD


def test_an_end_of_the_runtime_without_metrics_counts_but_its_durations() -> None:
    life = Life()
    life.use = (4096, 31, 9)
    life.invoke()
    life.done(status="error", metrics=None)
    assert life.names() == ["invocations", "errors", *DONE[2:]]


def test_produced_bytes_count_when_they_are_zero_and_not_when_they_are_missing() -> None:
    life = Life()
    life.done("r1", metrics={"durationMs": 1, "producedBytes": 0})
    life.done("r2", metrics={"durationMs": 1})
    assert life.value("produced_bytes") == 0.0


def test_a_sandbox_that_was_never_used_says_so() -> None:
    life = Life()
    life.shutdown(5000)
    assert life.points == [("shutdowns", 1.0, (), BASE_S + 5), ("unused_init", 1.0, (), BASE_S + 5)]


def test_a_sandbox_that_was_used_only_shuts_down() -> None:
    life = Life()
    life.init_start()
    life.invoke()
    life.shutdown()
    assert life.names() == ["invocations", "shutdowns"]


def test_an_unused_sandbox_still_says_how_long_its_initialisation_took() -> None:
    life = Life()
    life.init_report(312.5)
    life.shutdown()
    assert life.names() == ["init_duration", "shutdowns", "unused_init"]


def test_the_first_count_is_sent_with_the_end_of_the_runtime_when_no_init_start_came() -> None:
    life = Life()
    life.invoke("r1", 300)
    assert life.points == []
    life.done("r1", 1000)
    assert life.names()[0] == "invocations"
    assert life.one("invocations")[3] == BASE_S


def test_the_first_count_waits_for_nothing_when_its_end_came_before_it() -> None:
    life = Life()
    life.done("r1", 1000)
    life.invoke("r1", 1010)
    assert life.count("invocations") == 1


@pytest.mark.parametrize("what", ["report", "second invocation", "flush", "shutdown"])
def test_the_first_count_never_waits_longer_than(what: str) -> None:
    life = Life()
    life.invoke("r1", 300)
    if what == "report":
        life.report("r1")
    elif what == "second invocation":
        life.invoke("r2", 2000)
    elif what == "flush":
        life.metrics.release_held(BASE_S + 1)
    else:
        life.shutdown()
    assert life.of("invocations")[0] == ("invocations", 1.0, ("cold_start:true", "runtime:python3.13"), BASE_S)


def test_without_telemetry_the_first_count_waits_for_nothing() -> None:
    life = Life(subscribed=False)
    life.invoke()
    assert life.names() == ["invocations"]


def test_a_durable_function_is_tagged_from_its_first_count_on() -> None:
    life = Life()
    life.invoke("r1")
    life.init_start(runtime_version="python:3.14.DurableFunction.v2")
    life.done("r1")
    life.invoke("r2", 2000)
    life.report("r1", 2100)
    life.shutdown()
    assert all("durable_function:true" in tags for _, _, tags, _ in life.points)


def test_the_report_is_in_seconds_megabytes_and_dollars() -> None:
    life = Life()
    life.invoke()
    life.done(metrics={"durationMs": 701.56})
    life.report(durationMs=2876.43, billedDurationMs=83, memorySizeMB=512, maxMemoryUsedMB=97)
    assert life.value("duration") == 2.87643
    assert life.value("billed_duration") == 83 * 0.001
    assert (life.value("memorysize"), life.value("max_memory_used")) == (512.0, 97.0)
    assert life.value("estimated_cost") == 8.91668e-07
    assert life.value("runtime_duration") == 701.56


@pytest.mark.parametrize(
    ("reported_ms", "runtime_ms", "expected"), [(734.21, 701.56, 32.65000000000009), (100.0, 103.25, -3.25)]
)
def test_the_time_after_the_runtime_is_the_difference_of_both_durations(
    reported_ms: float, runtime_ms: float, expected: float
) -> None:
    life = Life()
    life.invoke()
    life.done(metrics={"durationMs": runtime_ms})
    life.report(durationMs=reported_ms)
    assert life.value("post_runtime_duration") == expected


def test_there_is_no_time_after_a_runtime_that_took_none_or_that_nobody_told_about() -> None:
    life = Life()
    life.invoke("r1")
    life.done("r1", metrics={"durationMs": 0})
    life.report("r1")
    life.report("unknown", 1200)
    assert life.count("post_runtime_duration") == 0
    assert life.count("duration") == 2


def test_billing_figures_may_be_written_as_floats() -> None:
    life = Life()
    life.invoke()
    life.report(billedDurationMs=6.0, memorySizeMB=128.0, maxMemoryUsedMB=60.0)
    assert life.value("billed_duration") == 0.006
    assert life.value("memorysize") == 128.0


def test_network_and_cpu_are_differences_since_the_invoke() -> None:
    life = Life()
    life.invoke("r1", 1000)
    life.report("r1", 3000)
    assert life.value("rx_bytes") == 3000 * 3 - 1000
    assert life.value("tx_bytes") == 3000 * 2 - 1000
    assert life.value("total_network") == 3000 * 5 - 2000
    assert (life.value("cpu_user_time"), life.value("cpu_system_time")) == (1000.0, 500.0)
    assert life.value("cpu_total_time") == 1500.0


def test_utilisation_is_that_of_the_time_between_invoke_and_end() -> None:
    life = Life()
    life.invoke("r1", 1000)
    life.done("r1", 3000)
    assert life.value("cpu_total_utilization_pct") == pytest.approx(37.5)
    assert life.value("cpu_total_utilization") == pytest.approx(0.75)
    assert life.value("num_cores") == 2.0
    assert life.value("cpu_max_utilization") == pytest.approx(37.5)
    assert life.value("cpu_min_utilization") == pytest.approx(37.5)


def test_use_is_the_highest_of_all_looks_the_last_one_included() -> None:
    life = Life()
    life.use = (4096, 31, 9)
    life.invoke()
    peaks = life.records.get("r1").peaks
    peaks.tmp_used_bytes, peaks.descriptors = 8192, 12
    life.done()
    assert (life.value("tmp_used"), life.value("fd_use"), life.value("threads_use")) == (8192.0, 31.0, 9.0)
    assert life.value("tmp_free") == (1 << 29) - 8192
    assert life.value("tmp_max") == 1 << 29


def test_use_that_was_never_seen_is_left_out() -> None:
    life = Life()
    life.use = (-1, 0, -1)
    life.invoke()
    life.done()
    assert not {"tmp_used", "tmp_max", "tmp_free", "fd_use", "threads_use"} & set(life.names())
    assert {"fd_max", "threads_max"} <= set(life.names())


def test_response_times_come_from_the_spans_of_the_runtime() -> None:
    life = Life()
    life.invoke()
    start = "2026-03-02T10:15:30.000Z"
    spans = [
        {"name": "responseLatency", "start": start, "durationMs": 24.5},
        {"name": "responseDuration", "start": start, "durationMs": 3.25},
        {"name": "runtimeOverhead", "start": start, "durationMs": 1.0},
    ]
    life.done(spans=spans, at_ms=4000)
    assert life.one("response_latency")[1::2] == (24.5, BASE_S + 4)
    assert life.one("response_duration")[1::2] == (3.25, BASE_S + 4)
    assert life.count("runtimeOverhead") == 0


def test_no_time_lies_in_the_future() -> None:
    life = Life()
    life.invoke("r1", 1000)
    late = event("platform.report", {"requestId": "r1", "status": "success", "metrics": {"durationMs": 1}}, 90_000)
    life.metrics.on_report(late, BASE_S + 7, SandboxUsage())
    assert life.one("duration")[3] == BASE_S + 7


def test_every_value_is_finite() -> None:
    life = Life()
    life.invoke()
    life.done(at_ms=300)  # no time has passed: no utilisation
    life.report(at_ms=300)
    assert life.count("num_cores") == 0
    assert all(math.isfinite(value) for _, value, _, _ in life.points)
