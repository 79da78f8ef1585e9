"""Contexts: which lines meet in one, what a flush takes, how base tags join, and where the limits are."""

from __future__ import annotations

import pytest

from thimble.core.metrics import base_tags
from thimble.kernels import metric_codes as codes

from .support import BUCKET_S, NOW_S, Metrics


def values(*lines: str, **options: int) -> list[tuple[object, ...]]:
    contents = Metrics(**options).scan(*lines).contents()  # type: ignore[arg-type]
    return [(kind, name, value["sum"] if isinstance(value, dict) else value) for kind, name, _, _, value in contents]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["x:3|c|#e:p", "x:4|c|#e:p", "x:2.5|c|#e:p"], [("count", "x", 9.5)]),
        (["x:3|g", "x:9|g", "x:7|g"], [("gauge", "x", 7.0)]),
        (["x:1|c|#a:1,b:2", "x:1|c|#b:2,a:1"], [("count", "x", 2.0)]),
        (["x:1|c|#a:1,a:1", "x:1|c|#a:1", "x:1|c|#,a:1,"], [("count", "x", 3.0)]),
        (["x:1|c", "x:1|c|#"], [("count", "x", 2.0)]),
        (["x:1|c", "x:5|d"], [("count", "x", 1.0), ("distribution", "x", 5.0)]),
        (["x:7|g", "x:5|d"], [("gauge", "x", 7.0), ("distribution", "x", 5.0)]),
        (["x:1|c|T1712345601", "x:1|c|T1712345611"], [("count", "x", 1.0), ("count", "x", 1.0)]),
        (["x:1|c|T1712345601", "x:1|c", "x:1|c|T1712345601"], [("count", "x", 2.0), ("count", "x", 1.0)]),
        (["ab:1|c|#c", "a:1|c|#bc"], [("count", "ab", 1.0), ("count", "a", 1.0)]),
    ],
)
def test_lines_meet_in_contexts(lines: list[str], expected: list[tuple[object, ...]]) -> None:
    assert values(*lines) == expected
    assert values("\n".join(lines)) == expected


def test_contexts_beyond_the_limit_are_refused_and_known_ones_go_on() -> None:
    metrics = Metrics(contexts_max=2).scan("a:1|c", "b:1|c", "c:1|c", "a:5|c", "c:1|c")
    assert [(entry[1], entry[4]) for entry in metrics.contents()] == [("a", 6.0), ("b", 1.0)]
    assert metrics.refused() == ["context_limit", "context_limit"]


def test_own_metrics_do_not_meet_the_limit_of_the_functions() -> None:
    metrics = Metrics(contexts_max=1).scan("a:1|c")
    metrics.aggregator.insert_distribution("aws.lambda.enhanced.duration", 1.5, ["cold_start:true"], NOW_S)
    metrics.aggregator.insert_count("own", 2.0, [], NOW_S)
    metrics.aggregator.insert_count("own", 3.0, [], NOW_S)
    metrics.aggregator.insert_gauge("own", 4.0, ["b", "a:1", "b"], NOW_S)
    assert metrics.refused() == []
    assert [entry[:4] for entry in metrics.contents()] == [
        ("count", "a", "", BUCKET_S),
        ("distribution", "aws.lambda.enhanced.duration", "cold_start:true", BUCKET_S),
        ("count", "own", "", BUCKET_S),
        ("gauge", "own", "a:1,b", BUCKET_S),
    ]
    assert metrics.store.value(2) == 5.0


def test_own_metrics_are_bounded_too() -> None:
    metrics = Metrics()
    for number in range(codes.CONTEXTS_HARD_MAX + 2):
        metrics.store.insert(codes.COUNT, b"own", b"n:%d" % number, NOW_S, 1.0)
    assert metrics.store.count == codes.CONTEXTS_HARD_MAX
    assert metrics.refused() == ["context_limit"] * 2


def test_names_and_tags_of_all_contexts_are_bounded() -> None:
    metrics = Metrics(datagram_bytes_max=65536)
    filler = "x" * 65_000
    taken = codes.TEXT_BYTES_MAX // 65_005
    for number in range(taken + 3):
        metrics.scan(f"{number:05}{filler}:1|c")
    assert metrics.store.count == taken
    assert metrics.refused() == ["context_limit"] * 3
    metrics.store.clear()
    assert metrics.scan("a:1|c").refused() == []


def test_own_metric_that_is_no_number_is_counted_and_left_out() -> None:
    metrics = Metrics()
    metrics.aggregator.insert_distribution("own", float("nan"), [], NOW_S)
    metrics.aggregator.insert_count("own", float("inf"), [], NOW_S)
    assert metrics.contents() == []
    assert metrics.drops.report() == ["2 metrics (not_finite)"]


def test_own_metric_and_the_librarys_of_the_same_name_and_tags_are_one() -> None:
    metrics = Metrics(namespace="shop").scan("aws.lambda.enhanced.errors:1|d|#b:2,a:1")
    metrics.aggregator.insert_distribution("aws.lambda.enhanced.errors", 1.0, ["a:1", "b:2"], NOW_S)
    assert metrics.store.count == 1
    assert metrics.sketch()["cnt"] == 2


