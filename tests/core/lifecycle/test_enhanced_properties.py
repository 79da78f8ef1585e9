"""Whatever the order of events, and however often telemetry is repeated: every invocation counts once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.core.lifecycle.life import Life

STATUSES = ("success", "error", "failure", "timeout")
DONE, REPORT, LINE, CALL = "done", "report", "line", "call"
FAILED = {"error", "failure", "timeout"}


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[str], list[int]]:
    """Events `(what, invocation)` in an order that may happen, the statuses, and the memory used in MB."""
    count = draw(st.integers(1, 5))
    told: list[tuple[str, int]] = []
    for number in range(count):
        for what in (DONE, REPORT):
            told += [(what, number)] * draw(st.integers(1, 2))
        told += [(LINE, number)] * draw(st.integers(0, 2)) + [(CALL, number)] * draw(st.integers(0, 2))
    order = draw(st.permutations(told))
    for number in range(count):  # INVOKE comes once each, in order, anywhere between
        order.insert(draw(st.integers(0, len(order))), ("invoke", number))
    invokes = iter(range(count))
    events = [(what, next(invokes)) if what == "invoke" else (what, number) for what, number in order]
    statuses = draw(st.lists(st.sampled_from(STATUSES), min_size=count, max_size=count))
    memory = draw(st.lists(st.sampled_from([97, 505, 512]), min_size=count, max_size=count))
    return events, statuses, memory


@given(lives(), st.booleans(), st.booleans())
def test_each_invocation_counts_once(
    life_of: tuple[list[tuple[str, int]], list[str], list[int]], init_first: bool, subscribed: bool
) -> None:
    events, statuses, memory = life_of
    life = Life(subscribed=subscribed)
    if init_first:
        life.init_start()
        life.init_report()
    for step, (what, number) in enumerate(events):
        request_id = f"r{number}"
        if what == "invoke":
            life.invoke(request_id, 300 + step)
        elif what == DONE:
            life.done(request_id, 1000 + number, statuses[number])
        elif what == REPORT:
            life.report(request_id, 2000 + number, statuses[number], maxMemoryUsedMB=memory[number])
        elif what == LINE:
            life.out_of_memory_line(request_id, 900)
        else:
            life.failed_end_call(request_id)
    if not init_first:
        life.init_start(4000)
        life.init_report(at_ms=4001)
    life.shutdown()
    counts = Counter(life.names())
    invocations = len(statuses)
    calls = {number for what, number in events if what == CALL}
    lines = {number for what, number in events if what == LINE}
    for name in ("invocations", "runtime_duration", "produced_bytes", "fd_max", "duration", "estimated_cost"):
        assert counts[name] == invocations, name
    assert counts["errors"] == len(calls | {n for n, status in enumerate(statuses) if status in FAILED})
    assert counts["timeouts"] == statuses.count("timeout")
    assert counts["out_of_memory"] == len(lines | {n for n, used in enumerate(memory) if used == 512})
    assert (counts["init_duration"], counts["shutdowns"], counts["unused_init"]) == (1, 1, 0)
    cold = [point for point in life.of("invocations") if "cold_start:true" in point[2]]
    assert len(cold) == 1


@given(st.permutations(["start 1", "start 2", "report 1", "report 2", "start 1", "report 2"]))
def test_each_invocation_of_a_managed_instance_counts_once(steps: list[str]) -> None:
    life = Life(managed=True)
    for step in steps:
        what, number = step.split()
        if what == "start":
            life.start(f"r{number}", 300 + int(number))
        else:
            life.managed_report(f"r{number}", 1000 + int(number))
    life.shutdown()
    assert life.count("invocations") == 2
    assert life.count("duration") == 2
    assert life.count("runtime_duration") <= 2
