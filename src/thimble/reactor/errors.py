"""What waiting can end with besides the thing that was waited for."""

from __future__ import annotations


class ReactorError(Exception):
    """Anything that a wait raises."""


class DeadlinePassed(ReactorError):
    """The deadline of a wait came first."""


class ConnectionFailed(ReactorError):
    """A connection could not be made, broke, or ended where more was expected."""


class NameNotResolved(ConnectionFailed):
    """The host name has no address."""


class ConnectionRefused(ConnectionFailed):
    """Nobody listens at the address."""


class TlsFailed(ConnectionFailed):
    """The TLS handshake or a record failed; the text names the reason."""


class Cancelled(BaseException):
    """The owner of a task ended it. Raised inside the task, at the wait where it stands."""
