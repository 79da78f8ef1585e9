"""What is said of refused lines, and what is counted."""

from __future__ import annotations

from thimble.core.drops import Drops
from thimble.core.metrics.refusals import KIND, NAMES_MAX, Refusals
from thimble.kernels.metric_codes import REASON_NAMES, UNSUPPORTED_TYPE

VALUE = REASON_NAMES.index("value")


def counts(**by_reason: int) -> list[int]:
    return [by_reason.get(name, 0) for name in REASON_NAMES]


def test_a_histogram_of_the_function_is_one_warning_per_name_and_a_counted_loss() -> None:
    drops = Drops()
    refusals = Refusals(drops)
    line = (UNSUPPORTED_TYPE, b"shop.latency:3|h")
    warnings, details = refusals.report(counts(unsupported_type=2), [line, line])
    assert (len(warnings), details) == (1, [])
    assert warnings[0].startswith("METRICS | Refused 2 lines: histograms")
    assert warnings[0].endswith(": shop.latency")
    assert refusals.report(counts(unsupported_type=1), [line]) == ([], [])
    assert drops.total(KIND) == 3


def test_a_tracers_histogram_about_itself_is_a_detail_and_no_loss() -> None:
    drops = Drops()
    lines = [(UNSUPPORTED_TYPE, b"datadog.tracer.x:3|h"), (UNSUPPORTED_TYPE, b"runtime.node.gc.pause:1|h")]
    warnings, details = Refusals(drops).report(counts(unsupported_type=2), lines)
    assert (warnings, len(details)) == ([], 1)
    assert details[0].endswith(": datadog.tracer.x, runtime.node.gc.pause")
    assert drops.total(KIND) == 0


def test_reasons_do_not_mix_and_names_are_bounded() -> None:
    drops = Drops()
    refusals = Refusals(drops)
    lines = [(VALUE, f"m{number}:x|c".encode()) for number in range(NAMES_MAX + 5)]
    warnings, _ = refusals.report(counts(value=NAMES_MAX + 5), lines)
    assert len(warnings) == 1
    assert f"m{NAMES_MAX - 1}" in warnings[0]
    assert f"m{NAMES_MAX}" not in warnings[0]
    assert drops.total(KIND) == NAMES_MAX + 5
