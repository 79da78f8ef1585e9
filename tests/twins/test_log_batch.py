"""The two builders of log payloads, and the two log paths around them, agree on every body."""

from __future__ import annotations

import gc
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.logs.bodies import batches, damaged, joined
from tests.core.logs.support import ARN, event, post, start
from thimble.kernels import log_batch_codes as codes

ImportTwin = Callable[[str, str], ModuleType]


class Twin:
    """The log path of one form."""

    def __init__(self, import_twin: ImportTwin, form: str) -> None:
        self.form = form
        self.processor = import_twin(form, "core.logs.processor")
        self.aggregator = import_twin(form, "core.logs.aggregator")
        self.drops = import_twin(form, "core.drops")

    def outcome(self, bodies: list[bytes], entries_max: int, payload_bytes_max: int, managed: bool) -> Any:
        drops = self.drops.Drops()
        aggregator = self.aggregator.LogAggregator(entries_max, payload_bytes_max, 1 << 20, None, drops)
        processor = self.processor.LogProcessor(ARN, "orders", "T", True, aggregator, drops, managed)
        told = [
            (each.kind, each.time_ms, each.request_id, each.status, each.duration_ms, each.is_on_demand_shape)
            for body in bodies
            for each in processor.ingest(body, 0)
        ]
        processor.release_held()
        sent = [(payload.body, payload.item_count) for payload in aggregator.take()]
        return told, sent, drops.report(), processor.skipped_events


@pytest.fixture(scope="session")
def twins(import_twin: ImportTwin) -> tuple[Twin, Twin]:
    return Twin(import_twin, "pure"), Twin(import_twin, "compiled")


def test_codes_of_the_kernel_are_those_of_the_module(root: Path) -> None:
    source = (root / "native" / "log_batch.pyx").read_text(encoding="utf-8")
    for name in ("END", "FULL", "EVENT", "CUT", "GARBAGE"):
        assert re.search(rf"^    {name} = {getattr(codes, name)}$", source, re.MULTILINE), name


@pytest.mark.compiled_only
def test_forms_really_use_their_own_kernel(twins: tuple[Twin, Twin]) -> None:
    pure, compiled = twins
    assert pure.aggregator.LogBatch.__module__ == "thimble_pure.kernels.log_batch_py"
    assert compiled.aggregator.LogBatch.__module__ == "thimble._native.log_batch"


@pytest.mark.compiled_only
@settings(max_examples=300)
@given(
    st.lists(st.one_of(damaged(), batches(takes_raw=True).map(joined), st.binary(max_size=60)), min_size=1, max_size=3),
    st.integers(1, 4),
    st.sampled_from([600, 900, 5_242_880]),
    st.booleans(),
)
def test_twins_agree_on_any_bodies(
    twins: tuple[Twin, Twin], bodies: list[bytes], entries_max: int, payload_bytes_max: int, managed: bool
) -> None:
    pure, compiled = twins
    arguments = (bodies, entries_max, payload_bytes_max, managed)
    assert compiled.outcome(*arguments) == pure.outcome(*arguments)


@pytest.mark.compiled_only
def test_twins_agree_on_a_body_cut_anywhere(twins: tuple[Twin, Twin]) -> None:
    pure, compiled = twins
    body = post(
        start(),
        event("function", 'plain é "quoted" \\ line\n' + "x" * 40),
        event("function", {"level": "warn", "message": "😀 memory"}),
        event("extension", "\x1b[0m{}"),
    )
    for cut in range(len(body) + 1):
        bodies = [body[:cut], body]
        assert compiled.outcome(bodies, 1000, 5_242_880, False) == pure.outcome(bodies, 1000, 5_242_880, False), cut


@pytest.mark.compiled_only
def test_twins_agree_on_random_text_of_every_length(twins: tuple[Twin, Twin]) -> None:
    pure, compiled = twins
    chance = random.Random(7)
    letters = 'abcemory: killed signal{}[]"\\/\n\t\x01é😀\u2028 '
    lines = [event("function", "".join(chance.choices(letters, k=length))) for length in range(200) for _ in range(3)]
    bodies = [post(start(), *lines)]
    assert compiled.outcome(bodies, 1000, 5_242_880, False) == pure.outcome(bodies, 1000, 5_242_880, False)


@pytest.mark.compiled_only
def test_position_outside_of_the_body_is_refused(import_twin: ImportTwin) -> None:
    batch = import_twin("compiled", "kernels.log_batch").LogBatch(1, 100)
    for position in (-1, 3):
        with pytest.raises(ValueError, match="position"):
            batch.scan(b"[]", position)


@pytest.mark.compiled_only
def test_released_memory_goes_back_to_the_system(import_twin: ImportTwin) -> None:
    """A small block above much free memory keeps it in the process until it is released."""
    kernel = import_twin("compiled", "kernels.log_batch")

    def resident_kb() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

    blocks = [bytes(60_000) for _ in range(1_000)]
    pinned = bytes(60_000)
    del blocks
    gc.collect()
    before_kb = resident_kb()
    kernel.release_memory()
    assert before_kb - resident_kb() > 40_000
    assert len(pinned) == 60_000
