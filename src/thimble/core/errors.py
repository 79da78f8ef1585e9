"""Errors of the core: who did wrong decides what may happen next.

`InputError` is bytes or text from outside that cannot be used: drop it, count it by `reason`, go on. `PeerError` is a
peer that failed or refused: it may be tried again. `UsageError` is our own mistake: it is never dropped or retried.
Each area adds its own few classes below these three; a message names the value and the limit.
"""

from __future__ import annotations

from typing import ClassVar


class ThimbleError(Exception):
    """Base of every error that this package raises knowingly."""


class InputError(ThimbleError):
    """Input from outside that cannot be used; `reason` is the word under which the loss is counted."""

    reason: ClassVar[str] = "bad_input"


class PeerError(ThimbleError):
    """A peer (platform, intake, AWS) failed or refused; `reason` is the class of failure."""

    reason: ClassVar[str] = "peer_failed"


class UsageError(ThimbleError):
    """Our own code broke a rule of the module that it used."""
