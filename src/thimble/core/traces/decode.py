"""Reading the payloads of tracers, versions 0.4 and 0.5, for what they say about invocations.

A payload is read whole before anything of it counts: one malformed value refuses all of it.

Source: specification of traces, "Decoding".
"""

from __future__ import annotations

from typing import Final

from thimble.core.traces.facts import PRIORITY, WANTED_META, Span, TraceFacts
from thimble.core.traces.msgpack_reader import FALSE, FLOAT32, FLOAT64, TRUE, BadMsgpack, MsgpackReader

STRINGS_MAX: Final = 25_000_000
"""Entries of a version 0.5 payload's table of strings, as in the reference."""

_KEYS: Final = (
    "service", "name", "resource", "trace_id", "span_id", "parent_id", "start", "duration", "error", "meta", "metrics",
    "type", "meta_struct", "span_links", "span_events",
)  # fmt: skip
"""Keys of a version 0.4 span, in the order of a span that is an array."""

_FIELDS: Final = {key: number for number, key in enumerate(_KEYS)}
"""The number of each key: what the branches of `_read_field` compare with."""

_LINK_IDS: Final = 3
"""Both required keys of a span link, as bits."""

_INT32_MAX: Final = 0x7FFF_FFFF
_UINT32_MAX: Final = 0xFFFF_FFFF


def read_v04(body: bytes) -> TraceFacts:
    """Read an array of chunks, each an array of spans.

    Raises:
        BadMsgpack: With the cause.
    """
    reader = MsgpackReader(body)
    facts = TraceFacts()
    for _ in range(reader.array_length()):
        for _ in range(reader.array_length()):
            facts.add(_read_span(reader))
        facts.end_chunk()
    return facts


def read_v05(body: bytes) -> TraceFacts:
    """Read a pair of a table of strings and an array of chunks, whose spans point into the table.

    Raises:
        BadMsgpack: With the cause.
    """
    reader = MsgpackReader(body)
    if reader.array_length() != 2:
        raise BadMsgpack("the payload is no pair of strings and traces")
    count = reader.array_length()
    if count > STRINGS_MAX:
        raise BadMsgpack(f"{count} strings are more than {STRINGS_MAX}")
    strings = [reader.text() for _ in range(count)]
    facts = TraceFacts()
    for _ in range(reader.array_length()):
        for _ in range(reader.array_length()):
            facts.add(_read_indexed_span(reader, strings))
        facts.end_chunk()
    return facts


# --- version 0.4 --------------------------------------------------------------------------------------------------


def _read_span(reader: MsgpackReader) -> Span:
    span = Span()
    if not reader.is_map():
        count = reader.array_length()
        if count > len(_KEYS):
            raise BadMsgpack(f"a span has {count} fields")
        for number in range(count):
            _read_field(reader, span, number)
        return span
    seen = 0
    for _ in range(reader.map_length()):
        number = _FIELDS.get(reader.text(), -1)
        if number < 0:
            reader.skip()
            continue
        if seen >> number & 1:
            raise BadMsgpack(f"a span has two fields {_KEYS[number]!r}")
        seen |= 1 << number
        _read_field(reader, span, number)
    return span


def _read_field(reader: MsgpackReader, span: Span, number: int) -> None:
    """Read the value of one field; nil is its default."""
    if reader.take_nil():
        return
    if number == 0 or number == 11:
        reader.text()
    elif number == 1:
        span.name = reader.text()
    elif number == 2:
        span.resource = reader.text()
    elif number == 3:
        span.trace_id = reader.unsigned()
    elif number == 4:
        span.span_id = reader.unsigned()
    elif number == 5:
        span.parent_id = reader.unsigned()
    elif number == 6:
        reader.signed()
    elif number == 7:
        _read_duration(reader)
    elif number == 8:
        _read_within(reader, -_INT32_MAX - 1, _INT32_MAX)
    elif number == 9:
        _read_meta(reader, span)
    elif number == 10:
        _read_metrics(reader, span)
    elif number == 12:
        _read_meta_struct(reader)
    elif number == 13:
        for _ in range(reader.array_length()):
            _read_link(reader)
    else:
        for _ in range(reader.array_length()):
            _read_event(reader)


def _read_duration(reader: MsgpackReader) -> None:
    """Some tracers send odd durations, which count as 0."""
    if reader.peek() in (TRUE, FALSE, FLOAT32, FLOAT64):
        reader.skip()
    else:
        reader.integer()


