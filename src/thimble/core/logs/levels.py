"""The level of a line, found in what loggers of many languages write.

Only for the filter by level: the status of an entry follows the narrower rules of `inspection`. A line without a level
counts as `info`, as on the platform, unless it is the beginning of what a runtime says about its own failure.

Source: documentation of each logger named below; AWS Lambda Developer Guide, "Log formats".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    JsonObject = dict[str, object]

TRACE: Final = 1
DEBUG: Final = 2
INFO: Final = 3
WARN: Final = 4
ERROR: Final = 5
CRITICAL: Final = 6

UNKNOWN: Final = 0

MIN_LEVELS: Final = {
    "trace": 1, "debug": 2, "info": 3, "warn": 4, "warning": 4, "error": 5, "critical": 6, "fatal": 6,
}  # fmt: skip
"""What a user may name as the lowest level that is sent."""

_NAMES: Final = {
    "TRACE": 1, "TRC": 1, "TRCE": 1, "VERBOSE": 1, "VRB": 1, "FINEST": 1, "FINER": 1, "SILLY": 1,
    "DEBUG": 2, "DBG": 2, "DBUG": 2, "FINE": 2, "CONFIG": 2,
    "INFO": 3, "INF": 3, "INFORMATION": 3, "INFORMATIONAL": 3, "NOTICE": 3, "SUCCESS": 3, "HTTP": 3,
    "WARN": 4, "WRN": 4, "WARNING": 4,
    "ERROR": 5, "ERR": 5, "FAIL": 5, "SEVERE": 5,
    "CRITICAL": 6, "CRIT": 6, "FATAL": 6, "FTL": 6, "PANIC": 6, "DPANIC": 6, "ALERT": 6, "EMERGENCY": 6, "EMERG": 6,
}  # fmt: skip

_KEYS: Final = (
    "level",  # most of all
    "severity",  # Google Cloud's form, Rails
    "levelname",  # python-json-logger
    "level_name",  # Monolog; its `level` is a number of its own scale
    "log.level",  # Elastic Common Schema
    "logLevel", "loglevel", "LogLevel", "Level",  # .NET
    "@l",  # Serilog's compact form
    "lvl", "severityText", "SeverityText", "severity_text", "status",
)  # fmt: skip

_FAILURE_STARTS: Final = (
    "Traceback (most recent call last)",
    "Fatal Python error: ",
    "Exception in thread ",  # Java
    "Unhandled exception",  # .NET
    "fatal error: ",  # Go; a panic is read as a level
)
_RUST_START: Final = "thread '"
_RUST_PANIC: Final = "' panicked at "
_PHP_START: Final = "PHP "

_HEAD_CHARACTERS: Final = 200
_WORDS_MAX: Final = 8
"""The level stands in the first words of a line; further on it is part of the message."""

_TRIMMED: Final = " \t[](){}<>|:,;\"'"
_ESCAPE: Final = "\x1b"


def level_of_object(fields: JsonObject) -> int:
    """Level of a line that is a JSON object, or `UNKNOWN`."""
    if "level_name" in fields:
        named = _level_of_value(fields["level_name"])
        if named:
            return named
    for key in _KEYS:
        if key in fields:
            found = _level_of_value(fields[key])
            if found:
                return found
    number = fields.get("levelno")
    if isinstance(number, int):
        return _level_of_python_number(number)
    inner = fields.get("record")  # loguru's serialised form
    if isinstance(inner, dict):
        return _level_of_value(inner.get("level"))
    inner = fields.get("log")  # ECS, nested
    if isinstance(inner, dict):
        return _level_of_value(inner.get("level"))
    return UNKNOWN


def level_of_text(text: str) -> int:
    """Level of any other line, or `UNKNOWN`."""
    head = text[:_HEAD_CHARACTERS]
    if _ESCAPE in head:
        head = _without_colours(head)
    line_end = head.find("\n")
    if line_end >= 0:
        head = head[:line_end]
    found = _level_of_column(head) or _level_in_words(head)
    if found:
        return found
    for start in _FAILURE_STARTS:
        if head.startswith(start):
            return ERROR
    if head.startswith(_RUST_START) and _RUST_PANIC in head:
        return ERROR
    return _level_of_php(head) if head.startswith(_PHP_START) else UNKNOWN


def level_of_line(fields: JsonObject | None, text: str, is_alarm: bool) -> int:
    """Level of a line: what it says, else `INFO`.

    Args:
        fields: The object that the line is, or None.
        text: The line.
        is_alarm: Whether its text alone tells of an error.
    """
    found = level_of_text(text) if fields is None else level_of_object(fields)
    if found:
        return found
    return ERROR if is_alarm else INFO


def _level_of_column(head: str) -> int:
    """The two commonest forms, found without looking at each word: `[INFO] ...`, and Lambda's `time`, `id`, `INFO`."""
    if head[:1] == "[":
        end = head.find("]")
        return _NAMES.get(head[1:end].strip(" ").upper(), UNKNOWN) if end > 0 else UNKNOWN
    if head[:1].isdigit() and "\t" in head:
        columns = head.split("\t", 3)
        if len(columns) == 4 and " " not in columns[0] and " " not in columns[1]:
            return _NAMES.get(columns[2].upper(), UNKNOWN)
    return UNKNOWN


