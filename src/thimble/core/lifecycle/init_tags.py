"""How the sandbox came to its first invocation, and the tags that tell it.

Only the first invocation can be cold, or proactive: served by a sandbox that was made well before it. A tag list is one
and the same object until a tag changes, so that whoever takes it in can recognise it.

Source: specification of metrics, "cold_start and proactive initialisation" and "Common rules".
"""

from __future__ import annotations

from typing import Final

from thimble.core.lifecycle.invocation_records import COLD, INIT_UNKNOWN, PROACTIVE, WARM, InvocationRecord

PROACTIVE_AFTER_MS: Final = 10_000
"""A first invocation that comes later than this after the start found a sandbox that was made in advance."""

_DURABLE: Final = "DurableFunction"
_NOT_RESTORED: Final = -1


class InitTags:
    """The state of the sandbox that tags tell.

    Args:
        is_snap_start: The sandbox is restored from a snapshot; the time of the restoration counts.
        started_ms: When the process started, on the clock of every `clock_ms` here (monotonic milliseconds).

    Attributes:
        state: How the newest invocation began: `INIT_UNKNOWN` until there is one.
    """

    def __init__(self, is_snap_start: bool, started_ms: int) -> None:
        self.state = INIT_UNKNOWN
        self._is_snap_start = is_snap_start
        self._started_ms = started_ms
        self._restored_ms = _NOT_RESTORED
        self._runtime = ""
        self._init_type = ""
        self._is_durable = False
        self._lists: dict[int, list[str]] = {}

    @property
    def runtime(self) -> str:
        """Value of the `runtime` tag; '' until it is set."""
        return self._runtime

    def set_runtime(self, runtime: str) -> None:
        self._runtime = runtime
        self._lists.clear()

    def set_init_type(self, init_type: str) -> None:
        self._init_type = init_type
        self._lists.clear()

    def set_runtime_version(self, version: str | None) -> None:
        """The version of the runtime tells whether the function is durable; for the life of the sandbox."""
        if version is not None and _DURABLE in version and not self._is_durable:
            self._is_durable = True
            self._lists.clear()

    def on_restore_start(self, clock_ms: int) -> None:
        self._restored_ms = clock_ms

    def begin(self, clock_ms: int) -> int:
        """Another invocation begins, or the instance that will serve the first one: how, as `COLD` and its like."""
        self.state = WARM if self.state != INIT_UNKNOWN else self._first_state(clock_ms)
        return self.state

    def _first_state(self, clock_ms: int) -> int:
        since_ms = self._started_ms
        if self._is_snap_start:
            if self._restored_ms == _NOT_RESTORED:
                return COLD
            since_ms = self._restored_ms
        return PROACTIVE if clock_ms - since_ms > PROACTIVE_AFTER_MS else COLD

    def now(self) -> list[str]:
        """The tags of the sandbox now. Not to be changed."""
        return self._tags(self.state)

    def of(self, record: InvocationRecord) -> list[str]:
        """The tags of an invocation: as it began; one that was never invoked has those of the sandbox."""
        return self._tags(record.init_state or self.state)

    def _tags(self, state: int) -> list[str]:
        tags = self._lists.get(state)
        if tags is None:
            tags = []
            if state != INIT_UNKNOWN:
                tags.append("cold_start:true" if state == COLD else "cold_start:false")
                if state == PROACTIVE:
                    tags.append("proactive_initialization:true")
                if self._runtime:
                    tags.append("runtime:" + self._runtime)
            if self._is_durable:
                tags.append("durable_function:true")
            if self._init_type:
                tags.append("init_type:" + self._init_type)
            self._lists[state] = tags
        return tags
