"""The breaker's table, walked cell by cell."""

from __future__ import annotations

import pytest

from thimble.shell.breaker import (
    CLOSED,
    FAILURES_TO_OPEN,
    LOST_MS_TO_COUNT,
    LOST_MS_TO_OPEN,
    OPEN,
    PAUSE_MAX_MS,
    PAUSE_MIN_MS,
    PROBING,
    Breaker,
)


def in_state(state: int) -> Breaker:
    breaker = Breaker()
    if state != CLOSED:
        breaker.on_lost_time(LOST_MS_TO_OPEN, 0)
    if state == PROBING:
        breaker.begin_probe()
    assert breaker.state == state
    return breaker


@pytest.mark.parametrize("state", [CLOSED, OPEN, PROBING])
def test_a_success_closes_it_from_every_state(state: int) -> None:
    breaker = in_state(state)
    breaker.on_success()
    assert breaker.state == CLOSED


def test_it_opens_at_the_third_failure_in_a_row_and_says_so_once() -> None:
    breaker = Breaker()
    assert [breaker.on_failure(0) for _ in range(FAILURES_TO_OPEN + 1)] == [False, False, True, False]
    assert breaker.state == OPEN


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.on_failure(0)
    breaker.on_success()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.on_failure(0)
    assert breaker.state == CLOSED


@pytest.mark.parametrize(("lost_ms", "state"), [(LOST_MS_TO_OPEN - 1, CLOSED), (LOST_MS_TO_OPEN, OPEN)])
def test_a_second_of_an_invocation_without_an_answer_is_enough(lost_ms: int, state: int) -> None:
    breaker = Breaker()
    assert breaker.on_lost_time(lost_ms, 0) == (state == OPEN)
    assert breaker.state == state


def test_a_probe_may_go_when_the_pause_is_over_and_only_one() -> None:
    breaker = in_state(OPEN)
    assert not breaker.may_probe(PAUSE_MIN_MS - 1)
    assert breaker.may_probe(PAUSE_MIN_MS)
    breaker.begin_probe()
    assert not breaker.may_probe(PAUSE_MIN_MS * 10)


def test_pauses_double_up_to_five_minutes_and_a_success_shortens_them_again() -> None:
    breaker = in_state(OPEN)
    now_ms, pauses = 0, []
    due_ms = PAUSE_MIN_MS
    for _ in range(9):
        assert not breaker.may_probe(due_ms - 1)
        assert breaker.may_probe(due_ms)
        breaker.begin_probe()
        now_ms = due_ms
        assert breaker.on_failure(now_ms) is False
        pause_ms = next(ms for ms in range(PAUSE_MIN_MS, PAUSE_MAX_MS + 1, 1000) if breaker.may_probe(now_ms + ms))
        pauses.append(pause_ms)
        due_ms = now_ms + pause_ms
    assert pauses == [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000]
    breaker.on_success()
    breaker.on_lost_time(LOST_MS_TO_OPEN, now_ms)
    assert breaker.may_probe(now_ms + PAUSE_MIN_MS)


@pytest.mark.parametrize("lost_ms", [0, LOST_MS_TO_OPEN])
def test_a_probe_that_gets_no_answer_opens_it_again(lost_ms: int) -> None:
    breaker = in_state(PROBING)
    breaker.on_lost_time(lost_ms, 7)
    assert breaker.state == OPEN
    assert not breaker.may_probe(7 + 2 * PAUSE_MIN_MS - 1)
    assert breaker.may_probe(7 + 2 * PAUSE_MIN_MS)


def test_it_knows_how_long_the_last_answer_took() -> None:
    breaker = Breaker()
    breaker.on_success(300)
    assert breaker.answer_ms == 300
    breaker.on_success(20)
    assert breaker.answer_ms == 20


@pytest.mark.parametrize(
    ("lost_ms", "answer_ms"), [(LOST_MS_TO_COUNT - 1, 0), (LOST_MS_TO_COUNT, LOST_MS_TO_COUNT * 5 // 4), (800, 1000)]
)
def test_a_request_that_was_given_up_would_have_taken_longer(lost_ms: int, answer_ms: int) -> None:
    breaker = Breaker()
    breaker.on_lost_time(lost_ms, 0)
    assert breaker.answer_ms == answer_ms


def test_a_shorter_wait_does_not_make_a_slow_destination_quick() -> None:
    breaker = Breaker()
    breaker.on_success(800)
    breaker.on_lost_time(200, 0)
    assert breaker.answer_ms == 800


def test_requests_that_are_given_up_together_count_once() -> None:
    breaker = Breaker()
    for end_ms in (500, 1000, 1500):
        opened = [breaker.on_lost_time(400, end_ms + late_ms) for late_ms in range(5)]
        assert opened == [end_ms == 1500, False, False, False, False]
    assert breaker.state == OPEN
