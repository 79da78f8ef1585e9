"""Protobuf, written by hand: each function gives one field as bytes; a message is its fields joined in their order.

As in proto3, a scalar that is zero and a text that is empty are left out: the field is then b"". Negative zero counts
as zero.

Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2


def varint(value: int) -> bytes:
    """Encode an integer in 0..2**64-1, seven bits a byte, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def uint_field(number: int, value: int) -> bytes:
    """A field of type int64, uint32 or enum; not negative."""
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


def double_field(number: int, value: float) -> bytes:
    """A field of type double."""
    if value == 0.0:
        return b""
    cell = bytearray(8)
    memoryview(cell).cast("d")[0] = value  # the machines of Lambda are little-endian, as the format is
    return varint(number << 3 | _FIXED64) + bytes(cell)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field of type string or bytes, or packed numbers; left out when empty."""
    return message_field(number, value) if value else b""


def message_field(number: int, value: bytes) -> bytes:
    """A message, or one of repeated strings: kept even when it is empty."""
    return varint(number << 3 | _LENGTH) + varint(len(value)) + value


def packed_uint32(values: list[int]) -> bytes:
    """The content of a packed field of type uint32."""
    return b"".join([varint(value) for value in values])


def packed_sint32(values: list[int]) -> bytes:
    """The content of a packed field of type sint32: small negative numbers stay short."""
    return b"".join([varint(value << 1 if value >= 0 else -(value << 1) - 1) for value in values])
