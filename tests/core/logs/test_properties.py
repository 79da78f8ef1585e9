"""What holds for every body."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.core.logs.bodies import batches, damaged, events, joined
from tests.core.logs.support import Path


def outcome(path: Path, *bodies: bytes) -> tuple[object, ...]:
    answered = []
    for body in bodies:
        answered += [(event.kind, event.time_ms, event.request_id) for event in path.processor.ingest(body, 0)]
    path.processor.release_held()
    return answered, path.entries(), path.drops.report(), path.processor.skipped_events


@given(st.binary(max_size=300) | damaged(), st.booleans())
def test_no_bytes_raise_and_every_payload_is_json(body: bytes, managed: bool) -> None:
    path = Path(managed_instance=managed)
    path.processor.ingest(body, 0)
    path.processor.ingest(body, 0)
    path.processor.release_held()
    assert isinstance(path.entries(), list)


@given(batches(), st.data())
def test_where_a_batch_is_split_changes_nothing(batch: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(batch)))
    assert outcome(Path(), joined(batch)) == outcome(Path(), joined(batch[:place]), joined(batch[place:]))


@given(st.lists(batches(), max_size=4), st.integers(1, 5), st.integers(700, 2000))
def test_events_in_are_entries_out_and_counted_losses(bodies: list[list[bytes]], entries_max: int, size: int) -> None:
    path = Path(entries_max=entries_max, payload_bytes_max=size, store_bytes_max=4000)
    silent = told = 0
    for batch in bodies:
        for event in path.processor.ingest(joined(batch), 0):
            told += event.kind == "out_of_memory"
            silent += event.kind == "platform.extension"
    path.processor.release_held()
    sent = 0
    for payload in path.aggregator.take():
        assert len(payload.body) <= size
        count = len(json.loads(payload.body))
        assert 1 <= count == payload.item_count <= entries_max
        sent += count
    total = sum(len(batch) for batch in bodies)
    assert sent + path.drops.total("logs") + path.processor.skipped_events == total


@given(events(), st.data())
def test_whole_events_around_a_damaged_one_always_arrive(event: dict[str, object], data: st.DataObject) -> None:
    good = b'{"time":"2025-03-14T09:30:45.123Z","type":"extension","record":"good"}'
    bad = bytearray(json.dumps(event).encode())
    place = data.draw(st.integers(0, len(bad) - 1))
    bad[place : place + 1] = data.draw(st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b"\x01"]))
    path = Path()
    path.processor.ingest(b"[" + b",".join([good, good, bytes(bad), good, good]) + b"]", 0)
    path.processor.release_held()
    assert path.texts().count("good") == 4
