"""The event loop under random schedules, with a made-up clock and made-up descriptors."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reactor.simulation import simulate

BLOCKS = 10
SCHEDULES_PER_BLOCK = 1_000


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_any_schedule_ends_every_wait_once(random: Random) -> None:
    simulate(random)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_ten_thousand_seeded_schedules_end_every_wait_once(block: int) -> None:
    freezes = expiries = cancelled = 0
    for seed in range(block * SCHEDULES_PER_BLOCK, (block + 1) * SCHEDULES_PER_BLOCK):
        try:
            run = simulate(Random(seed))
        except BaseException:
            print(f"the schedule of seed {seed} failed")
            raise
        freezes += run.loop.freezes
        expiries += len(run.expiries)
        cancelled += len(run.cancelled)
    # The schedules must really hold what they are about.
    assert freezes > SCHEDULES_PER_BLOCK // 2
    assert expiries > SCHEDULES_PER_BLOCK
    assert cancelled > SCHEDULES_PER_BLOCK // 2
