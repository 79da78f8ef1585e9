"""Losses are counted by kind and reason, and totals are what was added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thimble.core.drops import Drops
from thimble.core.payload import Payload


def test_nothing_lost_means_nothing_to_report() -> None:
    drops = Drops()
    drops.add("logs", "store_full", 0)
    assert drops.report() == []
    assert drops.total("logs") == 0


def test_each_kind_and_reason_has_one_part_in_the_order_of_first_loss() -> None:
    drops = Drops()
    drops.add("metrics", "context_limit", 2)
    drops.add("logs", "store_full", 3)
    drops.add("metrics", "bad_line", 1)
    drops.add("logs", "store_full", 4)
    assert drops.report() == ["2 metrics (context_limit)", "1 metrics (bad_line)", "7 logs (store_full)"]
    assert (drops.total("logs"), drops.total("metrics"), drops.total("traces")) == (7, 3, 0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(-5, 1000))))
def test_totals_are_the_sum_of_what_was_added(losses: list[tuple[str, str, int]]) -> None:
    drops = Drops()
    for kind, reason, count in losses:
        drops.add(kind, reason, count)
    for kind in "ab":
        assert drops.total(kind) == sum(count for lost, _, count in losses if lost == kind and count > 0)
    assert sum(int(part.split()[0]) for part in drops.report()) == drops.total("a") + drops.total("b")


def test_a_payload_begins_without_attempts_and_uncompressed() -> None:
    payload = Payload(b"[]", 0, 2)
    assert (payload.body, payload.item_count, payload.raw_bytes, payload.content_encoding, payload.attempts) == (
        b"[]", 0, 2, "", 0,
    )  # fmt: skip
    assert Payload(b"x", 1, 10, "zstd").content_encoding == "zstd"
