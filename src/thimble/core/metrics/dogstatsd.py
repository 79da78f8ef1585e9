"""The grammar of DogStatsD, one line at a time.

    name ":" values "|" type *( "|" field )        values = value *( ":" value )
    field = "#" tags / "@" rate / "T" seconds / anything else, which is ignored

The order of the checks decides which reason a bad line is refused for. Of a repeated field the last counts.

Source: Datadog documentation, "DogStatsD datagram format" (protocol 1.6); specification of metrics, "Grammar".
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

from thimble.core.errors import InputError
from thimble.kernels import metric_codes as codes

_DIGITS: Final = b"0123456789"
_NOT_FINITE: Final = (b"inf", b"infinity", b"nan")


class RefusedLine(InputError):
    """A line that cannot be taken; `code` is one of `metric_codes`."""

    reason: ClassVar[str] = "refused"

    def __init__(self, code: int) -> None:
        super().__init__(codes.REASON_NAMES[code])
        self.code = code


class Sample:
    """What one line says.

    Args:
        kind: `COUNT`, `GAUGE` or `DISTRIBUTION`.
        name: Metric name, as it was written.
        tags: In canonical form, see `canonical_tags`.
        values: Finite, at least one.
        weight: Samples that each value stands for, at least 1: the inverse of the sample rate.
        timestamp_s: Unix seconds, or 0 for now.
    """

    def __init__(
        self, kind: int, name: bytes, tags: bytes, values: list[float], weight: float, timestamp_s: float
    ) -> None:
        self.kind = kind
        self.name = name
        self.tags = tags
        self.values = values
        self.weight = weight
        self.timestamp_s = timestamp_s


def is_ignored(line: bytes) -> bool:
    """Whether a line is passed over without a word: events, service checks, the library's count of invocations."""
    return line.startswith(codes.IGNORED_PREFIXES)


def parse_line(line: bytes, maps_histograms: bool) -> Sample:
    """Read one line.

    Args:
        line: Not empty, without its line break.
        maps_histograms: Take histograms and timers as distributions.

    Raises:
        RefusedLine: For any other bytes.
    """
    if not is_utf8(line):
        raise RefusedLine(codes.ENCODING)
    fields = line.split(b"|")
    name, colon, values_text = fields[0].partition(b":")
    if len(fields) == 1 or not colon or not name or not values_text or not fields[1]:
        raise RefusedLine(codes.FORMAT)
    values = _parse_values(values_text)
    kind = _parse_kind(fields[1], maps_histograms)
    tags = rate = time = b""
    has_rate = has_time = False
    for field in fields[2:]:
        mark = field[:1]
        if mark == b"#":
            tags = field[1:]
        elif mark == b"@":
            rate = field[1:]
            has_rate = True
        elif mark == b"T":
            time = field[1:]
            has_time = True
    timestamp_s = _parse_timestamp(time) if has_time else 0.0
    weight = _parse_rate(rate) if has_rate else 1.0
    return Sample(kind, name, canonical_tags(tags), values, weight, timestamp_s)


def parse_number(text: bytes) -> float:
    """Read a decimal number, possibly with an exponent, or a name of infinity or "not a number".

    Raises:
        ValueError: It is neither. Python's own spellings (blanks, underscores, other digits) are none.
    """
    rest = text[1:] if text[:1] in (b"+", b"-") else text
    if rest.lower() not in _NOT_FINITE:
        mantissa, mark, exponent = rest.replace(b"E", b"e").partition(b"e")
        whole, _, fraction = mantissa.partition(b".")
        digits = exponent[1:] if exponent[:1] in (b"+", b"-") else exponent
        has_exponent = bool(digits) and not digits.strip(_DIGITS)
        if not (whole or fraction) or (whole + fraction).strip(_DIGITS) or bool(mark) != has_exponent:
            raise ValueError(f"{text!r} is no number")
    return float(text)


def canonical_tags(text: bytes, tags_max: int = codes.TAGS_MAX) -> bytes:
    """Bring tags into the form that makes contexts equal: sorted by key and value, without repetitions.

    Args:
        text: `key:value` or `key`, between commas.

    Raises:
        RefusedLine: More than `tags_max` tags, counted after repetitions side by side.
    """
    pairs: list[tuple[bytes, bytes]] = []
    for piece in text.split(b","):
        key, _, value = piece.partition(b":")
        if (key or value) and (not pairs or pairs[-1] != (key, value)):
            pairs.append((key, value))
    if len(pairs) > tags_max:
        raise RefusedLine(codes.TAGS)
    pairs.sort()
    texts: list[bytes] = []
    for index in range(len(pairs)):
        if index == 0 or pairs[index] != pairs[index - 1]:
            key, value = pairs[index]
            texts.append(b"%b:%b" % (key, value) if value else key)
    return b",".join(texts)


def is_utf8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse_values(text: bytes) -> list[float]:
    values: list[float] = []
    for piece in text.split(b":"):
        if piece:
            try:
                value = parse_number(piece)
            except ValueError:
                raise RefusedLine(codes.VALUE) from None
            if not math.isfinite(value):
                raise RefusedLine(codes.VALUE)
            values.append(value)
    if not values:
        raise RefusedLine(codes.VALUE)
    return values


def _parse_kind(text: bytes, maps_histograms: bool) -> int:
    if text == b"c":
        return codes.COUNT
    if text == b"g":
        return codes.GAUGE
    if text == b"d" or (maps_histograms and text in (b"h", b"ms")):
        return codes.DISTRIBUTION
    raise RefusedLine(codes.UNSUPPORTED_TYPE if text in (b"h", b"ms", b"s") else codes.UNKNOWN_TYPE)


def _parse_timestamp(text: bytes) -> float:
    try:
        value = parse_number(text)
    except ValueError:
        raise RefusedLine(codes.TIMESTAMP) from None
    if not math.isfinite(value) or value < 1.0:
        raise RefusedLine(codes.TIMESTAMP)
    return value


def _parse_rate(text: bytes) -> float:
    try:
        rate = parse_number(text)
    except ValueError:
        raise RefusedLine(codes.RATE) from None
    return 1.0 / rate if 0.0 < rate < 1.0 else 1.0
