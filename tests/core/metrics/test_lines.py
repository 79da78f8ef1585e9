"""Lines of DogStatsD: what becomes of each, and why it is refused."""

from __future__ import annotations

import math

import pytest

from thimble.kernels import metric_codes as codes

from .support import BUCKET_S, NOW_S, Metrics

TAKEN = [
    ("orders.placed:3|c", ("count", "orders.placed", "", BUCKET_S, 3.0)),
    ("cart.size:4.5|g|#shop:9,eu", ("gauge", "cart.size", "eu,shop:9", BUCKET_S, 4.5)),
    ("n:8|c|@0.25", ("count", "n", "", BUCKET_S, 32.0)),
    ("n:8|c|@2", ("count", "n", "", BUCKET_S, 8.0)),
    ("n:8|c|@-1", ("count", "n", "", BUCKET_S, 8.0)),
    ("n:8|c|@nan", ("count", "n", "", BUCKET_S, 8.0)),
    ("n:8|g|@0.25", ("gauge", "n", "", BUCKET_S, 8.0)),
    ("n:2:3:4|c", ("count", "n", "", BUCKET_S, 9.0)),
    ("n:2:3:4|g", ("gauge", "n", "", BUCKET_S, 4.0)),
    ("n:5::7|c", ("count", "n", "", BUCKET_S, 12.0)),
    ("n::5|c", ("count", "n", "", BUCKET_S, 5.0)),
    ("n:+1.5e1|c", ("count", "n", "", BUCKET_S, 15.0)),
    ("n:.5|c", ("count", "n", "", BUCKET_S, 0.5)),
    ("n:7.|c", ("count", "n", "", BUCKET_S, 7.0)),
    ("n:1E-2|c", ("count", "n", "", BUCKET_S, 0.01)),
    ("n:1e-400|c", ("count", "n", "", BUCKET_S, 0.0)),
    ("n:0.1000000000000000055511151231257827|c", ("count", "n", "", BUCKET_S, 0.1)),
    ("n:9007199254740993|c", ("count", "n", "", BUCKET_S, 9007199254740992.0)),
    ("n:1|c|c:ci-ab12|e:it-false|card:high|Zz|#k:v", ("count", "n", "k:v", BUCKET_S, 1.0)),
    ("n:1|c||#k:v||", ("count", "n", "k:v", BUCKET_S, 1.0)),
    ("n:1|c|#a:1|#b:2", ("count", "n", "b:2", BUCKET_S, 1.0)),
    ("n:1|c|#k:,:v,x:y:z,,k", ("count", "n", ":v,k,x:y:z", BUCKET_S, 1.0)),
    ("n:1|c|#a-b:x,a:1,a", ("count", "n", "a,a:1,a-b:x", BUCKET_S, 1.0)),
    ("n:1|c|#x:1,y:2,x:1", ("count", "n", "x:1,y:2", BUCKET_S, 1.0)),
    ("n:1|c|#", ("count", "n", "", BUCKET_S, 1.0)),
    ("n:1|c|#,,:", ("count", "n", "", BUCKET_S, 1.0)),
    ("n:1|c|# a : b ,C", ("count", "n", " a : b ,C", BUCKET_S, 1.0)),
    ("größe:1|c|#ü:ö", ("count", "größe", "ü:ö", BUCKET_S, 1.0)),
    ("_sc.x:1|c", ("count", "_sc.x", "", BUCKET_S, 1.0)),
    ("aws.lambda.enhanced.invocation:1|c", ("count", "aws.lambda.enhanced.invocation", "", BUCKET_S, 1.0)),
]
REFUSED = {
    "format": ["n1|c", "n:1", ":1|c", "n:|c", "n:1|", "n:1||#a:b", "abc", "|", ":", "n", "_s", "_e:x"],
    "value": [
        "n:1_0|c", "n: 1|c", "n:0x1F|c", "n:1e|c", "n:.|c", "n:5:x|c", "n:inf|g", "n:NaN|g", "n:1e400|g",
        "n:-Infinity|g", "n:1\t|c",
        "n:bob|s", "n:::|c", "n:1 |c", "n:--1|c", "n:1e+|c", "n:1.2.3|c", "n:+|c", "n:\uff11|c", "n:1\x00|c",
        "n:infx|c",
    ],
    "unsupported_type": ["n:1|ms", "n:1|h", "n:1|s"],
    "unknown_type": ["n:1|C", "n:1|counter", "n:1|c\r", "n:1|q", "n:1|D", "n:1|mss", "n:1| c"],
    "timestamp": [
        "lat:1|d|T", "lat:1|d|T17x", "lat:1|d|T0", "lat:1|d|T-37", "lat:1|d|Tinf", "lat:1|d|Tnan", "lat:1|d|T0.999",
        "lat:1|d|T12|T", "lat:1|g|T1e400",
    ],
    "rate": ["n:8|c|@", "n:8|c|@0.2z", "n:8|c|@0.5|@"],
    "too_many_tags": ["n:1|c|#" + ",".join(f"t{index}" for index in range(101))],
}  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), TAKEN, ids=[line for line, _ in TAKEN])
def test_line_is_taken_as(line: str, expected: tuple[object, ...]) -> None:
    metrics = Metrics().scan(line)
    assert metrics.contents() == [expected]
    assert metrics.refused() == []


