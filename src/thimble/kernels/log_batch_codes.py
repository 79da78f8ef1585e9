"""Why a scan of a telemetry body stopped. Both twins of the scanner answer with these."""

from __future__ import annotations

from typing import Final

END: Final = 0
"""The body is used up."""

FULL: Final = 1
"""The next entry does not fit in the room that was given; `position` is its event."""

EVENT: Final = 2
"""An event that the scanner leaves to its caller lies at `event_start..event_end`; `position` is behind it."""

CUT: Final = 3
"""The object that begins at `event_start` is not closed before the body ends, at `event_end`."""

GARBAGE: Final = 4
"""What lies at `event_start..event_end` is no object; `position` is behind it."""
