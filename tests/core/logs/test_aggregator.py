"""Payloads of log entries: limits, order, truncation, the bound of the store."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.logs.support import Path, event, start
from thimble.core.drops import Drops
from thimble.core.logs.aggregator import LogAggregator
from thimble.core.logs.entries import cut_json_text, json_text


def aggregator(
    entries_max: int = 1000, payload_bytes_max: int = 100, store_bytes_max: int = 1 << 20
) -> tuple[LogAggregator, Drops]:
    drops = Drops()
    return LogAggregator(entries_max, payload_bytes_max, store_bytes_max, None, drops), drops


@pytest.mark.parametrize(
    ("entries", "entries_max", "payload_bytes_max", "bodies"),
    [
        ([b"aaaa", b"bbbb", b"cccc", b"dddd"], 3, 100, [b"[aaaa,bbbb,cccc]", b"[dddd]"]),
        ([b"aaaa", b"bbbb", b"cccc"], 1000, 10, [b"[aaaa]", b"[bbbb]", b"[cccc]"]),
        ([b"aaaa", b"bbbb", b"cccc"], 1000, 11, [b"[aaaa,bbbb]", b"[cccc]"]),
        ([], 1000, 10, []),
        ([b"a" * 8], 1000, 10, [b"[" + b"a" * 8 + b"]"]),
    ],
)
def test_payloads_hold_as_much_as_the_limits_allow(
    entries: list[bytes], entries_max: int, payload_bytes_max: int, bodies: list[bytes]
) -> None:
    logs, drops = aggregator(entries_max, payload_bytes_max)
    for entry in entries:
        logs.add(b"", entry, b"")
    payloads = logs.take()
    assert [payload.body for payload in payloads] == bodies
    assert sum(payload.item_count for payload in payloads) == len(entries)
    assert [payload.raw_bytes for payload in payloads] == [len(body) for body in bodies]
    assert drops.report() == []
    assert logs.take() == []


def test_entry_of_the_size_of_a_payload_is_truncated_to_fit() -> None:
    logs, drops = aggregator(payload_bytes_max=10)
    logs.add(b"<", b'"abcdef"', b">")
    assert [payload.body for payload in logs.take()] == [b'[<"abcd">]']
    assert drops.report() == []


def test_entry_whose_tags_alone_are_too_large_is_dropped_and_counted() -> None:
    logs, drops = aggregator(payload_bytes_max=10)
    logs.add(b"<<<<<", b'"abcdef"', b">>>>>")
    assert logs.take() == []
    assert drops.report() == ["1 logs (entry_too_large)"]


@given(st.text(), st.integers(2, 40))
def test_shortened_text_is_a_beginning_of_the_text(text: str, size_max: int) -> None:
    whole = json_text(text)
    cut = cut_json_text(whole, size_max)
    shortened = json.loads(cut)
    assert text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").startswith(shortened)
    assert len(cut) <= size_max
    if len(whole) > size_max and len(shortened) < len(text):
        longer = json_text(text[: len(shortened) + 1])
        assert len(longer) > size_max


def test_store_drops_its_oldest_payload_and_counts_the_entries() -> None:
    logs, drops = aggregator(entries_max=2, payload_bytes_max=100, store_bytes_max=25)
    for number in range(6):
        logs.add(b"", b"entry%d" % number, b"")
    assert [payload.body for payload in logs.take()] == [b"[entry4,entry5]"]
    assert drops.report() == ["4 logs (store_full)"]


def test_everything_that_was_made_is_counted_before_compression_and_before_what_is_dropped() -> None:
    logs = LogAggregator(2, 100, 12, lambda body: body[:10], Drops())
    for size in (30, 40, 50):
        logs.add(b"", b"x" * size, b"")
    logs.take()
    assert (logs.entries_made, logs.bytes_made) == (3, 30 + 40 + 3 + 50 + 2)


def test_payload_is_compressed_once_full_and_says_so() -> None:
    drops = Drops()
    compressed: list[int] = []

    def compress(body: bytes) -> bytes:
        compressed.append(len(body))
        return zlib.compress(body)

    logs = LogAggregator(2, 1000, 1 << 20, compress, drops)
    logs.add(b"", b"a" * 100, b"")
    assert compressed == []
    logs.add(b"", b"b" * 100, b"")
    assert compressed == [203]
    assert logs.held_bytes < 100
    [payload] = logs.take()
    assert zlib.decompress(payload.body) == b"[" + b"a" * 100 + b"," + b"b" * 100 + b"]"
    assert (payload.content_encoding, payload.raw_bytes, payload.item_count) == ("zstd", 203, 2)


def test_failed_compression_sends_the_bytes_as_they_are() -> None:
    def compress(body: bytes) -> bytes:
        raise ValueError("no")

    logs = LogAggregator(2, 1000, 1 << 20, compress, Drops())
    logs.add(b"", b"entry", b"")
    [payload] = logs.take()
    assert (payload.body, payload.content_encoding) == (b"[entry]", "")


def test_line_larger_than_a_payload_is_truncated_and_its_neighbours_stay() -> None:
    path = Path(payload_bytes_max=2000)
    path.ingest(start(), event("function", "a"), event("function", "é" * 3000), event("function", {"m": "x" * 3000}))
    path.ingest(event("function", "b"))
    bodies = path.bodies()
    assert all(len(body) <= 2000 for body in bodies)
    texts = [entry["message"]["message"] for body in bodies for entry in json.loads(body)]
    assert texts[1] == "a"
    assert texts[2] == "é" * len(texts[2])
    assert len(texts[2]) > 700
    assert texts[3].startswith('{"m":"xxx')
    assert texts[4] == "b"
    assert path.drops.total("logs") == 0


def test_orphans_are_bounded_and_leave_oldest_first_without_id() -> None:
    path = Path()
    path.ingest(*[event("function", f"line {number}") for number in range(1001)])
    assert path.lines() == [("line 0", None, "info")]
    path.ingest(start())
    assert path.texts()[1:] == [f"line {number}" for number in range(1, 1001)]
    path.ingest(event("platform.runtimeDone", {"requestId": "x", "status": "success"}))
    path.bodies()
    path.ingest(*[event("function", "y" * 1024) for _ in range(1100)])
    assert 75 < len(path.lines()) < 1100 - 800


def test_memory_stays_flat_when_nothing_is_ever_taken() -> None:
    drops = Drops()
    logs = LogAggregator(1000, 5_242_880, 50_000, zlib.compress, drops)
    entries = [b'{"message":"%d"}' % number + b" " * 300 for number in range(1000)]

    def add_all() -> None:
        for entry in entries:
            logs.add(b"", entry, b"")

    tracemalloc.start()
    try:
        for _ in range(50):
            add_all()
        _, after_few = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(50):
            add_all()
        _, after_many = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after_many <= after_few + 50_000
    kept = sum(payload.item_count for payload in logs.take())
    assert kept + drops.total("logs") == 100_000
