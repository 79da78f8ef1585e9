"""Invocations that fail: errors, time-outs and lack of memory, each counted once whoever tells it."""

from __future__ import annotations

import pytest

from tests.core.lifecycle.life import BASE_S, Life
from thimble.core.limits import EARLY_EVENTS_MAX

COLD = ("cold_start:true", "runtime:python3.13")


def test_a_timeout_is_an_error_and_a_timeout() -> None:
    life = Life()
    life.invoke()
    life.done(status="timeout", at_ms=3000)
    assert life.one("errors")[1:] == (1.0, COLD, BASE_S + 3)
    assert life.one("timeouts")[1:] == (1.0, COLD, BASE_S + 3)


@pytest.mark.parametrize("status", ["error", "failure"])
def test_any_other_failure_is_an_error_only(status: str) -> None:
    life = Life()
    life.invoke()
    life.done(status=status)
    assert (life.count("errors"), life.count("timeouts"), life.count("out_of_memory")) == (1, 0, 0)


def test_out_of_memory_told_by_error_type_and_by_the_report_counts_once() -> None:
    life = Life()
    life.invoke()
    life.done(status="error", errorType="Runtime.OutOfMemory")
    life.report(status="error", maxMemoryUsedMB=512)
    assert (life.count("errors"), life.count("out_of_memory")) == (1, 1)


def test_out_of_memory_told_by_a_line_of_the_invocation_and_by_the_report_counts_once() -> None:
    life = Life()
    life.invoke()
    life.out_of_memory_line("r1")
    life.done()
    life.report(maxMemoryUsedMB=512)
    assert life.one("out_of_memory") == ("out_of_memory", 1.0, COLD, BASE_S)
    assert life.count("errors") == 0


def test_out_of_memory_told_by_a_line_of_no_invocation_is_counted_besides() -> None:
    life = Life()
    life.invoke()
    life.out_of_memory_line("")
    life.report(maxMemoryUsedMB=512)
    assert life.count("out_of_memory") == 2


def test_out_of_memory_of_the_initialisation_is_tagged_as_the_first_invocation() -> None:
    life = Life()
    life.out_of_memory_line("", at_ms=-2000)
    life.init_start()
    assert life.points == []
    life.invoke()
    assert life.one("out_of_memory") == ("out_of_memory", 1.0, COLD, BASE_S - 2)


def test_no_more_than_the_limit_of_early_events_is_kept() -> None:
    life = Life()
    for _ in range(EARLY_EVENTS_MAX + 1):
        life.out_of_memory_line("")
    life.shutdown()
    assert life.count("out_of_memory") == EARLY_EVENTS_MAX


def test_out_of_memory_told_after_the_report_is_known_to_be_counted() -> None:
    life = Life()
    life.invoke()
    life.report(maxMemoryUsedMB=512)
    life.out_of_memory_line("r1", 1200)
    assert life.count("out_of_memory") == 1


def test_a_failed_end_call_and_a_failed_runtime_are_one_error() -> None:
    life = Life()
    life.invoke()
    life.failed_end_call(at_ms=2500)
    life.done(status="error", at_ms=3500)
    assert life.one("errors")[3] == BASE_S + 2


def test_an_end_call_that_overtakes_its_invoke_counts_once_the_invocation_is_known() -> None:
    life = Life()
    life.init_start()
    life.failed_end_call("r1")
    assert life.count("errors") == 0
    life.invoke("r1")
    assert life.count("errors") == 1


def test_an_end_call_for_an_unknown_invocation_counts_nothing() -> None:
    life = Life()
    life.invoke("r1")
    life.failed_end_call("other")
    life.shutdown()
    assert life.count("errors") == 0


@pytest.mark.parametrize(
    ("used_mb", "size_mb", "status", "is_suspected"),
    [
        (502, 512, "timeout", True),
        (501, 512, "timeout", False),
        (502, 512, "error", True),
        (502, 512, "failure", True),
        (502, 512, "success", False),
        (512, 512, "timeout", False),
        (513, 512, "timeout", True),
        (98, 100, "timeout", True),
        (97, 100, "timeout", False),
    ],
)
def test_memory_that_was_nearly_used_up_in_a_failure_is_a_suspicion_with_a_tag_of_its_own(
    used_mb: int, size_mb: int, status: str, is_suspected: bool
) -> None:
    life = Life()
    life.invoke()
    life.done(status=status)
    life.report(status=status, maxMemoryUsedMB=used_mb, memorySizeMB=size_mb)
    assert ("memory_exhaustion:suspected" in life.tags("max_memory_used")) == is_suspected
    assert life.count("out_of_memory") == (used_mb == size_mb)
    assert sum("memory_exhaustion:suspected" in tags for _, _, tags, _ in life.points) == is_suspected


def test_what_is_known_to_be_out_of_memory_is_not_suspected_too() -> None:
    life = Life()
    life.invoke()
    life.done(status="error", errorType="Runtime.OutOfMemory")
    life.report(status="error", maxMemoryUsedMB=510)
    assert "memory_exhaustion:suspected" not in life.tags("max_memory_used")


@pytest.mark.parametrize("status", ["success", "error", "failure", "timeout"])
def test_a_first_count_and_an_error_carry_the_same_tags(status: str) -> None:
    life = Life()
    life.invoke()
    life.done(status=status)
    for point in (*life.of("errors"), *life.of("timeouts")):
        assert set(point[2]) == life.tags("invocations")
