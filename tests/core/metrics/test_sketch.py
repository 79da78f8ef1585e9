"""The agent's distribution sketch: keys, bins, overflow, trimming, merging, interpolation. Numbers are exact.

Source of the numbers: specification of metrics, test vectors of keys and sketches.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from ddsketch import LogCollapsingLowestDenseDDSketch
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.metrics.sketch import BINS_MAX, GAMMA, interpolate, key_of, lower_bound
from thimble.kernels import metric_codes as codes
from thimble.kernels.metric_store import Sketch

KEYS = [
    (0.0, 0), (-0.0, 0), (9e-10, 0), (-1e-10, 0), (9.94185408912145e-10, 1), (1e-9, 1), (2e-9, 46), (1e-6, 447),
    (0.000617, 861), (0.001, 892), (0.0125, 1055), (0.1, 1189), (-1, -1338), (-42, -1579), (3, 1409), (0.25, 1249),
    (0.5, 1293), (0.75, 1319), (0.99, 1337), (1, 1338), (1.5, 1364), (2, 1383), (5, 1442), (42, 1579), (99.5, 1635),
    (100, 1635), (128, 1651), (256, 1696), (512, 1740), (1000, 1784), (1024, 1785), (12345.678, 1946), (1e6, 2229),
    (536870912, 2635), (1e9, 2675), (1e12, 3120), (1e100, 16189), (1e200, 31041), (1e211, 32674), (1e212, 32767),
    (1.7976931348623157e308, 32767), (-1.7976931348623157e308, -32767),
]  # fmt: skip


def filled(*values: float, weight: float = 1.0) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.insert(value, weight)
    return sketch


def numbers(sketch: Sketch) -> tuple[Any, ...]:
    return sketch.count, sketch.minimum, sketch.maximum, sketch.total, sketch.average


def quantile(sketch: Sketch, q: float) -> float:
    """The value below which a part `q` of the samples lies, as the intake works it out."""
    if q <= 0.0:
        return sketch.minimum
    if q >= 1.0:
        return sketch.maximum
    rank = round(q * (sketch.count - 1))
    seen = 0
    for index, (key, count) in enumerate(sketch.bins()):
        seen += count
        if seen > rank:
            weight = (seen - rank) / count
            low = sketch.minimum if index == 0 else lower_bound(key)
            value = low * weight + lower_bound(key) * GAMMA * (1.0 - weight)
            return min(max(value, sketch.minimum), sketch.maximum)
    raise AssertionError("the bins hold fewer samples than are counted")


def value_at(sketch: Sketch, rank: int) -> float:
    """The value that stands for the bin of a sample, the samples being sorted."""
    for key, count in sketch.bins():
        rank -= count
        if rank < 0:
            return lower_bound(key)
    raise AssertionError("the bins hold fewer samples than are counted")


@pytest.mark.parametrize(("value", "key"), KEYS)
def test_value_has_the_key(value: float, key: int) -> None:
    assert key_of(value) == key
    assert filled(value).bins() == [(key, 1)]


@pytest.mark.parametrize(
    ("key", "bound"),
    [
        (1, 9.94185408912145e-10), (1293, 0.49773454108044224), (1337, 0.9846153846153847), (1338, 1.0),
        (1339, 1.015625), (1635, 99.95733062532699), (1784, 1007.1372657928052), (32766, 4.137616223466104e211),
        (32767, math.inf), (0, 0.0), (-1338, -1.0),
    ],
)  # fmt: skip
def test_key_has_the_lower_bound(key: int, bound: float) -> None:
    assert lower_bound(key) == bound


def test_every_lower_bound_lies_in_its_own_bin() -> None:
    assert [key for key in range(-32766, 32767) if key_of(lower_bound(key)) != key] == []
    for key in range(-32766, 32767, 101):
        assert filled(lower_bound(key)).bins() == [(key, 1)]


@pytest.mark.parametrize(
    ("sketch", "expected", "bins"),
    [
        (filled(12.5, 40, 7), (3, 7, 40, 59.5, 19.833333333333332), [(1464, 1), (1501, 1), (1576, 1)]),
        (filled(0, 2.5, -2.5, 2.5, 0.25), (5, -2.5, 2.5, 2.75, 0.55), [(-1397, 1), (0, 1), (1249, 1), (1397, 2)]),
        (filled(0.7, 0.1, 0.2), (3, 0.1, 0.7, 1.0, 0.3333333333333333), [(1189, 1), (1234, 1), (1315, 1)]),
        (filled(0), (1, 0, 0, 0, 0), [(0, 1)]),
        (filled(-6.5), (1, -6.5, -6.5, -6.5, -6.5), [(-1459, 1)]),
        (filled(3008, 3008), (2, 3008, 3008, 6016, 3008), [(1855, 2)]),
        (filled(4, weight=10.0), (10, 4, 4, 40, 4), [(1427, 10)]),
        (filled(9, weight=200_000.0), (200_000, 9, 9, 1_800_000, 9), [(1480, 3395)] + [(1480, 65535)] * 3),
    ],
    ids=["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S12"],
)
def test_sketch_of_few_values(sketch: Sketch, expected: tuple[float, ...], bins: list[tuple[int, int]]) -> None:
    assert numbers(sketch) == expected
    assert sketch.bins() == bins


def test_empty_sketch_has_no_bins() -> None:
    assert numbers(Sketch()) == (0, 0, 0, 0, 0)
    assert Sketch().bins() == []


def test_two_hundred_quarters_and_their_quantiles() -> None:
    sketch = filled(*[index / 4 for index in range(1, 201)])
    assert numbers(sketch) == (200, 0.25, 50, 5025, 25.125)
    bins = sketch.bins()
    assert len(bins) == 137
    assert bins[:4] == [(1249, 1), (1293, 1), (1319, 1), (1338, 1)]
    assert bins[-4:] == [(1587, 3), (1588, 3), (1589, 3), (1590, 3)]
    expected = {
        0.25: 12.713781872656421, 0.5: 25.346811421150917, 0.75: 37.63670042269005, 0.9: 45.33275718566566,
        0.95: 47.738455321945594, 0.99: 49.75221608642316,
    }  # fmt: skip
    assert {q: quantile(sketch, q) for q in expected} == expected


def test_full_bin_gets_another_before_it() -> None:
    sketch = filled(*[9.0] * 65535)
    assert numbers(sketch) == (65535, 9, 9, 589815, 9)
    assert sketch.bins() == [(1480, 65535)]
    sketch.insert(9)
    assert sketch.bins() == [(1480, 1), (1480, 65535)]
    sketch.insert(9)
    assert (sketch.count, sketch.bins()) == (65537, [(1480, 2), (1480, 65535)])


def test_merge_of_equal_bins_overflows_before_them() -> None:
    sketch = filled(9.0, weight=65000.0)
    sketch.merge(filled(9.0, weight=1000.0))
    assert (sketch.count, sketch.total) == (66000, 594000)
    assert sketch.bins() == [(1480, 465), (1480, 65535)]


def test_leftmost_bins_collapse_beyond_the_limit() -> None:
    sketch = filled(*[lower_bound(key) for key in range(1, 4097)])
    assert (sketch.count, len(sketch.bins())) == (4096, BINS_MAX)
    assert (sketch.bins()[0], sketch.bins()[-1]) == ((1, 1), (4096, 1))
    sketch.insert(lower_bound(4097))
    assert (sketch.count, len(sketch.bins())) == (4097, BINS_MAX)
    assert (sketch.bins()[:2], sketch.bins()[-1]) == ([(2, 2), (3, 1)], (4097, 1))
    for key in range(4098, 4301):
        sketch.insert(lower_bound(key))
    assert (sketch.count, len(sketch.bins())) == (4300, BINS_MAX)
    assert (sketch.bins()[:2], sketch.bins()[-1]) == ([(205, 205), (206, 1)], (4300, 1))


def test_new_leftmost_bin_collapses_at_once() -> None:
    sketch = filled(*[lower_bound(key) for key in range(200, 4296)], lower_bound(60))
    assert (sketch.count, len(sketch.bins())) == (4097, BINS_MAX)
    assert sketch.bins()[:2] == [(200, 2), (201, 1)]


def test_collapse_of_full_bins_keeps_every_sample_in_bins() -> None:
    sketch = Sketch()
    for key in range(1, 4200):
        sketch.insert(lower_bound(key), 65535.0)
    assert sum(count for _, count in sketch.bins()) == sketch.count == 4199 * 65535
    assert len(sketch.bins()) == 4199


@pytest.mark.parametrize(
    ("lower", "upper", "count", "expected", "bins"),
    [
        (0, 5, 3, (3, 0, 3.351227007947732, 5.01924844480498, 1.6730828149349932), [(0, 1), (1371, 1), (1416, 1)]),
        (
            2, 8, 5, (5, 2.009103080990281, 7.053525082284968, 22.57673105536465, 4.515346211072931),
            [(1383, 1), (1414, 1), (1435, 1), (1451, 1), (1464, 1)],
        ),
    ],
)  # fmt: skip
def test_histogram_bucket_is_spread_over_its_bins(
    lower: float, upper: float, count: int, expected: tuple[float, ...], bins: list[tuple[int, int]]
) -> None:
    sketch = Sketch()
    interpolate(sketch, lower, upper, count)
    assert numbers(sketch) == expected
    assert sketch.bins() == bins


def test_merging_sketches_of_one_value_is_inserting_the_values() -> None:
    for values in ([12.5, 40, 7], [0.7, 0.1, 0.2], [0, 2.5, -2.5, 2.5, 0.25]):
        merged = Sketch()
        for value in values:
            merged.merge(filled(value))
        assert numbers(merged) == numbers(filled(*values))
        assert merged.bins() == filled(*values).bins()


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
WEIGHTS = st.one_of(st.just(1.0), st.floats(1.0, 1e9))
SAMPLES = st.lists(st.tuples(st.one_of(FINITE, st.floats(-100, 100)), WEIGHTS), max_size=60)


@given(SAMPLES)
def test_bins_are_sorted_bounded_and_hold_every_sample(samples: list[tuple[float, float]]) -> None:
    sketch = Sketch()
    for value, weight in samples:
        sketch.insert(value, weight)
    bins = sketch.bins()
    assert [key for key, _ in bins] == sorted(key for key, _ in bins)
    assert all(1 <= count <= 65535 for _, count in bins)
    assert sum(count for _, count in bins) == sketch.count
    assert sketch.count == sum(int(min(weight, codes.WEIGHT_MAX)) for _, weight in samples)


@given(SAMPLES, SAMPLES, SAMPLES)
def test_merging_in_any_grouping_gives_the_same_samples_per_key(
    a: list[tuple[float, float]], b: list[tuple[float, float]], c: list[tuple[float, float]]
) -> None:
    def sketch_of(samples: list[tuple[float, float]]) -> Sketch:
        sketch = Sketch()
        for value, weight in samples:
            sketch.insert(value, weight)
        return sketch

    def per_key(sketch: Sketch) -> dict[int, int]:
        totals: dict[int, int] = {}
        for key, count in sketch.bins():
            totals[key] = totals.get(key, 0) + count
        return totals

    left = sketch_of(a)
    left.merge(sketch_of(b))
    left.merge(sketch_of(c))
    tail = sketch_of(b)
    tail.merge(sketch_of(c))
    right = sketch_of(a)
    right.merge(tail)
    assert (per_key(left), left.count) == (per_key(right), right.count)
    assert (left.minimum, left.maximum) == (right.minimum, right.maximum)


@pytest.mark.parametrize("name", ["uniform", "lognormal", "exponential", "bimodal", "integers", "signed"])
def test_quantiles_stay_within_the_promised_error_as_another_sketch_does(name: str) -> None:
    random = Random(11)
    draw = {
        "uniform": lambda: random.uniform(1, 1000),
        "lognormal": lambda: random.lognormvariate(2, 2),
        "exponential": lambda: random.expovariate(0.01) + 1e-6,
        "bimodal": lambda: random.choice((random.gauss(10, 1), random.gauss(900, 20))),
        "integers": lambda: float(random.randrange(1, 50)),
        "signed": lambda: random.gauss(0, 50),
    }[name]
    values = [draw() for _ in range(20_000)]
    sketch = filled(*values)
    other = LogCollapsingLowestDenseDDSketch(relative_accuracy=1 / 128, bin_limit=4096)
    for value in values:
        other.add(value)
    values.sort()
    for q in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999):
        rank = round(q * (len(values) - 1))
        ours = value_at(sketch, rank)
        theirs = other.get_quantile_value(q)
        assert theirs is not None
        assert abs(ours - values[rank]) <= abs(values[rank]) / 127, q
        assert abs(ours - theirs) <= abs(theirs) / 63, q
    assert sketch.count == other.count
    assert math.isclose(sketch.total, other.sum, rel_tol=1e-9, abs_tol=1e-6)
