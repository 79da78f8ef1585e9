"""The runtime of one generation: its state machine, the invocation it holds, and the answer it gave."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from thimble.sandbox import states
from thimble.sandbox.states import RUNTIME_TABLE, RUNTIME_TARGETS, ApiRefusal, InvalidTransition

RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100
"""Buffered response limit. Source: AWS runtime interface emulator (6 MiB and 100 bytes)."""

_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


def clean_error_type(value: str | None) -> str:
    """What the platform keeps of `Lambda-Runtime-Function-Error-Type`."""
    if value and _ERROR_TYPE.fullmatch(value):
        return value
    return "Function.Unknown" if value and value.startswith("Function.") else "Runtime.Unknown"


@dataclass
class Answer:
    """What the caller of an invocation gets."""

    payload: bytes
    function_error: str | None = None
    error_type: str | None = None
    """Set when the platform answered, or counts the invocation as failed."""
    status_code: int = 200


@dataclass
class Invocation:
    """One invocation on its way through an environment. Times are monotonic nanoseconds."""

    request_id: str
    payload: bytes
    called_ns: int
    trace: str | None = None
    client_context: str | None = None
    cognito_identity: str | None = None
    tenant_id: str | None = None
    start_ns: int = 0
    """t0: the function's timeout counts from here."""
    deadline_ns: int = 0
    deadline_wall_ms: int = 0
    is_cold: bool = False
    init_duration_ms: float | None = None
    restore_ms: float | None = None
    run_ns: int | None = None
    response_first_ns: int | None = None
    response_last_ns: int | None = None
    is_response: bool = False
    """True once `/response` was called (not `/error`)."""
    produced_bytes: int = 0
    runtime_done_ns: int | None = None
    is_runtime_done_sent: bool = False
    error_type: str | None = None
    """Error type for `runtimeDone` and `report` when the response itself was refused."""
    posted_error_type: str | None = None
    answered: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    answered_ns: int | None = None
    report: dict[str, object] | None = None
    runtime_done: dict[str, object] | None = None
    post_runtime_ms: float = 0.0
    error: str | None = None
    logs: list[dict[str, object]] = field(default_factory=list)
    generation: int = 0

    def answer(self, answer: Answer, now_ns: int) -> None:
        """Give the caller its answer; only the first one counts."""
        if not self.answered.done():
            self.answered_ns = now_ns
            self.answered.set_result(answer)


class RuntimeSide:
    """The runtime's view of the Runtime API (one worker)."""

    def __init__(self) -> None:
        self.state = states.STARTED
        self.current: Invocation | None = None
        self.first_next_ns: int | None = None
        self.restore_ready_ns: int | None = None
        self.init_error: Answer | None = None
        self._waiter: asyncio.Future[Invocation] | None = None
        self._restore_waiter: asyncio.Future[None] | None = None
        self._remembered: Invocation | None = None

    @property
    def is_waiting(self) -> bool:
        return self.state == states.READY and self._remembered is None

    def act(self, action: str) -> None:
        """Take one step of the table.

        Raises:
            ApiRefusal: 403 `InvalidStateTransition`.
        """
        try:
            self.state = states.step(RUNTIME_TABLE, RUNTIME_TARGETS, self.state, action)
        except InvalidTransition as refusal:
            raise ApiRefusal(403, "InvalidStateTransition", refusal.text("runtime")) from None

    def begin_next(self, now_ns: int) -> asyncio.Future[Invocation]:
        """Enter `invocation/next`. A repeated call during an invocation gets the same invocation again."""
        waiter: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        before = self.state
        if before == states.READY and self._waiter is None:
            before = self.state = states.RESPONSE_SENT if self.first_next_ns else states.STARTED
        self.act("next")
        if before == states.RUNNING:
            assert self.current is not None
            waiter.set_result(self.current)
            return waiter
        if self.first_next_ns is None:
            self.first_next_ns = now_ns
        if self.current is not None and self.current.runtime_done_ns is None:
            self.current.runtime_done_ns = now_ns
        if self._remembered is not None:
            invocation, self._remembered = self._remembered, None
            self._hand_out(invocation, waiter)
        else:
            self._waiter = waiter
        return waiter

    def release(self, invocation: Invocation) -> None:
        """Hand out an invocation, at once or to the `next` that will come."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            self._hand_out(invocation, waiter)
        else:
            self._remembered = invocation

    def _hand_out(self, invocation: Invocation, waiter: asyncio.Future[Invocation]) -> None:
        self.act("release")
        self.current = invocation
        waiter.set_result(invocation)

    def abandon_next(self, waiter: asyncio.Future[Invocation]) -> None:
        """The client went away while it waited; a retried `next` is served as if it were the first."""
        if self._waiter is waiter:
            self._waiter = None

    def begin_restore(self, now_ns: int) -> asyncio.Future[None]:
        """Enter `restore/next`, which ends when the snapshot is resumed."""
        self.act("restore_next")
        self.restore_ready_ns = now_ns
        self._restore_waiter = asyncio.get_running_loop().create_future()
        return self._restore_waiter

    def release_restore(self) -> None:
        self.act("release")
        if self._restore_waiter is not None and not self._restore_waiter.done():
            self._restore_waiter.set_result(None)

    def invocation_for(self, request_id: str) -> Invocation:
        """The current invocation, if it is the one named.

        Raises:
            ApiRefusal: 400 `InvalidRequestID`.
        """
        if self.current is None or self.current.request_id != request_id:
            raise ApiRefusal(400, "InvalidRequestID", "Invalid request ID")
        return self.current
