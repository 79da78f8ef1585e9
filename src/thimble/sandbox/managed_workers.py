"""Workers of a managed instance: who waits for an invocation, and which invocations run."""

from __future__ import annotations

import asyncio
from collections import deque

from thimble.sandbox.runtime_side import Invocation
from thimble.sandbox.states import ApiRefusal


class ManagedRuntime:
    """Workers that wait, and invocations that run, of one generation."""

    def __init__(self) -> None:
        self._idle: deque[asyncio.Future[Invocation]] = deque()
        self._running: dict[str, Invocation] = {}
        self._timed_out: set[str] = set()

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    def begin_next(self) -> asyncio.Future[Invocation]:
        waiter: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        return waiter

    def abandon_next(self, waiter: asyncio.Future[Invocation]) -> None:
        """The worker went away."""
        if waiter in self._idle:
            self._idle.remove(waiter)

    def release(self, invocation: Invocation) -> bool:
        """Give the invocation to any idle worker; False when there is none."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                self._running[invocation.request_id] = invocation
                waiter.set_result(invocation)
                return True
        return False

    def take(self, request_id: str) -> Invocation:
        """The running invocation that a worker answers now.

        Raises:
            ApiRefusal: 410 after its timeout, 400 for an id that is not running.
        """
        if request_id in self._timed_out:
            raise ApiRefusal(410, "InvokeTimeout", "Invoke timeout")
        invocation = self._running.pop(request_id, None)
        if invocation is None:
            raise ApiRefusal(400, "InvalidRequestID", "Invalid request ID")
        return invocation

    def time_out(self, request_id: str) -> None:
        """The caller has its error; the worker may go on, its answer is refused."""
        self._running.pop(request_id, None)
        self._timed_out.add(request_id)
