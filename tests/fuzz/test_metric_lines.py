"""A short run of the fuzz target with every run of the suite; a long one: `python tests/fuzz/metric_lines.py 3600`."""

from __future__ import annotations

import time

from tests.fuzz.metric_lines import run


def test_random_datagrams_break_no_promise_of_the_metrics_path() -> None:
    assert run(2.0, seed=time.time_ns()) > 100
