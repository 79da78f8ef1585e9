"""The API key in use: the plain one, or one that a secret source delivers while the process runs.

A plain key costs nothing here: no task, no import. A secret is resolved in a task of its own, never in front of
`/next`; it is asked for at start-up, again at each invocation while it is missing, and again after the reload interval
if there is one, while the old key stays in use. A success is kept; after a failure the next attempt comes no sooner
than `RETRY_AFTER_MS` later, twice as late each time up to `RETRY_AFTER_MS_MAX`: a permission that somebody adds is
noticed within a minute, and a service that cannot be reached costs little.

How the secret is fetched is not known here: `thimble.shell.aws`, loaded by the first attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.errors import PeerError
from thimble.reactor.loop import NO_DEADLINE, Loop, Signal, Task
from thimble.shell.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

RETRY_AFTER_MS: Final = 10_000
RETRY_AFTER_MS_MAX: Final = 60_000

LATE_WAIT_MS: Final = 500
"""How long a flush is held for an attempt that is not the first: the first one has the flush's whole time."""


class KeyUnresolved(PeerError):
    """A secret source gave no key; the text says why and what to do, and holds no part of the secret."""


def clean_key(text: str) -> str:
    """A key without white space, which copying into a secret often adds; '' when nothing is left."""
    return "".join(text.split())


class ApiKeySource:
    """The key for every request, and whether one may still come.

    Args:
        clock_ms: Milliseconds that go on while the sandbox is frozen.
        plain_key: `DD_API_KEY`, used only without a secret source.
        resolve: Asks the secret source once; None when the plain key is all there is. Raises `KeyUnresolved`.
        reload_ms: Age at which a resolved key is fetched again; 0 for never.
        is_allowed: Whether the source may be asked before the first invocation; not under SnapStart, where the
            process is restored later, with other credentials.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        clock_ms: Callable[[], int],
        plain_key: str,
        resolve: Callable[[], Coroutine[Any, Any, str]] | None,
        reload_ms: int,
        is_allowed: bool,
    ) -> None:
        self._loop = loop
        self._log = log
        self._clock_ms = clock_ms
        self._resolve = resolve
        self._reload_ms = reload_ms
        self._is_allowed = is_allowed
        self._is_final = resolve is None
        """Whether the outcome stands for the rest of the process's life."""
        self._due_ms = 0
        self._failures = 0
        self._settled = Signal()
        self._task: Task | None = None
        self.value = clean_key(plain_key) if resolve is None else ""
        """The current key; '' while there is none."""

    @property
    def may_come(self) -> bool:
        """Whether a missing key can still arrive: what needs it is worth keeping."""
        return not self._is_final

    @property
    def is_resolving(self) -> bool:
        """Whether the source is being asked."""
        return self._task is not None

    def on_invoke(self) -> None:
        """An invocation has begun, so any snapshot is restored and the function's credentials are good."""
        self._is_allowed = True
        self.refresh()

    def refresh(self) -> None:
        """Ask the source if that is due, in a task of its own."""
        if self._is_final or self._task is not None or not self._is_allowed or self._clock_ms() < self._due_ms:
            return
        self._loop.clear_signal(self._settled)
        self._task = self._loop.spawn(self._attempt(), "api key")

    async def wait(self) -> None:
        """Wait for the end of the attempt under way: the first as long as it takes, a later one `LATE_WAIT_MS`."""
        if self._task is not None:
            is_first = not self.value and not self._failures
            await self._loop.wait_signal(
                self._settled, NO_DEADLINE if is_first else self._loop.deadline_in_ms(LATE_WAIT_MS)
            )

    async def _attempt(self) -> None:
        assert self._resolve is not None
        try:
            key = clean_key(await self._resolve())
            if not key:
                self._log.error_once("bad key", "API key has invalid format: the secret holds only white space.")
        except KeyUnresolved as error:
            key = ""
            self._log.error_once("key unresolved", f"Error decrypting key: {error}")
        except Exception as defect:  # ours; it must not end the attempts
            key = ""
            self._log.error_once("key unresolved", f"Error decrypting key: {type(defect).__name__}: {defect}")
        finally:
            self._task = None
            self._loop.set_signal(self._settled)
        if key:
            self.value = key
            self._failures = 0
            self._due_ms = self._clock_ms() + self._reload_ms
            self._is_final = self._reload_ms == 0
        else:
            self._due_ms = self._clock_ms() + min(RETRY_AFTER_MS << min(self._failures, 8), RETRY_AFTER_MS_MAX)
            self._failures += 1
