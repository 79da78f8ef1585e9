"""Decompression and decoding, against bytes made by other libraries."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from thimble.sandbox import decode as decoding
from thimble.sandbox.decode import DecodeError, count_items, decode, decompress, trace_chunks
from thimble.sandbox.products import JSON, RAW, SKETCHES, STATS, TRACES
from thimble.sandbox.schemas import MESSAGES, UNKNOWN, decode_message, message_class

from . import vectors


@pytest.mark.parametrize("encoding", ["", "identity", "zstd", "gzip", "deflate", "ZSTD"])
@pytest.mark.parametrize("raw", [b"", b"[]", b"a" * 3_000_000], ids=["empty", "short", "long"])
def test_every_encoding_gives_back_what_was_compressed(encoding: str, raw: bytes) -> None:
    assert decompress(vectors.compress(raw, encoding.lower()), encoding) == raw


def test_frames_one_after_the_other_are_one_body() -> None:
    two = zstandard.compress(b"[1,") + zstandard.compress(b"2]")
    assert decompress(two, "zstd") == b"[1,2]"


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "deflate"])
def test_data_cut_anywhere_is_a_problem_and_never_shorter_data(encoding: str) -> None:
    whole = vectors.compress(bytes(range(256)) * 20, encoding)
    for length in range(1, len(whole)):
        with pytest.raises(DecodeError):
            decompress(whole[:length], encoding)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "RAW_BYTES_MAX", 4_000_000)
    assert len(decompress(zstandard.compress(b"0" * 4_000_000), "zstd")) == 4_000_000
    for encoding in ("zstd", "gzip", "deflate"):
        with pytest.raises(DecodeError, match="more than 4000000 bytes"):
            decompress(vectors.compress(b"0" * 4_000_001, encoding), encoding)


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(DecodeError, match="'br'"):
        decompress(b"x", "br")


def test_a_sketches_payload_is_read_as_published() -> None:
    content = decode(vectors.SKETCHES, SKETCHES)
    assert content == {
        "sketches": [
            {
                "metric": "aws.lambda.enhanced.invocations",
                "tags": [
                    "cold_start:true",
                    "env:lab",
                    "function_arn:arn:aws:lambda:eu-west-3:210987654321:function:orders",
                ],
                "dogsketches": [
                    {
                        "ts": 1712345670,
                        "cnt": 1,
                        "min": 1.0,
                        "max": 1.0,
                        "avg": 1.0,
                        "sum": 1.0,
                        "k": [1338],
                        "n": [1],
                    }
                ],
                "metadata": {"origin": {"origin_product": 1, "origin_category": 38, "origin_service": 473}},
            }
        ]
    }
    assert count_items(content, SKETCHES) == 1


def test_a_traces_payload_is_read_as_published() -> None:
    content = decode(vectors.TRACES, TRACES)
    (payload,) = content["tracerPayloads"]
    assert payload["tags"] == {"_dd.tags.function": "functionname:fn"}
    assert (payload["languageName"], payload["tracerVersion"], payload["env"]) == ("python", "3.0.0", "qa")
    (chunk,) = trace_chunks(content)
    assert (chunk["priority"], chunk["origin"]) == (1, "lambda")
    (span,) = chunk["spans"]
    assert (span["traceID"], span["spanID"], span["meta"], span["metrics"]) == (11, 22, {"k": "v"}, {"m": 1.0})
    assert content["targetTPS"] == 60.0
    assert count_items(content, TRACES) == 1


def test_a_stats_payload_is_read_down_to_its_sketches() -> None:
    group = {"Service": "svc", "Hits": 3, "OkSummary": vectors.DURATION_SKETCH, "ErrorSummary": b""}
    raw = msgpack.packb({"Stats": [{"Env": "qa", "Stats": [{"Start": 1, "Duration": 2, "Stats": [group]}]}]})
    content = decode(raw, STATS)
    read = content["Stats"][0]["Stats"][0]["Stats"][0]
    assert read["OkSummary"]["positiveValues"] == {
        "contiguousBinCounts": [1.0, 1.0, 1.0],
        "contiguousBinIndexOffset": 2229,
    }
    assert read["OkSummary"]["mapping"] == {"gamma": 1.015625, "indexOffset": 1338.5}
    assert read["ErrorSummary"] == b""
    assert count_items(content, STATS) == 1


def test_a_field_outside_the_table_is_reported() -> None:
    extra = message_class("Metadata")()
    extra.ParseFromString(b"\x0a\x02\x20\x01")
    sketch = message_class("Sketch")(metric="m")
    data = sketch.SerializeToString() + b"\x98\x06\x07"
    assert decode_message("Sketch", data) == {"metric": "m", UNKNOWN: [99]}


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_of_the_tables_can_be_built_and_read_empty(kind: str) -> None:
    assert decode_message(kind, message_class(kind)().SerializeToString()) == {}


@given(st.binary(max_size=200), st.sampled_from([JSON, SKETCHES, TRACES, STATS, RAW]))
def test_any_bytes_decode_or_raise_the_one_error(raw: bytes, reading: str) -> None:
    with contextlib.suppress(DecodeError):
        assert count_items(decode(raw, reading), reading) >= 0


@given(st.binary(max_size=200), st.sampled_from(["", "zstd", "gzip", "deflate"]))
def test_any_bytes_decompress_or_raise_the_one_error(body: bytes, encoding: str) -> None:
    with contextlib.suppress(DecodeError):
        assert len(decompress(body, encoding)) >= 0