@pytest.mark.parametrize(
    ("reason", "line"),
    [(reason, line) for reason, lines in REFUSED.items() for line in lines],
    ids=[repr(line)[:40] for lines in REFUSED.values() for line in lines],
)
def test_line_is_refused_for_its_reason(reason: str, line: str) -> None:
    metrics = Metrics().scan(line)
    assert metrics.contents() == []
    assert metrics.refused() == [reason]
    code, kept = metrics.store.take_refusals()[0]
    assert codes.REASON_NAMES[code] == reason
    assert kept == line.encode()[: codes.REFUSED_BYTES_MAX]


@pytest.mark.parametrize(
    "line",
    [
        "_sc|db.up|0",
        "_e{4,2}:boot|ok",
        "aws.lambda.enhanced.invocations:1|d|#region:eu-west-3",
        "aws.lambda.enhanced.invocations_x:1|d",
    ],
)
def test_events_checks_and_the_librarys_invocations_pass_without_a_word(line: str) -> None:
    metrics = Metrics().scan(line)
    assert (metrics.contents(), metrics.refused()) == ([], [])


@pytest.mark.parametrize(
    ("line", "bucket_s"),
    [
        ("lat:17.25|d|T1712345612|#a:1", 1712345610),
        ("lat:17.25|d|#a:1|T1712345619.5", 1712345620),
        ("lat:17.25|d|#a:1|T1712345619.49", 1712345610),
        ("lat:1|d|T1712349999|#a:1", BUCKET_S),
        ("lat:1|d|T1712345680|#a:1", BUCKET_S),
        ("lat:1|d|T1e300|#a:1", BUCKET_S),
        ("lat:1|d|#a:1", BUCKET_S),
        ("lat:1|d|T1|#a:1", 0),
        ("lat:1|d|T9.5|#a:1", 10),
    ],
)
def test_timestamp_decides_the_bucket_and_the_future_counts_as_now(line: str, bucket_s: int) -> None:
    kind, name, tags, bucket, _ = Metrics().scan(line).contents()[0]
    assert (kind, name, tags, bucket) == ("distribution", "lat", "a:1", bucket_s)


def test_minus_zero_keeps_its_sign() -> None:
    value = Metrics().scan("n:-0|g").store.value(0)
    assert math.copysign(1.0, value) == -1.0


def test_rate_weighs_a_distribution_in_whole_samples_and_its_sum_exactly() -> None:
    assert Metrics().scan("n:8|d|@0.3").sketch() == {
        "cnt": 3,
        "sum": 26.666666666666668,
        "min": 8.0,
        "max": 8.0,
        "avg": 8.0,
        "bins": [(1472, 3)],
    }


def test_every_packed_value_enters_the_sketch() -> None:
    assert Metrics().scan("n:2:3:4|d").sketch() == {
        "cnt": 3,
        "sum": 9.0,
        "min": 2.0,
        "max": 4.0,
        "avg": 3.0,
        "bins": [(1383, 1), (1409, 1), (1427, 1)],
    }


