"""Reading the text of a setting by the declared type of its field.

`parse_text` gives the value, or None when the setting counts as unset, or raises `BadValueError`. A value of
several parts (tags, styles) loses only its bad parts, each with a note. No parser looks at any other setting.

Numbers and booleans are those of the reference, which read integers as unsigned or signed 64-bit ones, allowing a
leading `+` and zeros, and floats only with a decimal point.

Source: specification of the configuration, "Value typing" and "Field parsers".
"""

from __future__ import annotations

from typing import Final

from thimble.config.layers import BadValueError, quoted
from thimble.core.codec.log_line import VALID_LEVELS, parse_level
from thimble.core.lifecycle.flush_control import read_flush_strategy
from thimble.core.logs.levels import MIN_LEVELS
from thimble.core.logs.options import PLATFORM_ALL, PLATFORM_OFF, PLATFORM_REPORT

INT_MIN: Final = -0x8000_0000
INT_MAX: Final = 0x7FFF_FFFF
UINT_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF

SECONDS_MAX: Final = 1_000_000_000.0
"""More than 30 years; a longer wait might not fit into a timer's argument."""

PLATFORM_LINES: Final = (PLATFORM_ALL, PLATFORM_REPORT, PLATFORM_OFF)

PROPAGATION_STYLES: Final = ("datadog", "tracecontext", "b3", "b3multi", "baggage", "none")

_EMPTY_IS_UNSET: Final = ("STR", "CSV", "KV", "FILT", "STYLES", "NS", "HIST", "FLUSH", "LEVEL", "AEP", "LAEP",
                           "MINLEVEL", "PLATFORM", "KEEP")  # fmt: skip
"""Codes for which an empty value means nothing at all; for the others it is a bad value."""

_DIGITS: Final = "0123456789"


def clean(text: str) -> str:
    """Trim, take off one pair of double quotes around all of it, trim again; replace what is not valid UTF-8."""
    text = text.strip()
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1].strip()
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def parse_text(code: str, text: str, notes: list[str]) -> object | None:
    """Read a cleaned text.

    Args:
        code: Parser of the field, as in `thimble.config.names`.
        text: Result of `clean`.
        notes: Receives one text for each part that was dropped from an otherwise usable value.

    Returns:
        The value for the field, or None when the setting counts as unset.

    Raises:
        BadValueError: The whole value cannot be used.
    """
    if code == "STR":
        return text or None
    if code == "BOOL":
        return parse_bool(text)
    if not text and code in _EMPTY_IS_UNSET:
        return None
    if code == "UINT" or code == "MICROS":
        return parse_int(text, 0, UINT_MAX)
    if code == "INT":
        return parse_int(text, INT_MIN, INT_MAX)
    if code == "SECS":
        return parse_seconds(text)
    if code == "SECS0":
        seconds = parse_seconds(text)
        return seconds if seconds >= 1.0 else None
    if code == "CSV":
        return parse_list(text) or None
    if code == "KV":
        return parse_pairs(text, notes) or None
    if code == "FILT":
        return parse_filters(text, notes) or None
    if code == "STYLES":
        return parse_styles(text, notes) or None
    if code == "SMAP":
        return parse_service_mapping(text, notes) or None
    if code == "NS":
        return parse_namespace(text)
    if code == "HIST":
        return parse_histograms(text)
    if code == "MINLEVEL":
        return parse_min_level(text)
    if code == "PLATFORM":
        return parse_platform_lines(text)
    if code == "KEEP":
        return parse_keep(text, notes)
    if code == "BOOLT":
        return True if text.lower() == "t" else parse_bool(text)
    if code == "LEVEL":
        return _level(text)
    if code == "FLUSH":
        return _flush_strategy(text)
    return _from_json(code, text, notes)


def parse_bool(text: str) -> bool:
    """`true`, `false` in any case, or a number that is 0 or 1."""
    lower = text.lower()
    if lower == "true" or lower == "1":
        return True
    if lower == "false" or lower == "0":
        return False
    number = _number(text, "is not true or false")
    if number != 0.0 and number != 1.0:
        raise BadValueError("is not true or false")
    return number == 1.0


def parse_int(text: str, minimum: int, maximum: int) -> int:
    """A whole number within `minimum`..`maximum`, in digits with an optional sign."""
    digits = text
    if text[:1] == "-" or text[:1] == "+":
        digits = text[1:]
    # 40 digits: a bound for int(), far above any maximum even with leading zeros.
    if not digits or len(digits) > 40 or digits.strip(_DIGITS):
        raise BadValueError("is not a whole number" if minimum < 0 else "is not a whole number of 0 or more")
    number = -int(digits) if text[0] == "-" else int(digits)
    if number < minimum or number > maximum or (minimum == 0 and text[0] == "-"):
        raise BadValueError(f"is not within {minimum} to {maximum}")
    return number


def parse_seconds(text: str) -> float:
    """Seconds of 0 or more, whole or with a decimal point."""
    number = _number(text, "is not a number of seconds of 0 or more")
    if number < 0.0 or number > SECONDS_MAX or text[0] == "-":
        raise BadValueError("is not a number of seconds of 0 or more")
    return number


def parse_list(text: str) -> tuple[str, ...]:
    """Items between commas, trimmed, empty ones left out."""
    items: list[str] = []
    for part in text.split(","):
        item = part.strip()
        if item:
            items.append(item)
    return tuple(items)


