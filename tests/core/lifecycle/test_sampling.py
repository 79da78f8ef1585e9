"""When to look at the use of the sandbox: rarely while nothing changes, often while it does, for a share at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thimble.core.lifecycle.sampling import (
    CREDIT_US_MAX,
    TMP_CHANGE_BYTES,
    UNREADABLE,
    WAKE_UP_US,
    Peaks,
    Readings,
    SampleSchedule,
)


def pauses(*readings: tuple[int, int, int], cost_us: int = 10) -> list[int]:
    schedule = SampleSchedule()
    return [schedule.next_ms(Readings(*reading), cost_us) for reading in readings]


def test_looks_become_rare_while_nothing_changes() -> None:
    assert pauses(*[(4096, 30, 7)] * 8) == [10, 20, 40, 80, 160, 250, 250, 250]


def test_any_change_brings_the_next_look_near_again() -> None:
    quiet = [(4096, 30, 7)] * 4
    for changed in ((4096 + TMP_CHANGE_BYTES, 30, 7), (4096, 29, 7), (4096, 30, 8)):
        assert pauses(*quiet, changed, changed) == [10, 20, 40, 80, 10, 20]


def test_a_little_more_or_less_in_tmp_is_no_change() -> None:
    assert pauses((4096, 30, 7), (4095 + TMP_CHANGE_BYTES, 30, 7), (8192, 30, 7)) == [10, 20, 40]


def test_the_first_looks_are_dense_though_everything_changes() -> None:
    """Every 10 ms until the credit is used up; then looks of 60 us, and 40 for waking up, come every 100 ms."""
    restless = pauses(*[(0, number, 1) for number in range(60)], cost_us=60)
    assert restless[:11] == [10] * 11
    assert set(restless[-30:]) == {100}


def test_a_dear_look_is_paid_by_a_long_pause() -> None:
    assert pauses(*[(0, number, 1) for number in range(3)], cost_us=1800) == [840, 1840, 1840]
    assert pauses((0, 1, 1), (0, 2, 1), cost_us=3600 * 1_000_000) == [2000, 2000]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=60), st.integers(1, 1900))
def test_looks_cost_a_millisecond_a_second_and_the_credit_at_most(
    readings: list[tuple[int, int, int]], cost_us: int
) -> None:
    found = pauses(*readings, cost_us=cost_us)
    assert all(10 <= pause_ms <= 2000 for pause_ms in found)
    spent_us = (cost_us + WAKE_UP_US) * len(found)
    assert spent_us <= CREDIT_US_MAX + sum(found)


@given(st.lists(st.tuples(*[st.integers(UNREADABLE, 1 << 40)] * 3), min_size=1))
def test_peaks_are_the_highest_readings_and_never_negative(readings: list[tuple[int, int, int]]) -> None:
    peaks = Peaks()
    for reading in readings:
        peaks.take(Readings(*reading))
    highest = tuple(max(0, *column) for column in zip(*readings, strict=True))
    assert (peaks.tmp_used_bytes, peaks.descriptors, peaks.threads) == highest