def test_flush_takes_everything_and_the_next_one_has_nothing() -> None:
    metrics = Metrics().scan("a:1|c", "b:1|d")
    series, sketches = metrics.sent()
    assert ([entry["metric"] for entry in series], [entry["metric"] for entry in sketches]) == (["a"], ["b"])
    assert metrics.sent() == ([], [])
    metrics.scan("a:7|c|#x", "b:1|d", "a:2|c")
    series, sketches = metrics.sent()
    assert [(entry["tags"], entry["points"][0]["value"]) for entry in series] == [(["x"], 7.0), ([], 2.0)]
    assert [entry["dogsketches"][0]["cnt"] for entry in sketches] == [1]


@pytest.mark.parametrize("rounds", [3])
def test_many_series_live_through_flushes(rounds: int) -> None:
    metrics = Metrics()
    lines = [f"m{number % 7}:1|c|#n:{number},a:b" for number in range(6000)]
    for _ in range(rounds):
        metrics.scan(*lines, *lines[:10])
        assert metrics.refused() == []
        contents = metrics.contents()
        assert len({entry[:3] for entry in contents}) == len(lines)
        assert sum(entry[4] for entry in contents) == len(lines) + 10
        metrics.store.clear()


def test_base_tags_join_sorted_and_without_repetition() -> None:
    metrics = Metrics(base={"env": "lab", "init_type": "on-demand"}).scan("x:1|c|#cold_start:true,init_type:on-demand")
    assert metrics.sent()[0][0]["tags"] == ["cold_start:true", "env:lab", "init_type:on-demand"]


def test_own_tag_does_not_replace_a_base_tag() -> None:
    assert Metrics(base={"service": "a"}).scan("x:1|d|#service:b").sent()[1][0]["tags"] == ["service:a", "service:b"]


def test_excluded_keys_leave_all_metrics() -> None:
    base = {"env": "lab", "region": "eu-west-3", "team": "x"}
    metrics = Metrics(base=base, excluded=("env", "region")).scan("x:1|c")
    metrics.aggregator.insert_distribution("aws.lambda.enhanced.duration", 1.0, [], NOW_S)
    series, sketches = metrics.sent()
    assert (series[0]["tags"], sketches[0]["tags"]) == (["team:x"], ["team:x"])
    assert Metrics(base=base, excluded=("Env",)).scan("x:1|c").sent()[0][0]["tags"] == [
        "env:lab",
        "region:eu-west-3",
        "team:x",
    ]


@pytest.mark.parametrize(("count", "left_out"), [(99, 0), (100, 0), (101, 1)])
def test_first_hundred_base_tags_are_kept(count: int, left_out: int) -> None:
    tags = base_tags.BaseTags({f"t{number:03}": "v" for number in range(count)}, ())
    assert tags.left_out == left_out
    assert tags.merged(b"").json.count(b'"') == 2 * (count - left_out)
    assert b"t000" in tags.merged(b"").json


def test_tag_value_with_a_comma_is_two_tags() -> None:
    assert Metrics(base={"team": "a,b:c"}).scan("x:1|c").sent()[0][0]["tags"] == ["b:c", "team:a"]


def test_more_sets_of_tags_than_are_remembered_come_out_right() -> None:
    count = base_tags.CACHE_MAX * 2 + 1
    metrics = Metrics(base={"env": "lab"}).scan(*[f"x:1|c|#n:{number}" for number in range(count)])
    assert [entry["tags"] for entry in metrics.sent()[0]] == [["env:lab", f"n:{number}"] for number in range(count)]


@pytest.mark.parametrize(
    ("namespace", "line", "name"),
    [
        ("shop", "hits:1|c", "shop.hits"),
        ("shop.eu_1", "hits:1|c", "shop.eu_1.hits"),
        ("", "hits:1|c", "hits"),
        ("shop.", "hits:1|c", "shop.hits"),
        ("shop", "aws.lambda.enhanced.errors:1|d", "aws.lambda.enhanced.errors"),
        ("shop", "aws.lambda.x:1|d", "shop.aws.lambda.x"),
        ("shop", "jvm.heap:1|g", "jvm.heap"),
        ("shop", "activemq_58.x:1|g", "activemq_58.x"),
        ("shop", "datadog.tracer.x:1|c", "datadog.tracer.x"),
        ("shop", "shop.hits:1|c", "shop.shop.hits"),
    ],
)
def test_namespace_goes_before_the_name(namespace: str, line: str, name: str) -> None:
    assert Metrics(namespace=namespace).scan(line).contents()[0][1] == name


def test_name_that_looks_prefixed_and_one_that_is_do_not_meet() -> None:
    metrics = Metrics(namespace="shop").scan("hits:1|c", "shop.hits:2|c", "hits:4|c", "shop.hits:8|c")
    assert [(entry[1], entry[4]) for entry in metrics.contents()] == [("shop.hits", 5.0), ("shop.shop.hits", 10.0)]
