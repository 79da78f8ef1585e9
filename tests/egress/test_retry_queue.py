"""What waits for another try: bounded in bytes and tries per kind of data, in the order it became ready."""

from __future__ import annotations

import random

from thimble.core.drops import Drops
from thimble.core.limits import REDRIVES_MAX, RETRY_BYTES_MAX
from thimble.core.payload import Payload
from thimble.http.messages import parse_url
from thimble.shell.retry import RetryQueue
from thimble.sinks.sink import Delivery, Sink


def sink_of(kind: str) -> Sink:
    sink = Sink()
    sink.kind = kind
    return sink


def delivery(number: int, size: int = 10, kind: str = "logs") -> Delivery:
    made = Delivery(sink_of(kind), parse_url("https://intake.example.com/"), [], Payload(b"x" * size, 3, size, ""))
    made.number = number
    return made


def numbers(queue: RetryQueue) -> list[int]:
    return [waiting.number for waiting in queue.take_all()]


def test_what_failed_in_any_order_is_taken_in_the_order_it_became_ready() -> None:
    queue = RetryQueue(Drops())
    order = list(range(1, 50))
    random.Random(7).shuffle(order)
    for number in order:
        queue.put(delivery(number), True)
    assert numbers(queue) == sorted(order)
    assert numbers(queue) == []


def test_the_queue_holds_its_limit_and_drops_the_oldest_beyond_it() -> None:
    drops = Drops()
    queue = RetryQueue(drops, 100)
    for number in range(1, 11):
        queue.put(delivery(number, 10), False)
    assert (len(queue), drops.total("logs")) == (10, 0)
    queue.put(delivery(11, 1), False)
    assert drops.report() == ["3 logs (retry_queue_full)"]
    assert numbers(queue) == list(range(2, 12))


def test_an_old_delivery_that_comes_back_late_is_the_first_to_go() -> None:
    drops = Drops()
    queue = RetryQueue(drops, 20)
    for number in (2, 3, 1):
        queue.put(delivery(number, 10), False)
    assert numbers(queue) == [2, 3]
    assert drops.total("logs") == 3


def test_each_kind_of_data_has_the_limit_to_itself() -> None:
    drops = Drops()
    queue = RetryQueue(drops, 20)
    for number in (1, 2):
        queue.put(delivery(number, 10, "logs"), False)
        queue.put(delivery(number, 10, "metrics"), False)
    assert len(queue) == 4
    queue.put(delivery(3, 10, "metrics"), False)
    assert drops.report() == ["3 metrics (retry_queue_full)"]


def test_a_payload_larger_than_the_limit_is_counted() -> None:
    drops = Drops()
    queue = RetryQueue(drops, 20)
    queue.put(delivery(1, 21), False)
    assert len(queue) == 0
    assert drops.total("logs") == 3


def test_bytes_that_were_taken_make_room() -> None:
    drops = Drops()
    queue = RetryQueue(drops, 20)
    for _ in range(5):
        queue.put(delivery(1, 20), False)
        assert numbers(queue) == [1]
    assert drops.report() == []


def test_a_payload_is_tried_so_often_and_then_counted_as_lost() -> None:
    drops = Drops()
    queue = RetryQueue(drops)
    one = delivery(1)
    for _ in range(REDRIVES_MAX):
        queue.put(one, True)
        assert queue.take_all() == [one]
    queue.put(one, True)
    assert len(queue) == 0
    assert drops.report() == ["3 logs (undeliverable)"]


def test_a_try_that_the_peer_had_no_part_in_does_not_count() -> None:
    queue = RetryQueue(Drops())
    one = delivery(1)
    for _ in range(REDRIVES_MAX * 3):
        queue.put(one, False)
        assert queue.take_all() == [one]


def test_the_limit_is_the_one_of_the_specification() -> None:
    assert RETRY_BYTES_MAX == 10 * 1024 * 1024
    assert REDRIVES_MAX == 3
