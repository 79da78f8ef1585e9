"""The tags that every metric gets at a flush, and what tags look like on the wire.

Merged tags are sorted by key and value and hold no pair twice; a metric's own tag never replaces a base tag of the same
key. Metrics of one flush mostly share their tags, so the encoded forms are kept for the next metric.
"""

from __future__ import annotations

from typing import Final

import orjson

from thimble.core.codec.protobuf import message_field

BASE_TAGS_MAX: Final = 100
CACHE_MAX: Final = 64
"""Encoded sets of tags that are kept at a time; a function sends few. All are forgotten when there are more."""

RESOURCE_KEY: Final = b"dd.internal.resource"
"""Key of a tag that names a resource, as `dd.internal.resource:<type>:<name>`."""

_TAGS_FIELD: Final = 4
_NO_CATEGORY: Final = -1
_LAMBDA: Final = 38
_ORIGINS: Final = {b"appservice": 35, b"cloudrun": 36, b"containerapp": 37, b"azurefunction": 71}

Pair = tuple[bytes, bytes]


class EncodedTags:
    """One merged set of tags.

    Attributes:
        json: The array of texts, without tags that name resources.
        resources_json: The array of resources.
        protobuf: The fields of a sketch, one per tag.
        category: Origin category of metrics with these tags, or -1.
    """

    def __init__(self, pairs: list[Pair], own: list[Pair]) -> None:
        resources: list[dict[str, str]] = []
        resource_pairs: list[Pair] = []
        for pair in own:
            kind, colon, name = pair[1].partition(b":")
            if pair[0] == RESOURCE_KEY and colon:
                resources.append({"name": name.decode(), "type": kind.decode()})
                resource_pairs.append(pair)
        texts = [_text(pair) for pair in pairs]
        shown = [_text(pair).decode() for pair in pairs if pair not in resource_pairs]
        self.json = orjson.dumps(shown)
        self.resources_json = orjson.dumps(resources)
        self.protobuf = b"".join([message_field(_TAGS_FIELD, text) for text in texts])
        self.category = _category(pairs)


class BaseTags:
    """Joins base tags and a metric's own.

    Args:
        tags: The static tags of the function.
        excluded: Keys that are left out, exactly as written.
    """

    def __init__(self, tags: dict[str, str], excluded: tuple[str, ...]) -> None:
        kept = [f"{key}:{value}" for key, value in tags.items() if key not in excluded]
        pairs = sorted(set(_pairs(",".join(kept).encode())))
        self.left_out = max(len(pairs) - BASE_TAGS_MAX, 0)
        """Base tags beyond the limit."""
        self._pairs = pairs[:BASE_TAGS_MAX]
        self._encoded: dict[bytes, EncodedTags] = {}

    def merged(self, own: bytes) -> EncodedTags:
        """Base tags and a metric's own, given in canonical form."""
        encoded = self._encoded.get(own)
        if encoded is None:
            own_pairs = _pairs(own)
            encoded = EncodedTags(sorted(set(self._pairs + own_pairs)), own_pairs)
            if len(self._encoded) >= CACHE_MAX:
                self._encoded.clear()
            self._encoded[own] = encoded
        return encoded

    def forget(self) -> None:
        """Give back what the encoded forms take."""
        self._encoded.clear()


def _pairs(text: bytes) -> list[Pair]:
    pairs: list[Pair] = []
    for piece in text.split(b","):
        key, _, value = piece.partition(b":")
        if key or value:
            pairs.append((key, value))
    return pairs


def _text(pair: Pair) -> bytes:
    return b"%b:%b" % pair if pair[1] else pair[0]


def _category(pairs: list[Pair]) -> int:
    category = _NO_CATEGORY
    for key, value in pairs:
        if key == b"function_arn":
            return _LAMBDA
        if key == b"origin" and category == _NO_CATEGORY:
            category = _ORIGINS.get(value, _NO_CATEGORY)
    return category
