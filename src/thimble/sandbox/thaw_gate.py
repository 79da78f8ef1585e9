"""A clock that stands still while the environment is frozen, and waits that follow it."""

from __future__ import annotations

import asyncio
import time
from typing import Any


class ThawGate:
    """Open while the environment runs. All times are seconds on the gate's own clock, which counts thawed time only."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._opened.set()
        self._closed = asyncio.Event()
        self._frozen_s = 0.0
        self._closed_at_s = 0.0

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def close(self) -> None:
        if self.is_open:
            self._closed_at_s = time.monotonic()
            self._opened.clear()
            self._closed.set()

    def open(self) -> None:
        if not self.is_open:
            self._frozen_s += time.monotonic() - self._closed_at_s
            self._closed.clear()
            self._opened.set()

    def now_s(self) -> float:
        return (time.monotonic() if self.is_open else self._closed_at_s) - self._frozen_s

    async def wait_open(self) -> None:
        await self._opened.wait()

    async def wait_event(self, event: asyncio.Event, until_s: float | None) -> None:
        """Return when `event` is set, at `until_s`, or at the next freeze; the caller looks again."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._closed.wait())]
        try:
            limit = None if until_s is None else max(until_s - self.now_s(), 0.0)
            await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def sleep(self, seconds: float) -> None:
        """Sleep for so much thawed time."""
        until_s = self.now_s() + seconds
        never = asyncio.Event()
        while True:
            await self.wait_open()
            if self.now_s() >= until_s:
                return
            await self.wait_event(never, until_s)

    async def finishes(self, task: asyncio.Task[Any], seconds: float) -> bool:
        """Wait for `task`, at most so much thawed time; True when it is done."""
        until_s = self.now_s() + seconds
        while not task.done():
            if self.now_s() >= until_s:
                return False
            await asyncio.wait([task], timeout=max(until_s - self.now_s(), 0.001))
            if not self.is_open and not task.done():
                await self.wait_open()
        return True
