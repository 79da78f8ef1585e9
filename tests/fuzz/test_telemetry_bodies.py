"""A short run of the fuzz target with every run of the suite; a long one is named in the target."""

from __future__ import annotations

import time

from tests.fuzz.telemetry_bodies import run


def test_random_bodies_break_no_promise_of_the_log_path() -> None:
    assert run(2.0, seed=time.time_ns()) > 300
