"""What goes out: series as JSON, sketches as protobuf, origins, batches. Bytes are exact.

Source of the bytes: specification of metrics, test vectors of protobuf, series and origin.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.metrics.base_tags import BaseTags
from thimble.core.metrics.batches import Batches
from thimble.core.metrics.sketches import dogsketch, sketches_body
from thimble.sandbox.schemas import message_class

from .support import ARN_TAG, BUCKET_S, NOW_S, Metrics

ARN = ARN_TAG.partition(":")[2]
LAMBDA = {"origin_product": 1, "origin_category": 38}


def filled(*values: float) -> Metrics:
    metrics = Metrics()
    for value in values:
        metrics.aggregator.insert_distribution("x", value, [], NOW_S)
    return metrics


@pytest.mark.parametrize(
    ("values", "size", "expected"),
    [
        (
            [1.0], 51,
            "08c6a4c1b006100119000000000000f03f21000000000000f03f29000000000000f03f31000000000000f03f3a02f414420101",
        ),
        ([0.0], 14, "08c6a4c1b00610013a0100420101"),
        (
            [-6.5], 51,
            "08c6a4c1b0061001190000000000001ac0210000000000001ac0290000000000001ac0310000000000001ac03a02e516420101",
        ),
        (
            [12.5, 40.0, 7.0], 57,
            "08c6a4c1b0061003190000000000001c40210000000000004440295555555555d53340310000000000c04d403a06f016ba17d01842"
            "03010101",
        ),
        (
            [0.0, 2.5, -2.5, 2.5, 0.25], 59,
            "08c6a4c1b00610051900000000000004c0210000000000000440299a9999999999e13f3100000000000006403a07e91500c213ea15"
            "420401010102",
        ),
        (
            [9.0] * 65537, 58,
            "08c6a4c1b006108180041900000000000022402100000000000022402900000000000022403100000000120022413a049017901742"
            "0402ffff03",
        ),
    ],
    ids=["one", "zero", "negative", "S1", "S2", "S11"],
)  # fmt: skip
def test_dogsketch_has_these_bytes(values: list[float], size: int, expected: str) -> None:
    encoded = dogsketch(BUCKET_S, filled(*values).store.sketch(0))
    assert (len(encoded), encoded.hex()) == (size, expected)


def test_sketch_payload_without_origin_has_these_bytes() -> None:
    metrics = Metrics().scan("shop.latency:12.5:40:7|d|#svc:web")
    assert metrics.aggregator.take()[1][0].body.hex() == (
        "0a520a0c73686f702e6c6174656e637922077376633a7765623a3908c6a4c1b0061003190000000000001c402100000000000044402955"
        "55555555d53340310000000000c04d403a06f016ba17d0184203010101"
    )


def test_sketch_payload_of_an_own_metric_has_these_bytes() -> None:
    metrics = Metrics(base={"env": "lab", "function_arn": ARN})
    metrics.aggregator.insert_distribution("aws.lambda.enhanced.invocations", 1.0, ["cold_start:true"], NOW_S)
    body = metrics.aggregator.take()[1][0].body
    assert len(body) == 194
    assert body.hex() == (
        "0abf010a1f6177732e6c616d6264612e656e68616e6365642e696e766f636174696f6e73220f636f6c645f73746172743a747275652207"
        "656e763a6c6162224266756e6374696f6e5f61726e3a61726e3a6177733a6c616d6264613a65752d776573742d333a3231303938373635"
        "343332313a66756e6374696f6e3a6f72646572733a3308c6a4c1b006100119000000000000f03f21000000000000f03f29000000000000"
        "f03f31000000000000f03f3a02f41442010142090a072001282630d903"
    )


def test_custom_distribution_names_the_custom_service() -> None:
    metrics = Metrics(base={"function_arn": ARN}).scan("x:1|d")
    assert metrics.aggregator.take()[1][0].body.hex().endswith("42090a072001282630d803")


def test_series_payload_has_these_bytes() -> None:
    metrics = Metrics(base={"env": "lab", "function_arn": ARN}).scan("orders.placed:3|c|#region")
    payload = metrics.aggregator.take()[0][0]
    assert payload.body == (
        b'{"series":[{"metric":"orders.placed","points":[{"timestamp":1712345670,"value":3.0}],"resources":[],"type":1,'
        b'"tags":["env:lab","function_arn:arn:aws:lambda:eu-west-3:210987654321:function:orders","region"],'
        b'"metadata":{"origin":{"origin_product":1,"origin_sub_product":38,"origin_product_detail":472}}}]}'
    )
    assert (payload.item_count, payload.raw_bytes, payload.content_encoding) == (1, 303, "")


def test_series_entry_of_a_tracers_own_metric_has_no_origin() -> None:
    body = Metrics().scan("datadog.tracer.flush_triggered:2|c|#lang:go").aggregator.take()[0][0].body
    assert body[len(b'{"series":[') : -2] == (
        b'{"metric":"datadog.tracer.flush_triggered","points":[{"timestamp":1712345670,"value":2.0}],"resources":[],'
        b'"type":1,"tags":["lang:go"],"metadata":null}'
    )


def test_gauge_is_announced_as_a_gauge() -> None:
    assert Metrics().scan("x:1.5|g").sent()[0][0]["type"] == 3


def test_sum_that_overflows_is_left_out_and_counted() -> None:
    metrics = Metrics().scan("x:1.7e308:1.7e308|c", "y:1|c")
    assert [entry["metric"] for entry in metrics.sent()[0]] == ["y"]
    assert metrics.drops.report() == ["1 metrics (not_finite)"]


def test_odd_characters_are_escaped_as_json_wants() -> None:
    entry = Metrics().scan('a"\\\x01é\U0001f600:1e21|c|#k"\t:\\').sent()[0][0]
    assert (entry["metric"], entry["tags"]) == ('a"\\\x01é\U0001f600', ['k"\t:\\'])
    assert entry["points"][0]["value"] == 1e21


def test_resource_tags_become_resources_and_leave_the_tags() -> None:
    line = "x:1|c|#dd.internal.resource:host:web-1,dd.internal.resource:odd,a:b"
    entry = Metrics(base={"dd.internal.resource": "base:tag"}).scan(line).sent()[0][0]
    assert entry["resources"] == [{"name": "web-1", "type": "host"}]
    assert entry["tags"] == ["a:b", "dd.internal.resource:base:tag", "dd.internal.resource:odd"]


@pytest.mark.parametrize(
    ("name", "tag", "expected"),
    [
        ("orders.placed", "function_arn:x", (1, 38, 472)),
        ("aws.lambda.enhanced.duration", "function_arn:x", (1, 38, 473)),
        ("aws.lambdaish.x", "function_arn:x", (1, 38, 472)),
        ("aws.lambda", "function_arn:x", (1, 38, 473)),
        ("shop.aws.lambda.enhanced.x", "function_arn:x", (1, 38, 472)),
        ("gcp.run.x", "function_arn", (1, 38, 473)),
        ("runtime.node.heap", "function_arn:x", (1, 38, 474)),
        ("jvm.gc", "function_arn:x", (1, 38, 474)),
        ("runtimes.x", "function_arn:x", (1, 38, 472)),
        ("datadog.tracer.x", "function_arn:x", None),
        ("datadogx.y", "function_arn:x", (1, 38, 472)),
        ("orders.placed", "env:lab", None),
        ("orders.placed", "origin:cloudrun", (1, 36, 472)),
        ("orders.placed", "origin:appservice", (1, 35, 472)),
        ("orders.placed", "origin:containerapp,a:b", (1, 37, 472)),
        ("orders.placed", "origin:azurefunction,z:y", (1, 71, 472)),
        ("orders.placed", "origin:cloudrun,function_arn:x", (1, 38, 472)),
        ("orders.placed", "origin:elsewhere", None),
    ],
)
def test_origin_follows_from_name_and_tags(name: str, tag: str, expected: tuple[int, int, int] | None) -> None:
    series, sketches = Metrics().scan(f"{name}:1|c|#{tag}", f"{name}:1|d|#{tag}").sent()
    metadata = series[0]["metadata"]
    if expected is None:
        assert metadata is None
        assert "metadata" not in sketches[0]
        return
    product, category, service = expected
    assert metadata["origin"] == {
        "origin_product": product,
        "origin_sub_product": category,
        "origin_product_detail": service,
    }
    assert sketches[0]["metadata"]["origin"] == {
        "origin_product": product,
        "origin_category": category,
        "origin_service": service,
    }


@given(
    st.lists(
        st.tuples(
            st.text("abcé.", min_size=1, max_size=12),
            st.lists(st.text("xyü:", min_size=1, max_size=8), max_size=4),
            st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20),
            st.integers(0, NOW_S),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_real_protobuf_library_writes_the_same_bytes(
    metrics_in: list[tuple[str, list[str], list[float], int]],
) -> None:
    metrics = Metrics(base={"function_arn": "x"})
    for name, tags, values, timestamp_s in metrics_in:
        for value in values:
            metrics.aggregator.insert_distribution(name, value, tags, timestamp_s)
    payloads = metrics.aggregator.take()[1]
    for payload in payloads:
        message = message_class("SketchPayload")()
        message.ParseFromString(payload.body)
        assert message.SerializeToString(deterministic=True) == payload.body
        assert payload.item_count == len(message.sketches)  # type: ignore[attr-defined]


# --- batches -----------------------------------------------------------------------------------------------------


def batches_of(entries: list[bytes], entries_max: int, bytes_max: int) -> list[int]:
    batches = Batches(sketches_body, None, entries_max, bytes_max, 1 << 30)
    for entry in entries:
        batches.add(entry)
    return [payload.item_count for payload in batches.take()]


@pytest.mark.parametrize(
    ("count", "bytes_max", "expected"),
    [
        (2500, 5_242_880, [1000, 1000, 500]),
        (7, 1000, [3, 3, 1]),
        (7, 870, [2, 2, 2, 1]),
        (3, 100, [1, 1, 1]),
        (1000, 5_242_880, [1000]),
        (0, 1000, []),
    ],
)
def test_entries_of_290_bytes_fall_into_batches(count: int, bytes_max: int, expected: list[int]) -> None:
    assert batches_of([b"x" * 290] * count, 1000, bytes_max) == expected


def test_entry_larger_than_a_batch_goes_alone_and_is_counted() -> None:
    batches = Batches(sketches_body, None, 10, 100, 1 << 30)
    for size in (10, 200, 10):
        batches.add(b"x" * size)
    assert batches.oversized == 0
    assert [payload.raw_bytes for payload in batches.take()] == [12, 203, 12]


def test_batch_too_large_when_compressed_is_halved_down_to_one_entry() -> None:
    batches = Batches(sketches_body, lambda body: body, 1000, 1 << 20, 2100)
    for size in (1000, 1000, 1000, 5000, 1000):
        batches.add(b"x" * size)
    payloads = batches.take()
    assert [payload.item_count for payload in payloads] == [2, 1, 1, 1]
    assert {payload.content_encoding for payload in payloads} == {"zstd"}
    assert b"".join(payload.body for payload in payloads).count(b"x") == 9000


def test_compressor_that_fails_leaves_the_body_as_it_is() -> None:
    def fail(body: bytes) -> bytes:
        raise OSError("no memory")

    batches = Batches(sketches_body, fail, 10, 1000, 1000)
    batches.add(b"entry")
    payload = batches.take()[0]
    assert (payload.content_encoding, payload.body) == ("", b"\x0a\x05entry")


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(1, 9), st.integers(1, 900), st.integers(50, 2000))
def test_batches_hold_every_entry_in_order(
    sizes: list[int], entries_max: int, bytes_max: int, compressed_max: int
) -> None:
    entries = [b"%d:" % index + b"x" * size for index, size in enumerate(sizes)]
    batches = Batches(b"".join, lambda body: body, entries_max, bytes_max, compressed_max)
    for entry in entries:
        batches.add(entry)
    payloads = batches.take()
    assert b"".join(payload.body for payload in payloads) == b"".join(entries)
    assert sum(payload.item_count for payload in payloads) == len(entries)
    assert all(payload.item_count <= entries_max for payload in payloads)


@given(st.dictionaries(st.text("ab:,é", max_size=4), st.text("xy:,", max_size=4), max_size=6))
def test_merged_tags_are_sorted_pairs_without_repetition(tags: dict[str, str]) -> None:
    merged = BaseTags(tags, ()).merged(b"a:own,b,c:d")
    pairs = [tuple(text.partition(":")[::2]) for text in json.loads(merged.json)]
    keys: Callable[[tuple[str, ...]], list[bytes]] = lambda pair: [part.encode() for part in pair]  # noqa: E731
    assert pairs == sorted(set(pairs), key=keys)
    assert {("a", "own"), ("b", ""), ("c", "d")} <= set(pairs)
