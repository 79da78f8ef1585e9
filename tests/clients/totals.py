"""What the intake got, added up per metric and its own tags, in a form that a test can write down."""

from __future__ import annotations

import time
from typing import Any

from thimble.sandbox.intake import Intake

CLIENT_PREFIX = "datadog.dogstatsd.client."
"""What client libraries tell about themselves."""

UNTAGGED = "shop.plain"
"""A metric that clients send without tags: what it has are the extension's own."""

Total = tuple[Any, ...]


def count(value: float) -> Total:
    return ("count", value)


def gauge(value: float) -> Total:
    return ("gauge", value)


def distribution(*values: float, weight: int = 1) -> Total:
    """Number of samples, sum, least and greatest of values that count `weight` times each."""
    return ("distribution", len(values) * weight, sum(values) * weight, min(values), max(values))


def points(intake: Intake) -> list[tuple[str, list[str], int, Total]]:
    """Every accepted point in order of arrival: name, all tags, Unix time, total."""
    found: list[tuple[str, list[str], int, Total]] = []
    for received in intake.received:
        if not received.accepted:
            continue
        content: Any = received.content
        if received.product.name == "series":
            for entry in content["series"]:
                make = {1: count, 3: gauge}[entry["type"]]
                found.extend(
                    (entry["metric"], entry["tags"], point["timestamp"], make(point["value"]))
                    for point in entry["points"]
                )
        elif received.product.name == "sketches":
            for entry in content["sketches"]:
                for sketch in entry["dogsketches"]:
                    total = ("distribution", *(sketch.get(field, 0) for field in ("cnt", "sum", "min", "max")))
                    found.append((entry["metric"], entry["tags"], sketch["ts"], total))
    return found


def totals(intake: Intake, prefix: str = "shop.", base: set[str] | None = None) -> dict[str, Total]:
    """Add up what was accepted; of a gauge the last point stays.

    Args:
        prefix: Beginning of the names of interest.
        base: Tags that every metric of the function carries; None takes those of `UNTAGGED`.

    Returns:
        `name#tag,tag` (own tags, sorted) to `count`, `gauge` or `distribution`.
    """
    everything = points(intake)
    if base is None:
        base = next(set(tags) for name, tags, _, _ in everything if name == UNTAGGED)
    found: dict[str, Total] = {}
    for name, tags, _, total in sorted(everything, key=lambda point: point[2]):
        if not name.startswith(prefix):
            continue
        assert len(tags) == len(set(tags)), f"{name} has a tag twice: {tags}"
        assert base <= set(tags), f"{name} lacks the function's tags: {tags}"
        own = sorted(set(tags) - base)
        key = f"{name}#{','.join(own)}" if own else name
        found[key] = added(found.get(key), total)
    return found


def added(before: Total | None, total: Total) -> Total:
    """Two totals of one metric as one."""
    if before is None:
        return total
    assert before[0] == total[0], f"two kinds under one name: {before}, {total}"
    if total[0] == "gauge":
        return total
    if total[0] == "count":
        return count(before[1] + total[1])
    _, samples, amount, least, greatest = before
    return (
        "distribution",
        samples + total[1],
        amount + total[2],
        min(least, total[3]),
        max(greatest, total[4]),
    )


def shared_tags(intake: Intake, prefix: str = "shop.") -> set[str]:
    """Tags that all metrics of a name's beginning have."""
    return set.intersection(*(set(tags) for name, tags, _, _ in points(intake) if name.startswith(prefix)))


def samples(intake: Intake, name: str) -> int:
    """How many samples of a distribution arrived, whatever its tags."""
    return sum(total[1] for found, _, _, total in points(intake) if found == name)


def stamps(intake: Intake, name: str) -> set[int]:
    """Times of the points of a metric."""
    return {time for found, _, time, _ in points(intake) if found == name}


EVERYTHING: dict[str, Total] = {
    "shop.plain": count(1),
    "shop.orders#kind:book": count(5),
    "shop.orders#kind:pen,new": count(1),
    "shop.stock#depot:north": gauge(7.5),
    "shop.size#city:Zürich": distribution(1, 2.5, 40),
    "shop.load": distribution(*range(1000)),
    "shop.late": count(5),
    "shop.level": gauge(4.25),
    **{f"shop.item#item:{number}": count(3) for number in range(100)},
}
"""What the intake has of the program that all clients share, whatever the language and the way of sending."""

HISTOGRAMS: dict[str, Total] = {
    "shop.latency": distribution(3, 4),
    "shop.work": distribution(120, 80),
}
"""What it has besides with `THIMBLE_DOGSTATSD_HISTOGRAMS=distribution`; sets, events and checks never arrive."""

STAMPED = ("shop.late", "shop.level")
"""Metrics of that program that carry a time of their own."""


BY_WRAPPER: dict[str, Total] = {
    "shop.size#kind:book___pen": distribution(1, 2.5, 40),
    **{f"shop.item#item:{number}": distribution(number, number + 100) for number in range(100)},
}
"""What it has of the functions under Datadog's own wrappers, which know distributions only."""


def ten_minutes_ago() -> int:
    """A Unix time for them, at the start of a bucket of ten seconds."""
    return int(time.time()) // 10 * 10 - 600
