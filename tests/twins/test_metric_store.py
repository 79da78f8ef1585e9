"""The two stores of metrics and the two sketches agree on anything, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.metrics.datagrams import datagrams, random_line
from thimble.kernels import metric_codes as codes

ImportTwin = Callable[[str, str], ModuleType]
NOW_S = 1712345678
UNPREFIXED = (b"aws.lambda.enhanced.", b"runtime")


@pytest.fixture(scope="session")
def twins(import_twin: ImportTwin) -> tuple[ModuleType, ModuleType]:
    return import_twin("pure", "kernels.metric_store"), import_twin("compiled", "kernels.metric_store")


def outcome(store: Any) -> tuple[Any, ...]:
    """Everything that a store tells; numbers as text, so that the sign of zero counts."""
    contents = []
    for index in range(store.count):
        kind, name, tags, bucket_s = store.entry(index)
        value = store.sketch(index) if kind == codes.DISTRIBUTION else store.value(index)
        contents.append((kind, name, tags, bucket_s, repr(value)))
    return contents, store.lines, store.take_refused(), store.take_refusals()


def state(sketch: Any) -> tuple[Any, ...]:
    figures = (sketch.count, sketch.minimum, sketch.maximum, sketch.total, sketch.average)
    return repr(figures), sketch.bins(), sketch.packed()


def test_numbers_of_the_kernel_are_those_of_the_module(root: Path) -> None:
    source = "".join(
        (root / "native" / name).read_text(encoding="utf-8")
        for name in ("metric_store.pyx", "metric_lines.pxi", "metric_sketch.pxi")
    )
    names = [
        "COUNT", "GAUGE", "DISTRIBUTION", "REASONS", "TAGS_MAX", "REFUSALS_MAX", "REFUSED_BYTES_MAX", "TEXT_BYTES_MAX",
        "CONTEXTS_HARD_MAX", "BINS_HARD_MAX", "BUCKET_S",
        *("CUT" if name == "cut_datagram" else "" for name in codes.REASON_NAMES),
        "FORMAT", "VALUE", "UNSUPPORTED_TYPE", "UNKNOWN_TYPE", "TAGS", "TIMESTAMP", "RATE", "ENCODING", "CONTEXT_LIMIT",
    ]  # fmt: skip
    for name in filter(None, names):
        assert re.search(rf"^    {name} = {getattr(codes, name)}\b", source, re.MULTILINE), name
    assert f"double WEIGHT_MAX = {codes.WEIGHT_MAX}" in source
    for prefix in codes.IGNORED_PREFIXES:
        assert f'b"{prefix.decode()}", {len(prefix)})' in source


@pytest.mark.compiled_only
def test_forms_really_use_their_own_store(twins: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = twins
    assert pure.MetricStore.__module__ == "thimble_pure.kernels.metric_store_py"
    assert compiled.MetricStore.__module__ == "thimble._native.metric_store"


@pytest.mark.compiled_only
@settings(max_examples=400)
@given(
    st.lists(st.lists(st.tuples(datagrams(), st.booleans()), max_size=4), max_size=3),
    st.sampled_from([0, 1, 3, 10_240]),
    st.sampled_from([1, 20, 8192]),
    st.sampled_from([b"", b"shop."]),
    st.booleans(),
)
def test_stores_agree_on_any_datagrams(
    twins: tuple[ModuleType, ModuleType],
    flushes: list[list[tuple[bytes, bool]]],
    contexts_max: int,
    datagram_bytes_max: int,
    namespace: bytes,
    maps_histograms: bool,
) -> None:
    pure, compiled = (
        module.MetricStore(contexts_max, datagram_bytes_max, namespace, UNPREFIXED, maps_histograms) for module in twins
    )
    for flush in flushes:
        for datagram, is_cut in flush:
            for store in (pure, compiled):
                store.scan(datagram, is_cut, NOW_S)
                store.insert(codes.COUNT, b"hits", b"a:1", NOW_S, 1.0)
        assert outcome(compiled) == outcome(pure)
        pure.clear()
        compiled.clear()


@pytest.mark.compiled_only
def test_stores_agree_on_a_datagram_cut_anywhere(twins: tuple[ModuleType, ModuleType]) -> None:
    random = Random(3)
    datagram = b"\n".join(random_line(random) for _ in range(30)) + "\nüé:1:2|d|#ö:ü,a|@0.5|T1712345600".encode()
    for cut in range(len(datagram) + 1):
        pure, compiled = (module.MetricStore(10_240, 8192, b"", (), False) for module in twins)
        for store in (pure, compiled):
            store.scan(datagram[:cut], cut % 2 == 0, NOW_S)
        assert outcome(compiled) == outcome(pure), cut


@pytest.mark.compiled_only
@settings(max_examples=300)
@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:.3f}", "{:e}", "{:.17g}", "{:.25f}"])
)
def test_stores_read_numbers_alike(twins: tuple[ModuleType, ModuleType], number: float, form: str) -> None:
    line = f"x:{form.format(number)}|g".encode()
    pure, compiled = (module.MetricStore(10, 8192, b"", (), False) for module in twins)
    for store in (pure, compiled):
        store.scan(line, False, NOW_S)
    assert outcome(compiled) == outcome(pure)


@pytest.mark.compiled_only
@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([9.0, 0.0, -0.0, -2.5])),
            st.one_of(st.just(1.0), st.floats(1.0, 1e7), st.just(65535.0)),
        ),
        max_size=80,
    ),
    st.integers(0, 80),
)
def test_sketches_agree_on_any_values(
    twins: tuple[ModuleType, ModuleType], samples: list[tuple[float, float]], split: int
) -> None:
    states = []
    for module in twins:
        sketch, other = module.Sketch(), module.Sketch()
        for value, weight in samples[:split]:
            sketch.insert(value, weight)
        for value, weight in samples[split:]:
            other.insert(value, weight)
        sketch.merge(other)
        states.append((state(sketch), state(other)))
    assert states[0] == states[1]


@pytest.mark.compiled_only
def test_sketches_agree_beyond_every_limit(twins: tuple[ModuleType, ModuleType]) -> None:
    for seed in range(4):
        states = []
        for module in twins:
            random = Random(seed)
            sketch = module.Sketch()
            for _ in range(9000):
                sketch.insert(random.lognormvariate(0, 30), random.choice((1.0, 1.0, 1.0, 70_000.5)))
            for _ in range(40):
                sketch.insert(9.0, codes.WEIGHT_MAX)
            states.append(state(sketch))
        assert states[0] == states[1]
        assert len(states[0][1]) > codes.BINS_HARD_MAX // 2


@pytest.mark.compiled_only
def test_arguments_that_make_no_sense_are_refused(import_twin: ImportTwin) -> None:
    module = import_twin("compiled", "kernels.metric_store")
    store = module.MetricStore(10, 100, b"", (), False)
    for look in (store.entry, store.value, store.sketch):
        with pytest.raises(IndexError, match="context 0 of 0"):
            look(0)
    sketch = module.Sketch()
    for value, weight in ((float("nan"), 1.0), (float("inf"), 1.0), (1.0, 0.5), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="value"):
            sketch.insert(value, weight)
    for pair in ((40_000, 1), (1, 0), (1, -5)):
        with pytest.raises(ValueError, match="out of range"):
            sketch.merge_pairs([pair])
    assert state(sketch) == state(module.Sketch())
