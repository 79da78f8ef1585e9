"""A short run of the fuzz target with each run of the suite. A long one: `python tests/fuzz/trace_payloads.py 3600`."""

from __future__ import annotations

import time

from tests.fuzz import driver
from tests.fuzz.trace_payloads import one_input, random_input


def test_random_payloads_break_no_promise_of_the_tracers_port() -> None:
    assert driver.run(one_input, random_input, 2.0, seed=time.time_ns()) > 1000
