"""Distributions as protobuf for the sketches intake (`POST /api/beta/sketches`).

Source: specification of metrics, "Sketches protobuf" (message SketchPayload).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.protobuf import bytes_field, double_field, message_field, uint_field
from thimble.core.metrics.origin import origin_protobuf, service_of

if TYPE_CHECKING:
    from thimble.core.metrics.base_tags import EncodedTags

_METRIC: Final = 1
_DOGSKETCHES: Final = 7

Contents = tuple[int, float, float, float, float, bytes, bytes]
"""Count, minimum, maximum, average, sum, packed keys, packed counts; as the store gives them."""


def dogsketch(bucket_s: int, contents: Contents) -> bytes:
    """The message Dogsketch: one sketch at one time (Unix seconds)."""
    count, minimum, maximum, average, total, keys, counts = contents
    return b"".join(
        (
            uint_field(1, bucket_s),
            uint_field(2, count),
            double_field(3, minimum),
            double_field(4, maximum),
            double_field(5, average),
            double_field(6, total),
            bytes_field(7, keys),
            bytes_field(8, counts),
        )
    )


def sketch_entry(name: bytes, bucket_s: int, contents: Contents, tags: EncodedTags) -> bytes:
    """The message Sketch of one context."""
    return b"".join(
        (
            bytes_field(_METRIC, name),
            tags.protobuf,
            message_field(_DOGSKETCHES, dogsketch(bucket_s, contents)),
            origin_protobuf(tags.category, service_of(name)),
        )
    )


def sketches_body(entries: list[bytes]) -> bytes:
    """The request body of a batch: the message SketchPayload."""
    return b"".join([message_field(1, entry) for entry in entries])
