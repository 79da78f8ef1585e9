"""What the user wants of the lines. Imported by the reader of settings, so it imports next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thimble.core.logs.rules import LogRules

PLATFORM_OFF: Final = "off"
PLATFORM_REPORT: Final = "report"
PLATFORM_ALL: Final = "all"


class LineOptions:
    """What of the lines is sent; the default is everything.

    Attributes:
        rules: Processing rules, or None.
        min_level: The lowest level that is sent, one of `levels`; 0 for all.
        platform: `PLATFORM_OFF`, `PLATFORM_REPORT` or `PLATFORM_ALL`.
        keep: Words of a `KeepPolicy`; without any, lines below the level are dropped.
        durable_requests_max: Requests whose lines wait for their durable execution; 0 for none.
    """

    def __init__(
        self,
        rules: LogRules | None = None,
        min_level: int = 0,
        platform: str = PLATFORM_ALL,
        keep: Sequence[str] = (),
        durable_requests_max: int = 0,
    ) -> None:
        self.rules = rules
        self.min_level = min_level
        self.platform = platform
        self.keep = keep
        self.durable_requests_max = durable_requests_max

    @property
    def wants_traces(self) -> bool:
        """Whether anything depends on what tracers send."""
        return self.durable_requests_max > 0 or "trace" in self.keep