def parse_pairs(text: str, notes: list[str]) -> dict[str, str]:
    """Pairs of `parse_pair_list` between commas and spaces."""
    return parse_pair_list([part for part in text.replace(",", " ").split(" ") if part], notes)


def parse_pair_list(parts: list[str], notes: list[str]) -> dict[str, str]:
    """`key:value` per part, split at the first colon, both sides non-empty; the last of equal keys wins."""
    pairs: dict[str, str] = {}
    for part in parts:
        key, _, value = part.partition(":")
        if key and value:
            pairs[key] = value
        else:
            notes.append(f"{quoted(part)} was dropped, it is not key:value")
    return pairs


def parse_filters(text: str, notes: list[str]) -> tuple[str, ...]:
    """`key` or `key:value` per item between white space; an empty value counts as none."""
    items: list[str] = []
    for part in text.split():
        key, _, value = part.partition(":")
        if not key:
            notes.append(f"{quoted(part)} was dropped, it has no key")
        elif value:
            items.append(part)
        else:
            items.append(key)
    return tuple(items)


def parse_styles(text: str, notes: list[str]) -> tuple[str, ...]:
    """Propagation styles between commas, in lower case, unknown ones left out."""
    styles: list[str] = []
    for part in text.split(","):
        style = part.strip().lower()
        if style in PROPAGATION_STYLES:
            styles.append(style)
        elif style:
            notes.append(f"{quoted(part.strip())} was dropped, it is not one of {', '.join(PROPAGATION_STYLES)}")
    return tuple(styles)


def parse_service_mapping(text: str, notes: list[str]) -> dict[str, str]:
    """`from:to` between commas; what follows a second colon is ignored."""
    if not text:
        raise BadValueError("is not a list of from:to pairs")
    mapping: dict[str, str] = {}
    for part in text.split(","):
        halves = part.split(":")
        source = halves[0].strip()
        target = halves[1].strip() if len(halves) > 1 else ""
        if source and target:
            mapping[source] = target
        elif part.strip():
            notes.append(f"{quoted(part.strip())} was dropped, it is not from:to")
    return mapping


def parse_namespace(text: str) -> str:
    """A prefix for metric names: an ASCII letter, then ASCII letters, digits, underscores, full stops."""
    rest = text.replace("_", "").replace(".", "")
    if not (text.isascii() and text[0].isalpha() and rest.isalnum()):
        raise BadValueError("is not a letter followed by letters, digits, underscores or full stops")
    return text


def parse_histograms(text: str) -> str | None:
    """What becomes of histograms: `distribution`, or `off`, which is the default."""
    if text.lower() == "off":
        return None
    if text.lower() != "distribution":
        raise BadValueError("is neither distribution nor off")
    return "distribution"


def parse_min_level(text: str) -> str:
    """A level of `levels.MIN_LEVELS`, in lower case."""
    level = text.lower()
    if level not in MIN_LEVELS:
        raise BadValueError(f"is not one of {', '.join(MIN_LEVELS)}")
    return level


def parse_platform_lines(text: str) -> str:
    """Which lines of the platform are sent: `all`, `report` or `off`."""
    word = text.lower()
    if word not in PLATFORM_LINES:
        raise BadValueError(f"is not one of {', '.join(PLATFORM_LINES)}")
    return word


def parse_keep(text: str, notes: list[str]) -> tuple[str, ...] | None:
    """Conditions between `|` or `,`: `errors`, `slow:<ms>`, `cold`, `percent:<0 to 100>`, `trace`."""
    words: list[str] = []
    for part in text.lower().replace("|", ",").split(","):
        word = part.strip()
        if not word:
            continue
        name, colon, value = word.partition(":")
        if word in ("errors", "cold", "trace"):
            words.append(word)
        elif colon and _is_condition(name, value.strip()):
            words.append(f"{name}:{value.strip()}")
        else:
            notes.append(f"{quoted(word)} was skipped, it is not errors, slow:<ms>, cold, percent:<0 to 100> or trace")
    return tuple(words) or None


def _is_condition(name: str, value: str) -> bool:
    """Whether `slow` or `percent` has a number that means something."""
    try:
        number = _number(value, "")
    except BadValueError:
        return False
    return (name == "slow" and number >= 0.0) or (name == "percent" and 0.0 <= number <= 100.0)


def _level(text: str) -> int:
    verbosity = parse_level(text)
    if verbosity < 0:
        raise BadValueError(f"is not one of {VALID_LEVELS}")
    return verbosity


def _flush_strategy(text: str) -> object:
    strategy = read_flush_strategy(text)
    if strategy is None:
        raise BadValueError(
            "is not default, end, or one of end, periodically, continuously with ,<milliseconds above 0>"
        )
    return strategy


def _from_json(code: str, text: str, notes: list[str]) -> object | None:
    """Settings that are JSON in the environment; both modules cost, and few functions use them."""
    import orjson

    from thimble.config import structured

    try:
        value = orjson.loads(text)
    except ValueError:
        raise BadValueError("is not JSON") from None
    return structured.convert(code, value, True, notes)


def _number(text: str, complaint: str) -> float:
    """A number in plain decimal digits, with or without a decimal point; else `BadValueError(complaint)`."""
    digits = text[1:] if text[:1] == "-" or text[:1] == "+" else text
    whole, _, fraction = digits.partition(".")
    if len(digits) > 40 or not (whole or fraction) or (whole + fraction).strip(_DIGITS):
        raise BadValueError(complaint)
    return float(text)
