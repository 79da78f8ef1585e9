"""Our own log on standard output: silent when all is well, and never often the same.

Every line is billed to the customer and comes back as telemetry, so a repeated failure speaks once per
`REPEAT_AFTER_MS` and then says how often it was silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.log_line import DEBUG, ERROR, INFO, WARN, log_line

if TYPE_CHECKING:
    from collections.abc import Callable

REPEAT_AFTER_MS: Final = 60_000
KEYS_MAX: Final = 64


class Log:
    """Writes the lines that the verbosity lets through.

    Args:
        verbosity: `OFF` ... `TRACE` of `core.codec.log_line`.
        write: Takes a descriptor and the bytes of whole lines; must not raise.
        clock_ms: Monotonic milliseconds.
    """

    def __init__(self, verbosity: int, write: Callable[[int, bytes], None], clock_ms: Callable[[], int]) -> None:
        self.verbosity = verbosity
        self._write = write
        self._clock_ms = clock_ms
        self._said_ms: dict[str, int] = {}
        self._silenced: dict[str, int] = {}

    def error(self, text: str) -> None:
        self._say(ERROR, "ERROR", text)

    def warn(self, text: str) -> None:
        self._say(WARN, "WARN", text)

    def info(self, text: str) -> None:
        self._say(INFO, "INFO", text)

    def debug(self, text: str) -> None:
        self._say(DEBUG, "DEBUG", text)

    def error_once(self, key: str, text: str) -> None:
        """An error that may repeat: once per minute and key, with the count of those left out."""
        now_ms = self._clock_ms()
        said_ms = self._said_ms.get(key, -1)
        if said_ms >= 0 and now_ms - said_ms < REPEAT_AFTER_MS:
            self._silenced[key] = self._silenced.get(key, 0) + 1
            return
        if len(self._said_ms) >= KEYS_MAX and key not in self._said_ms:
            self._said_ms.clear()
            self._silenced.clear()
        self._said_ms[key] = now_ms
        silenced = self._silenced.pop(key, 0)
        self.error(f"{text} ({silenced} more like this since the last line)" if silenced else text)

    def plain(self, text: str) -> None:
        """A line outside our format, for words that users and tests look for."""
        self._write(1, (text + "\n").encode("utf-8", "replace"))

    def plain_error(self, text: str) -> None:
        """As `plain`, on standard error."""
        self._write(2, (text + "\n").encode("utf-8", "replace"))

    def _say(self, verbosity: int, level: str, text: str) -> None:
        if verbosity <= self.verbosity:
            self._write(1, (log_line(level, text) + "\n").encode("utf-8", "replace"))
