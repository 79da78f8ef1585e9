"""Payloads that could not be sent yet: a bounded queue per sink, oldest first, emptied by the next flush."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thimble.core.limits import REDRIVES_MAX, RETRY_BYTES_MAX

if TYPE_CHECKING:
    from thimble.core.drops import Drops
    from thimble.sinks.sink import Delivery


class RetryQueue:
    """Deliveries of all sinks that wait for another try.

    Args:
        drops: Counts what does not fit or was tried too often.
        bytes_max: Limit per kind of data; the oldest of that kind go first.
    """

    def __init__(self, drops: Drops, bytes_max: int = RETRY_BYTES_MAX) -> None:
        self._drops = drops
        self._bytes_max = bytes_max
        self._waiting: list[Delivery] = []
        self._bytes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, delivery: Delivery, is_attempt: bool) -> None:
        """Keep a delivery for the next flush.

        Args:
            is_attempt: Whether the peer had its chance. A delivery that time ran out for, or that was frozen on its
                way, has not been tried.
        """
        if is_attempt:
            delivery.payload.attempts += 1
            if delivery.payload.attempts > REDRIVES_MAX:
                self._drops.add(delivery.sink.kind, "undeliverable", delivery.payload.item_count)
                return
        place = len(self._waiting)
        while place and self._waiting[place - 1].number > delivery.number:
            place -= 1  # deliveries fail in any order
        self._waiting.insert(place, delivery)
        kind = delivery.sink.kind
        size = self._bytes.get(kind, 0) + len(delivery.payload.body)
        while size > self._bytes_max:
            oldest = next(waiting for waiting in self._waiting if waiting.sink.kind == kind)
            self._waiting.remove(oldest)
            size -= len(oldest.payload.body)
            self._drops.add(kind, "retry_queue_full", oldest.payload.item_count)
        self._bytes[kind] = size

    def take_all(self) -> list[Delivery]:
        """All deliveries, oldest first; the queue is empty afterwards."""
        waiting, self._waiting = self._waiting, []
        self._bytes.clear()
        return waiting
