"""How the local intake misbehaves, per product and changeable at any moment.

A behaviour is an HTTP status (`503`), or one of the words of `CUTS`. The next scripted behaviour of a product is used
up by the next request; when the script is empty the standing behaviour applies; without one the intake is well.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .products import PRODUCT_NAMES

CLOSE: Final = "close"
TRUNCATE: Final = "truncate"
RESET: Final = "reset"
RESET_EARLY: Final = "reset-early"
HANG: Final = "hang"
GARBAGE: Final = "garbage"

CUTS: Final = {
    CLOSE: "read the request, then close the connection without an answer",
    TRUNCATE: "send half an answer, then close the connection",
    RESET: "read the request, then reset the connection",
    RESET_EARLY: "reset the connection after the headers, before the body was read",
    HANG: "read the request and never answer",
    GARBAGE: "answer with bytes that are no HTTP",
}
"""Behaviours that are no status, each with what the intake does."""

ALL: Final = "all"
"""Stands for every product. What is set for one product goes before what is set for all."""

SCRIPT_MAX: Final = 100_000
"""Behaviours waiting in one script; more is a programmer's mistake and raises."""

Behaviour = int | str


class Faults:
    """The misbehaviour of one intake; a fresh one has none."""

    def __init__(self) -> None:
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._standing: dict[str, Behaviour] = {}
        self._latency_ms: dict[str, float] = {}

    def script(self, product: str, *behaviours: Behaviour) -> None:
        """Append behaviours that the next requests of `product` meet, one each, in this order."""
        script = self._scripts.setdefault(_known(product), deque())
        script.extend(checked_behaviour(behaviour) for behaviour in behaviours)
        if len(script) > SCRIPT_MAX:
            raise ValueError(f"more than {SCRIPT_MAX} behaviours wait for {product!r}")

    def always(self, product: str, behaviour: Behaviour) -> None:
        """Let every request of `product` meet this behaviour, once its script is used up."""
        self._standing[_known(product)] = checked_behaviour(behaviour)

    def slow(self, product: str, latency_ms: float) -> None:
        """Wait so many milliseconds before each answer of `product`, whatever the answer is."""
        if latency_ms < 0:
            raise ValueError(f"a latency of {latency_ms} ms is below 0")
        self._latency_ms[_known(product)] = latency_ms

    def clear(self, product: str = ALL) -> None:
        """Be well again: for one product, or for everything."""
        for table in (self._scripts, self._standing, self._latency_ms):
            if product == ALL:
                table.clear()
            else:
                table.pop(_known(product), None)

    def next_behaviour(self, product: str) -> Behaviour | None:
        """Take the behaviour that the present request meets; `None` means a healthy answer."""
        for name in (product, ALL):
            script = self._scripts.get(name)
            if script:
                return script.popleft()
            if name in self._standing:
                return self._standing[name]
        return None

    def latency_ms(self, product: str) -> float:
        """Return how long the answer of `product` is held back."""
        return self._latency_ms.get(product, self._latency_ms.get(ALL, 0.0))


def checked_behaviour(behaviour: Behaviour) -> Behaviour:
    """Return a behaviour, text such as `"503"` as a number; raises ValueError for anything that is none."""
    if isinstance(behaviour, str) and behaviour.isdigit():
        behaviour = int(behaviour)
    if isinstance(behaviour, int) and 200 <= behaviour <= 599:
        return behaviour
    if isinstance(behaviour, str) and behaviour in CUTS:
        return behaviour
    raise ValueError(f"{behaviour!r} is no behaviour: give a status from 200 to 599, or one of {', '.join(CUTS)}")


def _known(product: str) -> str:
    if product != ALL and product not in PRODUCT_NAMES:
        raise ValueError(f"{product!r} is no product: give one of {', '.join((ALL, *PRODUCT_NAMES))}")
    return product
