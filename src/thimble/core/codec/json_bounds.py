"""Where JSON values end, found without parsing them."""

from __future__ import annotations

from typing import Final

_BACKSLASH: Final = 0x5C


def object_end(body: bytes, start: int) -> int:
    """The offset behind the object or array that begins at `start`, or -1 if it is not closed."""
    depth = 0
    position = start
    while True:
        quote = body.find(b'"', position)
        stop = quote if quote >= 0 else len(body)
        while position < stop:
            byte = body[position]
            position += 1
            if byte == 0x7B or byte == 0x5B:
                depth += 1
            elif byte == 0x7D or byte == 0x5D:
                depth -= 1
                if depth == 0:
                    return position
        if quote < 0:
            return -1
        position = string_end(body, quote)
        if position < 0:
            return -1


def string_end(body: bytes, start: int) -> int:
    """The offset behind the string whose opening quote is at `start`, or -1 if it is not closed."""
    position = start + 1
    while True:
        quote = body.find(b'"', position)
        if quote < 0:
            return -1
        before = quote - 1
        while before > start and body[before] == _BACKSLASH:
            before -= 1
        if (quote - before) % 2 == 1:
            return quote + 1
        position = quote + 1