def _read_within(reader: MsgpackReader, least: int, most: int) -> None:
    value = reader.integer()
    if not least <= value <= most:
        raise BadMsgpack(f"{value} is outside of {least} to {most}")


def _read_meta(reader: MsgpackReader, span: Span) -> None:
    for _ in range(reader.map_length()):
        key = reader.text()
        if reader.take_nil():
            span.meta.pop(key, None)
            continue
        value = reader.text()
        if key in WANTED_META:
            span.meta[key] = value


def _read_metrics(reader: MsgpackReader, span: Span) -> None:
    for _ in range(reader.map_length()):
        key = reader.text()
        value = reader.number(takes_float32=True)
        if key == PRIORITY:
            span.priority = value


def _read_meta_struct(reader: MsgpackReader) -> None:
    for _ in range(reader.map_length()):
        reader.text()
        first = reader.peek()
        if first in (0xC4, 0xC5, 0xC6):
            reader.skip()
            continue
        for _ in range(reader.array_length()):
            _read_within(reader, 0, 255)


def _read_link(reader: MsgpackReader) -> None:
    ids = 0
    for _ in range(reader.map_length()):
        key = reader.text()
        if key == "trace_id" or key == "span_id":
            reader.unsigned()
            ids |= 1 if key == "trace_id" else 2
        elif reader.take_nil():
            pass
        elif key == "trace_id_high":
            reader.unsigned()
        elif key == "flags":
            _read_within(reader, 0, _UINT32_MAX)
        elif key == "tracestate":
            reader.text()
        elif key == "attributes":
            for _ in range(reader.map_length()):
                reader.text()
                reader.text()
        else:
            reader.skip()
    if ids != _LINK_IDS:
        raise BadMsgpack("a span link lacks an id")


def _read_event(reader: MsgpackReader) -> None:
    for _ in range(reader.map_length()):
        key = reader.text()
        if reader.take_nil():
            pass
        elif key == "time_unix_nano":
            reader.unsigned()
        elif key == "name":
            reader.text()
        elif key == "attributes":
            for _ in range(reader.map_length()):
                reader.text()
                _read_any(reader, 4)
        else:
            reader.skip()


def _read_any(reader: MsgpackReader, type_max: int) -> None:
    """Read the value of an event's attribute; inside an array, whose type is 4, there is no further array."""
    for _ in range(reader.map_length()):
        key = reader.text()
        if reader.take_nil():
            pass
        elif key == "type":
            _read_within(reader, 0, type_max)
        elif key == "string_value":
            reader.text()
        elif key == "bool_value":
            if reader.peek() not in (TRUE, FALSE):
                raise BadMsgpack("bool_value is neither true nor false")
            reader.skip()
        elif key == "int_value":
            reader.signed()
        elif key == "double_value":
            reader.number(takes_float32=True)
        elif key == "array_value" and type_max == 4:
            _read_values(reader)
        else:
            reader.skip()


def _read_values(reader: MsgpackReader) -> None:
    for _ in range(reader.map_length()):
        if reader.text() == "values":
            for _ in range(reader.array_length()):
                _read_any(reader, 3)
        else:
            reader.skip()


# --- version 0.5 --------------------------------------------------------------------------------------------------


def _read_indexed_span(reader: MsgpackReader, strings: list[str]) -> Span:
    count = reader.array_length()
    if count != 12:
        raise BadMsgpack(f"a span has {count} fields instead of 12")
    span = Span()
    _read_string(reader, strings)
    span.name = _read_string(reader, strings)
    span.resource = _read_string(reader, strings)
    span.trace_id = reader.unsigned()
    span.span_id = reader.unsigned()
    span.parent_id = reader.unsigned()
    for _ in range(3):
        reader.signed()
    for _ in range(reader.map_length()):
        key = _read_string(reader, strings)
        value = _read_string(reader, strings)
        if key in WANTED_META:
            span.meta[key] = value
    for _ in range(reader.map_length()):
        key = _read_string(reader, strings)
        number = reader.number(takes_float32=False)
        if key == PRIORITY:
            span.priority = number
    _read_string(reader, strings)
    return span


def _read_string(reader: MsgpackReader, strings: list[str]) -> str:
    index = reader.integer()
    if not 0 <= index < len(strings):
        raise BadMsgpack(f"string {index} is not one of {len(strings)}")
    return strings[index]
