"""Telemetry bodies that the platform cut in the middle of a record.

A record larger than the subscription's `maxBytes` comes in two POSTs. The first ends with a part of the record's value
and, right behind it, the closing `}]` that the value never reached; the second begins with the record's envelope again,
followed by the rest of the value and of the batch:

    [...,{"time":T,"type":"function","record":{"message":"AAAA}]
    [{"time":T,"type":"function","record":BBBB"}},{...}]

Source: DataDog/datadog-lambda-extension, pull request 1357, which describes both halves of a real body.
"""

from __future__ import annotations

from typing import Final

import orjson

from thimble.core.codec.json_bounds import object_end

_RECORD_KEY: Final = b'"record":'
_FRAMING: Final = b"}]"
_EVENT_START: Final = b'{"time":'
_ENVELOPE_BYTES_MAX: Final = 160
"""Longer than the keys, the time and the longest type of an event."""

_COMMA: Final = 0x2C
_WHITE_SPACE: Final = b" \t\r\n"
_UNICODE_ESCAPE_BYTES: Final = 6


def envelope_of(event: bytes) -> bytes:
    """The event up to the value of its record, or nothing if the record comes first or is missing."""
    found = event.find(_RECORD_KEY)
    if found < 0 or event.find(b'"time"', 0, found) < 0:
        return b""
    return event[: found + len(_RECORD_KEY)]


def join_fragment(fragment: bytes, body: bytes) -> bytes | None:
    """Put a body behind the fragment that it continues.

    Args:
        fragment: A body from the beginning of its cut record on.
        body: The next body.

    Returns:
        The joined bytes, which begin with the cut record (perhaps cut once more); None if `body` is no continuation.
    """
    envelope = envelope_of(fragment)
    if not envelope:
        return None
    content = body.lstrip(b"[" + _WHITE_SPACE)
    cut_value = fragment[: -len(_FRAMING)] if fragment.endswith(_FRAMING) else fragment
    if not content.startswith(envelope):
        return None
    is_whole = starts_whole(content)
    if is_whole and content.startswith(cut_value):
        return None  # not the rest but all of it: the platform sent the batch again
    resumed = content[len(envelope) :]
    joined = cut_value + resumed
    if starts_whole(joined):
        return joined
    if is_whole:
        return None
    unstripped = fragment + resumed
    return unstripped if starts_whole(unstripped) else joined


def starts_whole(joined: bytes) -> bool:
    """Whether the bytes begin with a complete JSON object."""
    end = object_end(joined, 0)
    return end > 0 and is_json(joined[:end])


def is_json(value: bytes) -> bool:
    """Whether the bytes are one JSON value."""
    try:
        orjson.loads(value)
    except ValueError:
        return False
    return True


def closed_by_force(fragment: bytes) -> bytes:
    """End a fragment whose continuation never came where it was cut, if its record is a text.

    Returns:
        A complete event, or nothing.
    """
    text = fragment[: -len(_FRAMING)] if fragment.endswith(_FRAMING) else fragment
    for missing in range(_UNICODE_ESCAPE_BYTES + 1):
        candidate = text[: len(text) - missing] + b'"}'
        if is_json(candidate):
            return candidate
    return b""


def next_event_start(body: bytes, begin: int, end: int) -> int:
    """Find where the next event begins inside of a stretch that could not be read, or answer -1.

    Inside a string every quote has a backslash before it, so the beginning of an event cannot be part of one. It could
    be part of an object, so all keys of an event must follow, in the order in which the platform writes them.
    """
    found = body.find(_EVENT_START, begin, end)
    while found >= 0:
        before = found - 1
        while before > begin and body[before] in _WHITE_SPACE:
            before -= 1
        if body[before] == _COMMA:
            keys_end = min(found + _ENVELOPE_BYTES_MAX, end)
            kind = body.find(b',"type":', found, keys_end)
            if kind >= 0 and body.find(b"," + _RECORD_KEY, kind, keys_end) >= 0:
                return found
        found = body.find(_EVENT_START, found + 1, end)
    return -1


def replace_lone_surrogates(event: bytes) -> bytes:
    r"""Write `\ufffd` in place of each surrogate escape that has no partner."""
    pieces: list[bytes] = []
    copied = 0
    position = event.find(b"\\")
    while 0 <= position < len(event) - 5:
        surrogate = _surrogate(event, position)
        if surrogate == 1 and _surrogate(event, position + 6) == 2:
            position += 12
        elif surrogate:
            pieces.append(event[copied:position] + b"\\ufffd")
            position += 6
            copied = position
        else:
            position += 2
        position = event.find(b"\\", position)
    pieces.append(event[copied:])
    return b"".join(pieces)


def _surrogate(event: bytes, position: int) -> int:
    """1 if a high surrogate's escape begins here, 2 for a low one, 0 for anything else."""
    escape = event[position : position + 6].lower()
    if len(escape) < 6 or not escape.startswith(b"\\ud"):
        return 0
    if escape[3:4] in (b"8", b"9", b"a", b"b"):
        return 1
    return 2 if escape[3:4] in (b"c", b"d", b"e", b"f") else 0
