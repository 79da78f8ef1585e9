"""Flush control: the grammar, the timer, and the decision tables of the specification, second by second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.lifecycle import flush_control
from thimble.core.lifecycle.flush_control import (
    CONTINUOUS,
    DONT,
    END,
    PERIODIC,
    FlushControl,
    FlushStrategy,
    managed_strategy,
    parse_flush_strategy,
    read_flush_strategy,
)

BASE_S = 1_700_000_000

DEFAULT = FlushStrategy(flush_control.STRATEGY_DEFAULT, 0)


def decisions(strategy: str, times_s: list[int], flush_timeout_s: int = 30, start_s: int = 0, **options: bool) -> str:
    """One letter per invocation: E(nd), C(ontinuous), P(eriodic), `.` for none; times relative to the base."""
    control = FlushControl(parse_flush_strategy(strategy), flush_timeout_s, BASE_S + start_s, **options)
    letters = {END: "E", CONTINUOUS: "C", PERIODIC: "P", DONT: "."}
    return "".join(letters[control.decide(BASE_S + time_s)] for time_s in times_s)


@pytest.mark.parametrize(
    ("text", "kind", "interval_ms", "timer_ms"),
    [
        ("default", flush_control.STRATEGY_DEFAULT, 0, 60_000),
        ("end", flush_control.STRATEGY_END, 0, 900_000),
        ("end,1000", flush_control.STRATEGY_END_PERIODICALLY, 1000, 1000),
        ("end,1000,x", flush_control.STRATEGY_END_PERIODICALLY, 1000, 1000),
        ("end,+1000", flush_control.STRATEGY_END_PERIODICALLY, 1000, 1000),
        ("periodically,60000", flush_control.STRATEGY_PERIODICALLY, 60_000, 60_000),
        ("continuously,5000", flush_control.STRATEGY_CONTINUOUSLY, 5000, 5000),
        ("continuously,1", flush_control.STRATEGY_CONTINUOUSLY, 1, 1),
        ("periodically,18446744073709551615", flush_control.STRATEGY_PERIODICALLY, 2**64 - 1, 86_400_000),
    ],
)
def test_a_strategy_is_read_with_its_interval_and_timer(text: str, kind: int, interval_ms: int, timer_ms: int) -> None:
    strategy = read_flush_strategy(text)
    assert strategy == FlushStrategy(kind, interval_ms)
    assert FlushControl(strategy, 30, BASE_S).timer_period_ms == timer_ms


@pytest.mark.parametrize(
    "text",
    [
        "", "garbage", "End", "END", " end", "end ", "end,", "end,x", "end,-1", "end,1.5", "end,0", "periodically",
        "periodically,-5", "periodically, 500", "periodically,500 ", "periodically,0", "continuously", "continuously,0",
        "continuously,18446744073709551616", "periodically,٣", "periodically,++5", "default,1", "5000", ",", ",5",
        "periodically," + "9" * 5000,
    ],
)  # fmt: skip
def test_anything_else_is_not_understood_and_means_the_default(text: str) -> None:
    assert read_flush_strategy(text) is None
    assert parse_flush_strategy(text) == DEFAULT


@given(st.sampled_from(["end", "periodically", "continuously"]), st.integers(1, 2**64 - 1))
def test_the_text_of_a_strategy_reads_back_as_the_same(word: str, interval_ms: int) -> None:
    strategy = parse_flush_strategy(f"{word},{interval_ms}")
    assert str(strategy) == f"{word},{interval_ms}"
    assert parse_flush_strategy(str(strategy)) == strategy
    assert hash(parse_flush_strategy(str(strategy))) == hash(strategy)


@given(st.text())
def test_reading_never_raises_for_any_text(text: str) -> None:
    assert isinstance(parse_flush_strategy(text), FlushStrategy)


def test_a_strategy_without_its_interval_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        FlushStrategy(flush_control.STRATEGY_PERIODICALLY, 0)
    with pytest.raises(AssertionError):
        FlushStrategy(flush_control.STRATEGY_END, 5)


@pytest.mark.parametrize(
    ("text", "managed"),
    [
        ("default", "continuously,30000"),
        ("garbage", "continuously,30000"),
        ("end", "continuously,30000"),
        ("end,1000", "continuously,30000"),
        ("periodically,60000", "continuously,30000"),
        ("continuously,5000", "continuously,5000"),
    ],
)
def test_managed_instances_flush_continuously(text: str, managed: str) -> None:
    assert str(managed_strategy(parse_flush_strategy(text))) == managed


@pytest.mark.parametrize(
    ("what", "flush_timeout_s", "start_s", "times_s", "expected"),
    [
        ("every second", 30, 0, range(45), "E" * 19 + ".." + "C" + "." * 20 + "C" + ".."),
        ("every 10 seconds", 30, 0, range(0, 400, 10), "E" * 19 + "P.." * 7),
        ("every 120 seconds", 30, 0, range(0, 120 * 25, 120), "E" * 25),
        ("every 119 seconds", 30, 0, range(0, 119 * 25, 119), "E" * 19 + "P" * 6),
        ("the 20th after 2279 s", 30, 0, [*range(0, 1900, 100), 2279], "E" * 19 + "P"),
        ("the 20th after 2280 s", 30, 0, [*range(0, 1900, 100), 2280], "E" * 20),
        ("the 20th after 29 s", 30, 0, [*range(19), 29], "E" * 19 + "C"),
        ("the 20th after 30 s", 30, 0, [*range(19), 30], "E" * 19 + "P"),
        ("a short time-out", 10, -100, range(20), "E" * 19 + "P"),
        ("the usual time-out", 30, -100, range(20), "E" * 19 + "C"),
        ("19 invocations never adapt", 30, -100, range(19), "E" * 19),
    ],
)
def test_the_default_strategy_adapts_to_the_last_twenty_invocations(
    what: str, flush_timeout_s: int, start_s: int, times_s: list[int], expected: str
) -> None:
    seen = decisions("default", list(times_s), flush_timeout_s, start_s)
    assert seen == expected[: len(seen)]
    assert len(seen) == len(list(times_s))


@pytest.mark.parametrize(
    ("strategy", "start_s", "times_s", "expected"),
    [
        ("periodically,10000", -1, range(0, 40, 4), "...P..P..P"),
        ("periodically,500", -1, range(5), "PPPPP"),
        ("continuously,2000", 0, range(8), "...C..C."),
        ("end", 0, range(30), "E" * 30),
        ("end,1000", 0, range(6), "EEEEEE"),
    ],
)
def test_configured_strategies_follow_their_tables(
    strategy: str, start_s: int, times_s: list[int], expected: str
) -> None:
    assert decisions(strategy, list(times_s), start_s=start_s) == expected


def test_the_references_table_for_end_with_an_interval_stands_behind_a_switch() -> None:
    assert decisions("end,1000", list(range(6)), end_only_when_due=True) == "..E.E."


def test_a_clock_that_went_backwards_is_due() -> None:
    assert decisions("periodically,10000", [-50, -50, -45, -39], start_s=0) == "P..P"


def test_a_clock_that_went_backwards_makes_the_default_strategy_flush_at_the_end() -> None:
    assert decisions("default", [*range(100, 119), 50], start_s=-100) == "E" * 20


def test_after_twenty_rare_invocations_the_default_strategy_returns_to_the_end() -> None:
    busy = list(range(40))
    rare = [1000 * index for index in range(1, 21)]
    assert decisions("default", busy + rare)[-1] == "E"


@given(
    st.sampled_from(["default", "end", "end,1000", "periodically,7000", "continuously,20000"]),
    st.lists(st.integers(-100_000, 100_000), max_size=60),
)
def test_any_clock_gets_an_answer_that_its_strategy_knows(strategy: str, times_s: list[int]) -> None:
    allowed = {"d": "ECP.", "e": "E", "p": "P.", "c": "C."}[strategy[0]]
    assert set(decisions(strategy, times_s)) <= set(allowed)


@given(st.integers(1, 100), st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_two_flushes_of_one_strategy_are_more_than_its_interval_apart(interval_s: int, gaps_s: list[int]) -> None:
    control = FlushControl(parse_flush_strategy(f"periodically,{interval_s * 1000}"), 30, BASE_S)
    now_s = last_s = BASE_S
    for gap_s in gaps_s:
        now_s += gap_s
        decision = control.decide(now_s)
        assert (decision == PERIODIC) == (now_s - last_s > interval_s)
        if decision == PERIODIC:
            last_s = now_s