def _level_of_php(head: str) -> int:
    """PHP's own messages: `PHP Warning:  ...`, `PHP Fatal error:  ...`."""
    name, colon, _ = head[len(_PHP_START) :].partition(": ")
    if colon:
        for word in name.split(" "):
            found = _NAMES.get(word.upper(), UNKNOWN)
            if found:
                return found
    return UNKNOWN


def _level_in_words(head: str) -> int:
    """Look at each word: one in capitals is a level, another one only where its surroundings say so."""
    position = 0
    end = len(head)
    words = 0
    while position < end and words < _WORDS_MAX:
        while position < end and head[position] in " \t":
            position += 1
        start = position
        while position < end and head[position] not in " \t":
            position += 1
        word = head[start:position]
        if not word:
            break
        words += 1
        found = _level_of_word(word, words == 1, _is_field(head, start, position))
        if found:
            return found
    return UNKNOWN


def _is_field(head: str, start: int, end: int) -> bool:
    """Whether a word stands between tabs, bars or brackets, or between two dashes, as a column of a format does."""
    left = head[:start].rstrip(" ")
    right = head[end:].lstrip(" ")
    if right[:1] == "]":
        return True
    if left[-1:] == "\t":
        return right[:1] == "\t"
    return left[-1:] in ("|", "-") and right[:1] == left[-1:]


def _level_of_word(word: str, is_first: bool, is_field: bool) -> int:
    for prefix in ("level=", "lvl=", "severity=", "LEVEL="):
        if word.startswith(prefix):
            return _NAMES.get(word[len(prefix) :].strip(_TRIMMED).upper(), UNKNOWN)
    bare = word.strip(_TRIMMED)
    if not bare:
        return UNKNOWN
    upper = bare.upper()
    found = _NAMES.get(upper, UNKNOWN)
    if found:
        # `http` and `config` are words before they are levels: only their column tells.
        is_common = upper in ("HTTP", "CONFIG", "FAIL", "SUCCESS", "FINE", "ALERT")
        if is_field or (word[:1] in "[(<|" and word[-1:] in "])>|:"):
            return found
        if word[:1] == "[" and not is_common:
            return found  # `[info     ] message`, where the bracket closes after blanks
        if is_first and word[-1:] == ":":
            return found  # `warn: Category[0]`, `npm` and .NET
        return found if bare == upper and not is_common else UNKNOWN
    if "|" in bare:
        for column in bare.split("|")[1:-1]:  # time|WARN|logger|message, NLog
            found = _NAMES.get(column.upper(), UNKNOWN)
            if found:
                return found
    if ":" in bare and is_first:
        return _NAMES.get(bare.partition(":")[0], UNKNOWN)  # WARNING:root:message
    if "." in bare and word[-1:] == ":":
        last = bare.rpartition(".")[2]
        return _NAMES.get(last, UNKNOWN)  # app.WARNING: message, Monolog
    return UNKNOWN


def _level_of_value(value: object) -> int:
    """Level of a JSON value: a name, a number of one of the scales, or an object that holds either."""
    if isinstance(value, str):
        name = value.strip().upper()
        found = _NAMES.get(name, UNKNOWN)
        return _level_of_number(int(name)) if not found and name.isdigit() and len(name) <= 3 else found
    if isinstance(value, bool):
        return UNKNOWN
    if isinstance(value, int):
        return _level_of_number(value)
    if isinstance(value, dict):
        name_of = value.get("name")
        return _NAMES.get(name_of.upper(), UNKNOWN) if isinstance(name_of, str) else UNKNOWN
    return UNKNOWN


def _level_of_number(number: int) -> int:
    """A number under `level`: pino's and bunyan's 10 to 60, syslog's 0 to 7, Monolog's 100 to 600."""
    if number < 0:
        return UNKNOWN
    if number <= 7:
        return (CRITICAL, CRITICAL, CRITICAL, ERROR, WARN, INFO, INFO, DEBUG)[number]
    if number < 10 or number > 600:
        return UNKNOWN
    if number >= 100:
        if number >= 500:
            return CRITICAL
        return (DEBUG, INFO, WARN, ERROR)[number // 100 - 1]
    return min(number // 10, CRITICAL)


def _level_of_python_number(number: int) -> int:
    """A number of Python's `logging`: 10 to 50."""
    if number < 5:
        return UNKNOWN
    return min(number // 10 + 1, CRITICAL)


def _without_colours(head: str) -> str:
    """A text without the escape sequences that colour it on a terminal."""
    pieces: list[str] = []
    for index, piece in enumerate(head.split(_ESCAPE)):
        if index and piece[:1] == "[":
            position = 1
            while position < len(piece) and piece[position] in "0123456789;":
                position += 1
            piece = piece[position + 1 :]
        pieces.append(piece)
    return "".join(pieces)
