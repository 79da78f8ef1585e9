"""Why a scan of a telemetry body stopped. Both twins answer with these."""

from __future__ import annotations

from typing import Final

END: Final = 0
"""The body is used up; the payload may be full now."""

FULL: Final = 1
"""The payload has no room for the next entry; `position` is its event."""

EVENT: Final = 2
"""An event that is left to the caller lies at `event_start..event_end`; `position` is behind it."""

CUT: Final = 3
"""The object that begins at `event_start` is not closed before the body ends, at `event_end`."""

GARBAGE: Final = 4
"""What lies at `event_start..event_end` is no object; `position` is behind it."""
