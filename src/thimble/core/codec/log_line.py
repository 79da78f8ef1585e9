"""Our own log lines: one JSON object per line, and which of them `DD_LOG_LEVEL` lets through.

The key is `status`, not `level`: CloudWatch filters on `level`. Every line is billed to the customer and comes back to
us as an `extension` log, so nothing is written when all is well.
"""

from __future__ import annotations

from typing import Final

OFF: Final = 0
ERROR: Final = 1
WARN: Final = 2
INFO: Final = 3
DEBUG: Final = 4
TRACE: Final = 5

LEVEL_NAMES: Final = ("OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
"""Names by verbosity; what `log_line` takes as `level`, `OFF` excepted."""

VALID_LEVELS: Final = "error, warn, info, debug, trace, off"
"""For the sentence that a bad level gets."""

_VERBOSITY: Final = {
    "off": 0,
    "critical": 1,
    "error": 1,
    "warning": 2,
    "warn": 2,
    "info": 3,
    "debug": 4,
    "trace": 5,
}

_ESCAPES: Final = {
    0x00: "\\u0000", 0x01: "\\u0001", 0x02: "\\u0002", 0x03: "\\u0003", 0x04: "\\u0004", 0x05: "\\u0005",
    0x06: "\\u0006", 0x07: "\\u0007", 0x08: "\\u0008", 0x09: "\\t", 0x0A: "\\n", 0x0B: "\\u000B",
    0x0C: "\\u000C", 0x0D: "\\r", 0x0E: "\\u000E", 0x0F: "\\u000F", 0x10: "\\u0010", 0x11: "\\u0011",
    0x12: "\\u0012", 0x13: "\\u0013", 0x14: "\\u0014", 0x15: "\\u0015", 0x16: "\\u0016", 0x17: "\\u0017",
    0x18: "\\u0018", 0x19: "\\u0019", 0x1A: "\\u001A", 0x1B: "\\u001B", 0x1C: "\\u001C", 0x1D: "\\u001D",
    0x1E: "\\u001E", 0x1F: "\\u001F", 0x22: '\\"', 0x5C: "\\\\",
}  # fmt: skip


def log_line(level: str, text: str) -> str:
    """One log line without its line feed.

    Args:
        level: `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
        text: Any text; quotes, backslashes and controls are escaped, all else stays as it is.
    """
    return f'{{"status":"{level}","message":"DD_EXTENSION | {level} | {text.translate(_ESCAPES)}"}}'


def parse_level(text: str) -> int:
    """Verbosity of a value of `DD_LOG_LEVEL` (any case, blanks around it allowed), or -1 when it means nothing.

    `off` silences all; `warning` and `critical`, words of other loggers, are taken as `warn` and `error`.
    """
    return _VERBOSITY.get(text.strip().lower(), -1)


def is_shown(level: str, verbosity: int) -> bool:
    """Whether a line of `level` passes at `verbosity` (`OFF` ... `TRACE`); an unknown level passes as an error does."""
    return _VERBOSITY.get(level.lower(), ERROR) <= verbosity
