"""What the flusher knows of a destination: what is ready to be sent, and what an answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.http.connector import Progress

if TYPE_CHECKING:
    from thimble.core.payload import Payload
    from thimble.http.messages import Target

DELIVERED: Final = 0
RETRY: Final = 1
REFUSED: Final = 2
"""Final: the same bytes would be refused again."""


class Delivery:
    """One payload on its way to one destination.

    Args:
        sink: Who made it, and reads the answers.
        target: Where it goes.
        headers: All headers but the API key.
        payload: The body.
        api_key: A key of its own, be it empty, or None for the process's current key.
    """

    def __init__(
        self,
        sink: Sink,
        target: Target,
        headers: list[tuple[str, str]],
        payload: Payload,
        api_key: str | None = None,
    ) -> None:
        self.sink = sink
        self.target = target
        self.headers = headers
        self.payload = payload
        self.api_key = api_key
        self.number = 0
        """Place in the order in which data became ready: what waits is sent in that order."""
        self.progress = Progress()
        """Of the attempt that runs, or of the last one."""
        self.failure = ""
        """Why the last attempt of the flush under way failed, for a log line; "" before."""


class Sink:
    """One kind of data and its destinations."""

    kind: str = ""
    """The word in counts and log lines: `logs`, `metrics` ..."""

    attempts_per_flush: int = 3

    target_key: str = ""
    """`Target.key` of the main destination: while that is known to be down, nothing is taken. "" for: always take."""

    def take(self, is_final: bool) -> list[Delivery]:
        """Everything that is ready, oldest first; it is the caller's from now on."""
        raise AssertionError

    def judge(self, status: int) -> int:
        """What an answer means: `DELIVERED`, `RETRY` or `REFUSED`."""
        raise AssertionError


def judge_common(status: int) -> int:
    """Any 2xx is success; a 4xx that is not about load or time is final; the rest may be tried again."""
    if 200 <= status < 300:
        return DELIVERED
    if 400 <= status < 500 and status not in (408, 429):
        return REFUSED
    return RETRY
