"""What fuzz targets share: a run of random inputs for some seconds, and the command line around it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

ATHERIS = "--atheris"


def run(one_input: Callable[[bytes], None], random_input: Callable[[Random], bytes], seconds: float, seed: int) -> int:
    """Try random inputs for a while; how many. Prints the input that broke a promise."""
    random = Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        data = random_input(random)
        try:
            one_input(data)
        except BaseException:
            print(f"input {count} of seed {seed}: {data!r}", flush=True)
            raise
        count += 1
    return count


def main(one_input: Callable[[bytes], None], random_input: Callable[[Random], bytes], atheris: Any) -> None:
    """Guided by coverage with `--atheris`, else random mutations for the seconds that are given, or a minute."""
    if ATHERIS in sys.argv:
        atheris.Setup([argument for argument in sys.argv if argument != ATHERIS], one_input)
        atheris.Fuzz()
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = time.time_ns()
    count = run(one_input, random_input, seconds, seed)
    print(f"{count} inputs in {seconds:.0f} s, seed {seed}: no promise broken")
