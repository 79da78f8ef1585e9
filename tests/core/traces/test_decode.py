"""Payloads of tracers, versions 0.4 and 0.5: what is read, what is forgiven, what is refused."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.errors import InputError
from thimble.core.traces.decode import read_v04, read_v05
from thimble.core.traces.facts import PRIORITY, TraceFacts

V04 = bytes.fromhex(
    "91918ca773657276696365a3737663a46e616d65a26f70a87265736f75726365a3726573a874726163655f69640ba77370616e5f696416a9706172"
    "656e745f696400a57374617274cf17979cfe362a0000a86475726174696f6ecd1388a56572726f7201a46d65746181a16ba176a76d657472696373"
    "81a16dcb3ff0000000000000a474797065a3776562"
)
V05 = bytes.fromhex(
    "9298a0a3737663a26f70a3726573a16ba176a16da377656291919c0102030b1600cf17979cfe362a0000cd1388018104058106cb3ff00000000000"
    "0007"
)

KEPT_SPAN = {
    "service": "svc", "name": "aws.lambda", "resource": "res", "trace_id": 11, "span_id": 22, "parent_id": 0,
    "start": 1_700_000_000_000_000_000, "duration": 5000, "error": 1, "meta": {"request_id": "r1", "k": "v"},
    "metrics": {PRIORITY: 1.0, "m": 1.0}, "type": "web",
}  # fmt: skip


def v04(*chunks: list[Any]) -> TraceFacts:
    return read_v04(msgpack.packb(list(chunks)))


def is_read(span: Any) -> bool:
    """Whether a payload with this span is taken, and as the span of a kept trace of r1."""
    try:
        facts = v04([span])
    except InputError:
        return False
    assert facts.kept_requests == ["r1"]
    return True


def with_field(key: str, value: Any) -> dict[str, Any]:
    return KEPT_SPAN | {key: value}


def test_the_same_span_is_read_from_both_versions() -> None:
    for facts in (read_v04(V04), read_v05(V05)):
        assert (facts.span_count, facts.is_unnamed_kept, facts.kept_requests, facts.contexts) == (1, True, [], {})


@pytest.mark.parametrize("body", [b"\x90", b"\x91\x90", b"\x90 and more"])
def test_a_payload_without_spans_says_nothing(body: bytes) -> None:
    facts = read_v04(body)
    assert (facts.span_count, facts.is_unnamed_kept, facts.kept_requests) == (0, False, [])


def test_an_empty_pair_says_nothing() -> None:
    assert read_v05(b"\x92\x90\x90").span_count == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\x80", b"\xc0", b"\xdd\xff\xff\xff\xff", b"\x91", b"\x91\x91", V04[:-1]]
)
def test_what_is_no_payload_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        read_v04(body)


@pytest.mark.parametrize("body", [b"", b"\x90", b"\x93\x90\x90\x90", b"\x92\x80\x90", b"\x92\x91\xc0\x90", V05[:-1]])
def test_what_is_no_pair_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        read_v05(body)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, None) for key in ("service", "resource", "trace_id", "span_id", "parent_id", "start", "duration")],
        *[(key, None) for key in ("error", "type", "meta_struct", "span_links", "span_events")],
        ("duration", -5),
        ("duration", 5.5),
        ("duration", True),
        ("duration", 2**64 - 1),
        ("start", -(2**63)),
        ("trace_id", 2**64 - 1),
        ("error", -(2**31)),
        ("meta", {"a": None, "b": "x", "request_id": "r1"}),
        ("metrics", {"m": 3, "n": -(2**63), "o": 2**64 - 1}),
        ("name", b"aws.lambda"),
        (
            "zzz",
            {"a": [1, {"b": [None, True, b"\x00", 1.5, msgpack.ExtType(3, b"xy"), msgpack.ExtType(4, b"x" * 16)]}]},
        ),
        ("meta_struct", {"a": b"\x81", "b": [0, 255], "c": []}),
        ("span_links", [{"trace_id": 1, "span_id": 2, "attributes": {"a": "b"}}]),
        ("span_links", [{"trace_id": 1, "span_id": 2, "trace_id_high": 3, "tracestate": "x=y", "flags": 2**32 - 1}]),
        ("span_links", [{"trace_id": 1, "span_id": 2, "attributes": None, "tracestate": None, "new": [1]}]),
        ("span_events", [{"time_unix_nano": 5, "name": "e", "attributes": {"a": {"type": 0, "string_value": "q"}}}]),
        ("span_events", [{"attributes": {"b": {"type": 1, "bool_value": False}, "i": {"type": 2, "int_value": -1}}}]),
        ("span_events", [{"attributes": {"a": {"type": 4, "array_value": {"values": [{"double_value": 1.5}]}}}}]),
        ("span_events", [{}, {"name": None, "attributes": None, "new": {}}]),
    ],
)
def test_this_field_is_taken(key: str, value: Any) -> None:
    assert is_read(with_field(key, value))


def test_fields_that_are_nil_or_missing_have_their_defaults() -> None:
    for span in ({"name": None, "meta": None, "metrics": None}, {}):
        facts = v04([span])
        assert (facts.span_count, facts.is_unnamed_kept, facts.kept_requests) == (1, True, [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start", 1.5),
        ("start", 2**63),
        ("trace_id", -1),
        ("span_id", "22"),
        ("parent_id", 0.0),
        ("duration", "5"),
        ("error", 2**31),
        ("name", 5),
        ("resource", b"\xff"),
        ("metrics", {"m": None}),
        ("metrics", {"m": "1"}),
        ("meta", {"m": 3}),
        ("meta", [["a", "b"]]),
        ("meta", {5: "x"}),
        ("meta_struct", {"a": "text"}),
        ("meta_struct", {"a": [256]}),
        ("span_links", [{"trace_id": 1}]),
        ("span_links", [{"trace_id": None, "span_id": 2}]),
        ("span_links", [{"trace_id": 1, "span_id": 2, "flags": 2**32}]),
        ("span_links", [{"trace_id": 1, "span_id": 2, "attributes": {"a": 1}}]),
        ("span_events", [{"attributes": {"a": {"type": 5}}}]),
        ("span_events", [{"attributes": {"a": {"bool_value": 1}}}]),
        ("span_events", [{"attributes": {"a": {"array_value": {"values": [{"type": 4}]}}}}]),
        ("span_events", ["e"]),
    ],
)
def test_this_field_refuses_the_payload(key: str, value: Any) -> None:
    assert not is_read(with_field(key, value))


def test_a_field_of_another_type_of_float_is_a_number() -> None:
    body = msgpack.packb([[with_field("metrics", {PRIORITY: 7.0})]])
    assert body.count(b"\xcb" + struct.pack(">d", 7.0)) == 1
    for number, is_kept in ((2.5, True), (-1.0, False)):
        as_single = body.replace(b"\xcb" + struct.pack(">d", 7.0), b"\xca" + struct.pack(">f", number))
        assert read_v04(as_single).kept_requests == (["r1"] if is_kept else [])


def test_a_text_that_is_not_utf8_refuses_the_payload() -> None:
    body = msgpack.packb([[KEPT_SPAN]])
    with pytest.raises(InputError, match="not UTF-8"):
        read_v04(body.replace(b"\xa3svc", b"\xa3s\xff\xfe"))


def test_a_field_given_twice_refuses_the_payload_and_a_tag_given_twice_does_not() -> None:
    entry = msgpack.packb("name") + msgpack.packb("n")
    with pytest.raises(InputError, match="two fields 'name'"):
        read_v04(b"\x91\x91\x82" + entry + entry)
    key, nil = msgpack.packb("request_id"), b"\xc0"
    first, last = msgpack.packb("r1"), msgpack.packb("r2")
    name = msgpack.packb("name") + msgpack.packb("aws.lambda") + msgpack.packb("meta")
    assert read_v04(b"\x91\x91\x82" + name + b"\x82" + key + first + key + last).kept_requests == ["r2"]
    assert read_v04(b"\x91\x91\x82" + name + b"\x82" + key + first + key + nil).kept_requests == []


def test_a_span_may_be_an_array_of_its_fields_in_order() -> None:
    fields = ["svc", "aws.lambda", "res", 11, 22, 0, 1, 5, 0, {"request_id": "r1"}, {PRIORITY: 1}, "web", {}, [], []]
    assert v04([fields]).kept_requests == ["r1"]
    assert v04([fields[:10]]).kept_requests == ["r1"]
    with pytest.raises(InputError):
        v04([[*fields, 1]])


def test_an_unknown_field_may_be_nested_deep_and_not_without_end() -> None:
    for depth, is_fine in ((900, True), (1100, False)):
        body = b"\x91\x91\x81" + msgpack.packb("zzz") + b"\x91" * depth + b"\x01"
        if is_fine:
            assert read_v04(body).span_count == 1
        else:
            with pytest.raises(InputError, match="nested"):
                read_v04(body)


def v05(span: list[Any], strings: tuple[str, ...] = ("", "aws.lambda", "request_id", "r1", PRIORITY)) -> TraceFacts:
    return read_v05(msgpack.packb([list(strings), [[span]]]))


INDEXED = [0, 1, 0, 11, 22, 0, 1, -5, 1, {2: 3}, {4: 1.0}, 0]


def changed(position: int, value: Any) -> list[Any]:
    return [*INDEXED[:position], value, *INDEXED[position + 1 :]]


def test_a_span_of_indexes_is_read() -> None:
    assert v05(INDEXED).kept_requests == ["r1"]
    assert v05(changed(10, {4: 0})).kept_requests == []
    assert v05(changed(10, {4: -(2**63)})).kept_requests == []


@pytest.mark.parametrize(
    "span",
    [INDEXED[:11], [*INDEXED, 0], changed(0, 5), changed(0, -1), changed(1, None), changed(3, -1), changed(6, 1.5),
     changed(9, {2: 5}), changed(9, {"x": 3}), changed(10, {4: None}), changed(10, {9: 1.0}), changed(11, "web")],
)  # fmt: skip
def test_a_span_of_wrong_indexes_refuses_the_payload(span: list[Any]) -> None:
    with pytest.raises(InputError):
        v05(span)


def test_a_single_float_refuses_a_payload_of_version_5() -> None:
    body = msgpack.packb([["", PRIORITY], [[[0, 0, 0, 1, 1, 0, 0, 0, 0, {}, {1: 7.0}, 0]]]])
    with pytest.raises(InputError):
        read_v05(body.replace(b"\xcb" + struct.pack(">d", 7.0), b"\xca" + struct.pack(">f", 7.0)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from([*KEPT_SPAN, "meta_struct", "span_links", "span_events", "more"])


@given(st.lists(st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3), max_size=3), st.data())
def test_any_payload_is_read_or_refused_and_never_more(chunks: list[Any], data: st.DataObject) -> None:
    body = msgpack.packb(chunks)
    cut = data.draw(st.integers(0, len(body)))
    for read in (read_v04, read_v05):
        for part in (body, body[:cut]):
            try:
                facts = read(part)
            except InputError:
                continue
            assert facts.span_count <= sum(map(len, chunks))


@given(st.lists(st.dictionaries(st.text(max_size=40), VALUES.filter(lambda value: value is not None), max_size=20)))
def test_every_value_that_a_library_writes_is_skipped_whole(fields: list[dict[str, Any]]) -> None:
    spans = [{f"x{key}": value for key, value in each.items()} for each in fields]
    facts = read_v04(msgpack.packb([spans, [KEPT_SPAN]]))
    assert facts.span_count == len(spans) + 1
    assert facts.kept_requests == ["r1"]
