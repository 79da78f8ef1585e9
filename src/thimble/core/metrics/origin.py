"""Which product a metric is counted for: told from its name and its tags.

The numbers are those of Datadog's intake. JSON calls the category `origin_sub_product` and the service
`origin_product_detail`; the protobuf form calls them category and service.
"""

from __future__ import annotations

from typing import Final

from thimble.core.codec.protobuf import message_field, uint_field

SERVERLESS: Final = 1
CUSTOM: Final = 472
ENHANCED: Final = 473
RUNTIME: Final = 474
NONE: Final = -1

_ENHANCED_PREFIXES: Final = (b"aws.lambda", b"gcp.run", b"azure.functions")
_METADATA_FIELD: Final = 8


def service_of(name: bytes) -> int:
    """`CUSTOM`, `ENHANCED` or `RUNTIME`, or `NONE` for Datadog's own metrics."""
    if name.startswith(b"datadog."):
        return NONE
    if name.startswith((b"jvm.", b"runtime.")):
        return RUNTIME
    return ENHANCED if b".".join(name.split(b".", 2)[:2]) in _ENHANCED_PREFIXES else CUSTOM


def origin_json(category: int, service: int) -> bytes:
    """The value of `metadata` in a series entry; a category or service below 0 gives `null`."""
    if category < 0 or service < 0:
        return b"null"
    return b'{"origin":{"origin_product":%d,"origin_sub_product":%d,"origin_product_detail":%d}}' % (
        SERVERLESS,
        category,
        service,
    )


def origin_protobuf(category: int, service: int) -> bytes:
    """The field `metadata` of a sketch, or nothing."""
    if category < 0 or service < 0:
        return b""
    origin = uint_field(4, SERVERLESS) + uint_field(5, category) + uint_field(6, service)
    return message_field(_METADATA_FIELD, message_field(1, origin))
