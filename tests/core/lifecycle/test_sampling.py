"""When to look at the use of the sandbox: rarely while nothing changes, often while it does, for a share at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thimble.core.lifecycle.sampling import UNREADABLE, Peaks, Readings, SampleSchedule


def pauses(*readings: tuple[int, int, int], cost_us: int = 10) -> list[int]:
    schedule = SampleSchedule()
    return [schedule.next_ms(Readings(*reading), cost_us) for reading in readings]


def test_looks_become_rare_while_nothing_changes() -> None:
    assert pauses(*[(4096, 30, 7)] * 8) == [10, 20, 40, 80, 160, 250, 250, 250]


def test_any_change_brings_the_next_look_near_again() -> None:
    quiet = [(4096, 30, 7)] * 4
    for changed in ((8192, 30, 7), (4096, 29, 7), (4096, 30, 8)):
        assert pauses(*quiet, changed, changed) == [10, 20, 40, 80, 10, 20]


def test_a_dear_look_is_paid_by_a_long_pause() -> None:
    assert pauses((0, 1, 1), (0, 2, 1), (0, 3, 1), cost_us=60) == [30, 30, 30]
    assert pauses((0, 1, 1), (0, 2, 1), cost_us=3600 * 1_000_000) == [2000, 2000]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=60), st.integers(1, 4000))
def test_looks_never_cost_more_than_their_share_of_the_time(readings: list[tuple[int, int, int]], cost_us: int) -> None:
    for pause_ms in pauses(*readings, cost_us=cost_us):
        assert 10 <= pause_ms <= 2000
        assert cost_us / 500 <= pause_ms + 1


@given(st.lists(st.tuples(*[st.integers(UNREADABLE, 1 << 40)] * 3), min_size=1))
def test_peaks_are_the_highest_readings_and_never_negative(readings: list[tuple[int, int, int]]) -> None:
    peaks = Peaks()
    for reading in readings:
        peaks.take(Readings(*reading))
    highest = tuple(max(0, *column) for column in zip(*readings, strict=True))
    assert (peaks.tmp_used_bytes, peaks.descriptors, peaks.threads) == highest
