"""A short run of the fuzz target with every run of the suite; a long one is `python tests/fuzz/http_parser.py 3600`."""

from __future__ import annotations

import time

from tests.fuzz.http_parser import run


def test_random_bytes_break_no_promise_of_the_parser() -> None:
    assert run(2.0, seed=time.time_ns()) > 500
