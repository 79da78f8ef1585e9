"""Durations, bills and clock texts: the published tables."""

from __future__ import annotations

import pytest

from thimble.sandbox.billing import billed_ms, span_ms
from thimble.sandbox.clock import time_text


@pytest.mark.parametrize(
    ("nanoseconds", "expected_ms"),
    [(35_127_999, 35.127), (12_000_000, 12.0), (999, 0.0), (1000, 0.001), (234_766_123, 234.766)],
)
def test_durations_are_truncated_to_microseconds(nanoseconds: int, expected_ms: float) -> None:
    assert span_ms(5, 5 + nanoseconds) == expected_ms


def test_a_span_is_never_negative() -> None:
    assert span_ms(10_000, 5_000) == 0.0


@pytest.mark.parametrize(
    ("duration_ms", "init_ms", "billed_now", "billed_before_2025"),
    [
        (35.127, 212.481, 248, 36),
        (133.61, 80.00, 214, 134),
        (3016.78, 84.00, 3101, 3017),
        (1000.0, 500.0, 1500, 1000),
        (17.493, None, 18, 18),
        (12.0, None, 12, 12),
        (0.31, None, 1, 1),
        (693.92, None, 694, 694),
        (3000.0, None, 3000, 3000),
    ],
)
def test_the_bill_follows_lambdas_rules(
    duration_ms: float, init_ms: float | None, billed_now: int, billed_before_2025: int
) -> None:
    assert billed_ms(duration_ms, init_ms) == billed_now
    assert billed_ms(duration_ms, init_ms, billing="pre-2025") == billed_before_2025


def test_a_snapstart_restore_is_billed() -> None:
    assert billed_ms(2338.66, restore_ms=182.0) == 2521
    assert billed_ms(2338.66, restore_ms=182.0, billing="pre-2025") == 2521


def test_binary_noise_of_a_sum_adds_no_millisecond() -> None:
    assert billed_ms(1.1, 2.2 + 0.7) == 4
    assert billed_ms(0.1 + 0.2, 0.7) == 1


def test_an_invocation_of_no_time_costs_a_millisecond() -> None:
    assert billed_ms(0.0) == 1


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("milliseconds", "2026-03-02T10:15:31.450Z"),
        ("microseconds", "2026-03-02T10:15:31.450123Z"),
        ("offset", "2026-03-02T10:15:31.450+00:00"),
        ("seconds", "2026-03-02T10:15:31Z"),
    ],
)
def test_times_are_written_in_every_form_that_producers_use(form: str, expected: str) -> None:
    assert time_text(1_772_446_531_450_123_000, form) == expected
