"""Managed instances: invocations overlap, begin with `platform.start` and end with a report without billing figures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.lifecycle.life import BASE_S, Life


def latency(duration_ms: float) -> list[dict[str, Any]]:
    return [{"name": "responseLatency", "start": "2026-03-02T10:15:30.000Z", "durationMs": duration_ms}]


def test_two_invocations_at_once_are_counted_and_the_report_stands_for_the_end_of_the_runtime() -> None:
    life = Life(managed=True)
    life.init_start()
    life.start("r1", 300)
    life.start("r2", 310)
    life.managed_report("r1", 2000, 40.0, spans=latency(31.5))
    assert life.count("invocations") == 2
    assert life.value("duration") == 0.04
    assert life.value("runtime_duration") == 31.5
    assert life.count("num_cores") == 1
    assert life.count("cpu_total_time") == 1
    assert life.count("rx_bytes") == 1
    absent = {"billed_duration", "max_memory_used", "memorysize", "estimated_cost", "post_runtime_duration"}
    absent |= {"produced_bytes", "fd_max", "tmp_used"}
    assert not absent & set(life.names())


def test_without_the_span_of_the_response_the_duration_of_the_report_stands_for_it() -> None:
    life = Life(managed=True)
    life.start("r1")
    life.managed_report("r1", duration_ms=7.345)
    assert life.value("runtime_duration") == 7.345
    assert life.count("response_latency") == 0


def test_the_report_of_an_unknown_invocation_has_a_duration_only() -> None:
    life = Life(managed=True)
    life.managed_report("nobody", duration_ms=5)
    assert life.names() == ["duration"]


@pytest.mark.parametrize(("status", "errors", "timeouts"), [("success", 0, 0), ("error", 1, 0), ("timeout", 1, 1)])
def test_the_status_of_the_report_counts(status: str, errors: int, timeouts: int) -> None:
    life = Life(managed=True)
    life.start("r1")
    life.managed_report("r1", status=status)
    assert (life.count("errors"), life.count("timeouts")) == (errors, timeouts)


def test_out_of_memory_counts_by_the_error_type_of_the_report() -> None:
    life = Life(managed=True)
    life.start("r1")
    life.managed_report("r1", status="error", error_type="Runtime.OutOfMemory")
    assert life.count("out_of_memory") == 1


def test_the_first_invocation_takes_over_how_the_initialisation_began() -> None:
    """The instance was cold at its start, however late the first invocation comes."""
    life = Life(managed=True)
    life.init_start(200)
    life.init_report(412.345, "lambda-managed-instances", 700)
    life.start("r1", 60_000)
    life.start("r2", 60_001)
    first, second = life.of("invocations")
    assert "cold_start:true" in first[2]
    assert "cold_start:false" in second[2]
    assert "init_type:lambda-managed-instances" in life.tags("init_duration")
    assert life.names() == ["init_duration", "invocations", "invocations"]


def test_a_first_invocation_without_an_init_start_decides_itself() -> None:
    life = Life(managed=True)
    life.start("r1", 12_000)
    assert {"cold_start:false", "proactive_initialization:true"} <= life.tags("invocations")


def test_a_start_that_is_delivered_twice_is_one_invocation() -> None:
    life = Life(managed=True)
    life.start("r1", 300)
    life.start("r1", 300)
    assert life.count("invocations") == 1


def test_use_is_sent_once_at_the_shutdown() -> None:
    life = Life(managed=True)
    life.start("r1")
    life.metrics.managed_peaks.descriptors = 44
    life.use = (4096, 30, 7)
    life.managed_report("r1")
    life.start("r2", 2000)
    life.managed_report("r2", 2500)
    assert not {"fd_use", "threads_use", "fd_max", "tmp_used"} & set(life.names())
    life.shutdown(5000)
    assert life.one("fd_use")[1::2] == (44.0, BASE_S + 5)
    assert (life.value("threads_use"), life.value("tmp_used")) == (7.0, 4096.0)
    assert (life.value("fd_max"), life.value("threads_max")) == (1024.0, 1024.0)
    assert life.count("shutdowns") == 1
    assert life.count("unused_init") == 0
