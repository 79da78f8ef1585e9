"""Counts and gauges as JSON for the series intake.

Source: Datadog API reference, "Submit metrics" (`POST /api/v2/series`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from thimble.core.metrics.origin import origin_json, service_of

if TYPE_CHECKING:
    from thimble.core.metrics.base_tags import EncodedTags

COUNT_TYPE: Final = 1
GAUGE_TYPE: Final = 3
"""The intake's codes. The reference sends 0 (unspecified) for a count and 1 (count) for a gauge."""


def series_entry(name: bytes, series_type: int, bucket_s: int, value: float, tags: EncodedTags) -> bytes:
    """One series with its one point.

    Args:
        name: UTF-8.
        series_type: `COUNT_TYPE` or `GAUGE_TYPE`.
        bucket_s: Unix seconds.
        value: Finite.
    """
    return b"".join(
        (
            b'{"metric":',
            orjson.dumps(name.decode()),
            b',"points":[{"timestamp":%d,"value":' % bucket_s,
            orjson.dumps(value),
            b'}],"resources":',
            tags.resources_json,
            b',"type":%d,"tags":' % series_type,
            tags.json,
            b',"metadata":',
            origin_json(tags.category, service_of(name)),
            b"}",
        )
    )


def series_body(entries: list[bytes]) -> bytes:
    """The request body of a batch."""
    return b'{"series":[%b]}' % b",".join(entries)