@pytest.mark.parametrize("rate", ["1e-300", "1e-7", "5e-324"])
def test_absurd_rate_takes_no_absurd_memory(rate: str) -> None:
    metrics = Metrics()
    for _ in range(300):
        metrics.scan(f"n:8|d|@{rate}")
    found = metrics.sketch()
    assert found["cnt"] == 300 * int(codes.WEIGHT_MAX)
    assert len(found["bins"]) <= codes.BINS_HARD_MAX


def test_hundred_tags_are_taken_and_repetitions_side_by_side_count_once() -> None:
    tags = [f"t{index:03}" for index in range(100)]
    metrics = Metrics().scan("n:1|c|#" + ",".join([*tags, tags[-1]]))
    assert metrics.contents() == [("count", "n", ",".join(tags), BUCKET_S, 1.0)]
    assert Metrics().scan("n:1|c|#" + ",".join([*tags, tags[0]])).refused() == ["too_many_tags"]


def test_library_errors_are_kept() -> None:
    assert Metrics().scan("aws.lambda.enhanced.errors:1|d").contents()[0][:2] == (
        "distribution",
        "aws.lambda.enhanced.errors",
    )


@pytest.mark.parametrize("kind", ["h", "ms"])
def test_histograms_and_timers_become_distributions_where_that_is_wanted(kind: str) -> None:
    metrics = Metrics(maps_histograms=True).scan(f"n:4|{kind}|@0.1")
    assert metrics.contents()[0][0] == "distribution"
    assert metrics.sketch()["bins"] == [(1427, 10)]
    assert Metrics(maps_histograms=True).scan("n:1|s").refused() == ["unsupported_type"]


def test_bad_line_does_not_lose_its_neighbours() -> None:
    metrics = Metrics().scan("a:1|c\n\nb:x|c\nc:2|g\n")
    assert [entry[:2] for entry in metrics.contents()] == [("count", "a"), ("gauge", "c")]
    assert metrics.refused() == ["value"]


@pytest.mark.parametrize(
    "bad",
    [b"\xff:1|c", b"a\xc0\xaf:1|c", b"a\xed\xa0\x80:1|c", b"a\xf4\x90\x80\x80:1|c", b"a\xe2\x82:1|c", b"a:1|c|e:\x80",
     b"abcdefgh\xc3", b"a:1|c|#k:\xf8\x88\x80\x80\x80"],
)  # fmt: skip
def test_line_that_is_not_utf8_is_refused_alone(bad: bytes) -> None:
    metrics = Metrics().scan(b"a:1|c\n" + bad)
    assert [entry[1] for entry in metrics.contents()] == ["a"]
    assert metrics.refused() == ["not_utf8"]


def test_last_line_of_a_cut_datagram_is_refused_whatever_it_says() -> None:
    metrics = Metrics().scan("a:1|c\nb:2|c", is_cut=True)
    assert [entry[1] for entry in metrics.contents()] == ["a"]
    assert metrics.refused() == ["cut_datagram"]


def test_datagram_beyond_the_buffer_is_cut() -> None:
    metrics = Metrics(datagram_bytes_max=12).scan("aaa:1|c\nb:22|c")
    assert [entry[1] for entry in metrics.contents()] == ["aaa"]
    assert metrics.refused() == ["cut_datagram"]
    assert Metrics(datagram_bytes_max=14).scan("aaa:1|c\nb:22|c").refused() == []


def test_no_more_refused_lines_are_kept_than_can_be_told() -> None:
    metrics = Metrics().scan("\n".join(f"n{index}" for index in range(40)))
    assert len(metrics.store.take_refusals()) == codes.REFUSALS_MAX
    assert metrics.store.take_refusals() == []
    assert metrics.refused() == ["format"] * 40
    assert metrics.refused() == []


def test_time_of_reading_is_the_bucket_of_lines_without_one() -> None:
    metrics = Metrics().scan("a:1|c", now_s=NOW_S).scan("a:1|c", now_s=NOW_S + 10)
    assert [(entry[3], entry[4]) for entry in metrics.contents()] == [(BUCKET_S, 1.0), (BUCKET_S + 10, 1.0)]
