"""Reading MessagePack bit by bit, without making an object of what nobody needs.

A payload of a tracer has some fifty values per span, of which a few are looked at; a general decoder would make an
object of each.

Source: the MessagePack specification, "Formats".
"""

from __future__ import annotations

from typing import ClassVar, Final

from thimble.core.errors import InputError

DEPTH_MAX: Final = 1000
"""Nesting of a value that is skipped; a deeper one is malformed."""

NIL: Final = 0xC0
FALSE: Final = 0xC2
TRUE: Final = 0xC3
FLOAT32: Final = 0xCA
FLOAT64: Final = 0xCB

INT64_MAX: Final = 0x7FFF_FFFF_FFFF_FFFF


class BadMsgpack(InputError):
    """A body that is not what was asked for."""

    reason: ClassVar[str] = "bad_msgpack"


class MsgpackReader:
    """Walks over a body. Every method reads one value at `position` and goes behind it.

    Raises (every method):
        BadMsgpack: The value is not of the kind that was asked for, or the body ends within it.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0
        self._size = len(body)

    def peek(self) -> int:
        """The first byte of the next value."""
        if self.position >= self._size:
            raise BadMsgpack("the body ends too early")
        return self.body[self.position]

    def take_nil(self) -> bool:
        """Whether the next value is nil, which is then read."""
        if self.peek() != NIL:
            return False
        self.position += 1
        return True

    def array_length(self) -> int:
        """The header of an array: its number of elements, which follow."""
        first = self.peek()
        if first & 0xF0 == 0x90:
            self.position += 1
            return first & 0x0F
        if first == 0xDC or first == 0xDD:
            return self._big_endian(2 if first == 0xDC else 4)
        raise self._unexpected("an array")

    def map_length(self) -> int:
        """The header of a map: its number of entries, of which each is a key and a value."""
        first = self.peek()
        if first & 0xF0 == 0x80:
            self.position += 1
            return first & 0x0F
        if first == 0xDE or first == 0xDF:
            return self._big_endian(2 if first == 0xDE else 4)
        raise self._unexpected("a map")

    def is_map(self) -> bool:
        """Whether the next value is a map."""
        first = self.peek()
        return first & 0xF0 == 0x80 or first == 0xDE or first == 0xDF

    def text(self) -> str:
        """A string, or binary data that is one."""
        start = self.position + 1
        first = self.peek()
        if first & 0xE0 == 0xA0:
            end = start + (first & 0x1F)
        elif first in (0xD9, 0xDA, 0xDB, 0xC4, 0xC5, 0xC6):
            length = self._big_endian(1 << (first - (0xD9 if first >= 0xD9 else 0xC4)))
            start = self.position
            end = start + length
        else:
            raise self._unexpected("a string")
        if end > self._size:
            raise BadMsgpack("the body ends too early")
        self.position = end
        try:
            return self.body[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadMsgpack(f"a string at byte {start} is not UTF-8") from error

    def integer(self) -> int:
        """A whole number in any of its formats."""
        first = self.peek()
        if first <= 0x7F:
            self.position += 1
            return first
        if first >= 0xE0:
            self.position += 1
            return first - 0x100
        if 0xCC <= first <= 0xCF:
            return self._big_endian(1 << (first - 0xCC))
        if 0xD0 <= first <= 0xD3:
            width = 1 << (first - 0xD0)
            value = self._big_endian(width)
            return value - (1 << (8 * width)) if value >> (8 * width - 1) else value
        raise self._unexpected("a whole number")

    def unsigned(self) -> int:
        """A whole number of 0 to 2**64 - 1."""
        value = self.integer()
        if value < 0:
            raise BadMsgpack(f"{value} is negative")
        return value

    def signed(self) -> int:
        """A whole number of -2**63 to 2**63 - 1."""
        value = self.integer()
        if value > INT64_MAX:
            raise BadMsgpack(f"{value} is too large")
        return value

    def number(self, takes_float32: bool) -> float:
        """A number in any format, perhaps except that of 32-bit floats."""
        first = self.peek()
        if first == FLOAT64 or (first == FLOAT32 and takes_float32):
            start = self.position + 1
            self.position = start
            self._advance(8 if first == FLOAT64 else 4)
            # Lambda's processors are little-endian, both of them; `struct` would be one library more in the bundle.
            little_endian = self.body[start : self.position][::-1]
            value: float = memoryview(little_endian).cast("d" if first == FLOAT64 else "f")[0]
            return value
        return float(self.integer())

    def skip(self) -> None:
        """Any value."""
        open_values = [1]
        while open_values:
            if not open_values[-1]:
                open_values.pop()
                continue
            open_values[-1] -= 1
            inner = self._skip_one()
            if inner:
                if len(open_values) > DEPTH_MAX:
                    raise BadMsgpack(f"values are nested more than {DEPTH_MAX} deep")
                open_values.append(inner)

    def _skip_one(self) -> int:
        """Go behind one value, of an array or a map behind its header; answer how many values are in it."""
        first = self.peek()
        if first & 0xF0 == 0x80:
            self.position += 1
            return 2 * (first & 0x0F)
        if first & 0xF0 == 0x90:
            self.position += 1
            return first & 0x0F
        if first <= 0x7F or first >= 0xE0 or first in (NIL, FALSE, TRUE):
            self.position += 1
        elif first & 0xE0 == 0xA0:
            self.position += 1
            self._advance(first & 0x1F)
        elif first in (0xC4, 0xC5, 0xC6):
            self._advance(self._big_endian(1 << (first - 0xC4)))
        elif first in (0xC7, 0xC8, 0xC9):
            self._advance(self._big_endian(1 << (first - 0xC7)) + 1)
        elif first in (0xD9, 0xDA, 0xDB):
            self._advance(self._big_endian(1 << (first - 0xD9)))
        elif first in (FLOAT32, FLOAT64):
            self.position += 1
            self._advance(4 if first == FLOAT32 else 8)
        elif 0xCC <= first <= 0xD3:
            self._big_endian(1 << (first & 0x03))
        elif 0xD4 <= first <= 0xD8:
            self.position += 1
            self._advance((1 << (first - 0xD4)) + 1)
        elif first == 0xDC or first == 0xDD:
            return self._big_endian(2 if first == 0xDC else 4)
        elif first == 0xDE or first == 0xDF:
            return 2 * self._big_endian(2 if first == 0xDE else 4)
        else:
            raise self._unexpected("a value")
        return 0

    def _big_endian(self, width: int) -> int:
        """The unsigned number of `width` bytes behind the format byte."""
        start = self.position + 1
        self.position = start
        self._advance(width)
        if width == 1:
            return self.body[start]
        return int.from_bytes(self.body[start : start + width], "big")

    def _advance(self, length: int) -> None:
        if length > self._size - self.position:
            raise BadMsgpack("the body ends too early")
        self.position += length

    def _unexpected(self, wanted: str) -> BadMsgpack:
        return BadMsgpack(f"byte {self.position} ({self.body[self.position]:#04x}) does not begin {wanted}")
