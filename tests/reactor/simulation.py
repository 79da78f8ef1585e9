"""Random schedules for the event loop, on a world whose clock and descriptors are made up.

The world keeps a list of what will happen outside (a descriptor becomes ready, the process is frozen) and knows, other
than the loop, how much time the process has really lived. Tasks follow random programs and check each wait as it ends;
`simulate` checks what only the end can tell.
"""

from __future__ import annotations

from random import Random
from typing import Any

from thimble.reactor.errors import Cancelled, DeadlinePassed
from thimble.reactor.loop import EPOLLIN, EPOLLOUT, EPOLLRDHUP, NO_DEADLINE, READ, WRITE, Loop, Signal, Task

MS = 1_000_000
HORIZON_MS = 60_000
FREEZE_MS_MIN = 3_000
FREEZE_MS_MAX = 7_200_000
LATENESS_MS_MAX = 1_002
"""A deadline may be late by a slice for each freeze, and by the poll's own rounding."""


class World:
    """Clock and poller at once. Descriptors are edge-triggered, as epoll's are."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.clock_ns = random.randrange(1, 10**12)
        self.lived_ns = 0
        self.freezes = 0
        self.polls = 0
        self.ready: dict[tuple[int, int], bool] = {}
        self.edges: dict[int, int] = {}
        self.outside: list[tuple[int, str, int, int]] = []
        """`(clock_ns, what, fd or duration, direction)`, soonest last."""

    def now(self) -> int:
        return self.clock_ns

    def plan(self, after_ms: int, what: str, number: int, direction: int = 0) -> None:
        self.outside.append((self.clock_ns + after_ms * MS, what, number, direction))
        self.outside.sort(reverse=True)

    def live(self, duration_ns: int) -> None:
        self.clock_ns += duration_ns
        self.lived_ns += duration_ns

    def freeze(self, duration_ns: int) -> None:
        self.clock_ns += duration_ns
        self.freezes += 1

    # --- the poller's methods -----------------------------------------------------------------------------------

    def register(self, fd: int, mask: int) -> None:
        for direction in (READ, WRITE):
            self.ready.setdefault((fd, direction), False)

    def unregister(self, fd: int) -> None:
        self.edges.pop(fd, None)

    def poll(self, timeout: float, count_max: int) -> list[tuple[int, int]]:
        self.polls += 1
        until_ns = self.clock_ns + int(timeout * 1e9)
        is_interrupted = False
        while True:
            while self.outside and self.outside[-1][0] <= self.clock_ns:
                _, what, number, direction = self.outside.pop()
                if what == "ready":
                    self.become_ready(number, direction)
                else:
                    self.freeze(number * MS)
                    # A poll that is stopped and continued may come back with nothing, whatever is ready.
                    is_interrupted = self.random.random() < 0.5
            if is_interrupted:
                return []
            if self.edges:
                found = list(self.edges.items())[:count_max]
                for fd, _ in found:
                    del self.edges[fd]
                return found
            if self.clock_ns >= until_ns:
                return []
            next_ns = min(self.outside[-1][0], until_ns) if self.outside else until_ns
            self.live(max(next_ns - self.clock_ns, 0))

    def become_ready(self, fd: int, direction: int) -> None:
        self.ready[(fd, direction)] = True
        mask = EPOLLIN if direction == READ else EPOLLOUT
        if self.random.random() < 0.1:
            mask |= EPOLLRDHUP | EPOLLIN
        self.edges[fd] = self.edges.get(fd, 0) | mask

    def take(self, fd: int, direction: int) -> bool:
        """What a system call would do: True when it went through, False for EAGAIN."""
        was_ready = self.ready[(fd, direction)]
        self.ready[(fd, direction)] = False
        return was_ready


class Run:
    """One schedule: what its tasks share and what they observe."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.world = World(random)
        self.errors: list[Task] = []
        self.loop = Loop(self.world, self.world.now, self.errors.append)  # type: ignore[arg-type]
        self.signals = [Signal() for _ in range(3)]
        self.spawned: list[Task] = []
        self.cancelled: list[Task] = []
        self.waits_begun = 0
        self.waits_ended = 0
        self.bodies_begun = 0
        self.bodies_ended = 0
        self.expiries: list[tuple[int, int, int]] = []
        """`(deadline, poll before which it was armed, poll that ended it)` of each deadline that came first."""
        self.stuck: list[tuple[int, int]] = []
        """Descriptors that tasks wait for without a deadline."""

    async def wait(self, awaitable: Any, duration_ms: int, deadline_ns: int, lived_from_ns: int) -> bool:
        """Await something with a deadline; check that the deadline was neither early nor far too late."""
        polls, freezes = self.world.polls, self.world.freezes
        self.waits_begun += 1
        try:
            happened = await awaitable
        except DeadlinePassed:
            happened = False
        finally:
            self.waits_ended += 1
        if happened is False:
            lived_ns = self.world.lived_ns - lived_from_ns
            frozen = self.world.freezes - freezes
            assert lived_ns >= duration_ms * MS, f"{duration_ms} ms deadline after {lived_ns / MS} ms"
            assert self.loop.now_ns() >= deadline_ns
            assert lived_ns <= (duration_ms + LATENESS_MS_MAX * (frozen + 1) + self.busy_ms) * MS, "far too late"
            self.expiries.append((deadline_ns, polls, self.world.polls))
        return happened is not False

    busy_ms = 0

    async def program(self, number: int, depth: int) -> int:
        """A task that does a few random things."""
        self.bodies_begun += 1
        fd = 10 * number
        self.loop.watch(fd)
        self.world.register(fd, 0)
        try:
            for _ in range(self.random.randrange(1, 6)):
                await self.step(fd, number, depth)
            return number
        finally:
            self.loop.forget(fd)
            self.bodies_ended += 1

    async def step(self, fd: int, number: int, depth: int) -> None:
        random, loop = self.random, self.loop
        what = random.choice(("sleep", "fd", "fd", "signal", "set", "clear", "spawn", "cancel", "pause", "work"))
        duration_ms = random.choice((0, 1, 1, 7, 50, 50, 400, 2_500, 20_000))
        lived_ns = self.world.lived_ns
        deadline_ns = loop.deadline_in_ms(duration_ms)
        if what == "sleep":
            await self.wait(self.expiring(deadline_ns), duration_ms, deadline_ns, lived_ns)
        elif what == "fd":
            await self.use_descriptor(fd, random.choice((READ, WRITE)), duration_ms)
        elif what == "signal":
            await self.wait(
                loop.wait_signal(random.choice(self.signals), deadline_ns), duration_ms, deadline_ns, lived_ns
            )
        elif what == "set":
            loop.set_signal(random.choice(self.signals))
        elif what == "clear":
            loop.clear_signal(random.choice(self.signals))
        elif what == "spawn" and depth < 3:
            child = self.spawn(depth + 1)
            if await self.wait(loop.join(child, deadline_ns), duration_ms, deadline_ns, lived_ns):
                assert child.is_done
        elif what == "cancel":
            self.cancel(random.choice(self.spawned))
        elif what == "pause":
            await loop.pause()
        elif what == "work":
            self.world.live(random.randrange(30 * MS))
            self.busy_ms += 30
            if random.random() < 0.2:
                self.world.freeze(random.randrange(FREEZE_MS_MIN, FREEZE_MS_MAX) * MS)

    async def expiring(self, deadline_ns: int) -> bool:
        await self.loop.sleep_until(deadline_ns)
        return False

    async def use_descriptor(self, fd: int, direction: int, duration_ms: int) -> None:
        """Try, and wait after EAGAIN, as every user of the loop does."""
        random, world = self.random, self.world
        if random.random() < 0.8:
            world.plan(random.choice((0, 1, 49, 50, 51, 399, 5_000)), "ready", fd, direction)
        deadline_ns = self.loop.deadline_in_ms(duration_ms)
        lived_ns = world.lived_ns
        if random.random() < 0.2:
            deadline_ns = NO_DEADLINE
            self.stuck.append((fd, direction))
        try:
            while not world.take(fd, direction):
                if random.random() < 0.2:
                    await self.loop.pause()  # the edge may come now, while nobody waits
                    if world.ready[(fd, direction)] and random.random() < 0.5:
                        continue
                wait = self.loop.wait_fd(fd, direction, deadline_ns)
                if not await self.wait(wait, duration_ms, deadline_ns, lived_ns):
                    assert not world.ready[(fd, direction)], "a deadline won against a ready descriptor"
                    return
        finally:
            if deadline_ns == NO_DEADLINE:
                self.stuck.remove((fd, direction))

    def spawn(self, depth: int) -> Task:
        task = self.loop.spawn(self.program(len(self.spawned) + 1, depth), f"task {len(self.spawned) + 1}")
        self.spawned.append(task)
        return task

    def cancel(self, task: Task) -> None:
        self.loop.cancel(task)
        self.cancelled.append(task)

    async def main(self) -> str:
        for _ in range(self.random.randrange(1, 5)):
            self.spawn(0)
        for _ in range(self.random.randrange(3)):
            freeze_ms = self.random.randrange(FREEZE_MS_MIN, FREEZE_MS_MAX)
            self.world.plan(self.random.choice((0, 1, 50, 300, 4_000)), "freeze", freeze_ms)
        await self.loop.sleep_ms(HORIZON_MS)
        for fd, direction in self.stuck:
            assert not self.world.ready[(fd, direction)], "a wake-up was lost"
        for task in self.loop.tasks[:]:
            if task.name != "main":
                self.loop.cancel(task)
                self.cancelled.append(task)
        for task in self.spawned:
            assert await self.loop.join(task, self.loop.deadline_in_ms(1_000)), "a cancelled task did not end"
        return "over"


def simulate(random: Random) -> Run:
    """Run one schedule and check that everything has ended, once, in order and without an error."""
    run = Run(random)
    try:
        assert run.loop.run(run.main()) == "over"
        for task in run.errors:
            assert task.error is not None
            raise task.error
    finally:
        for task in run.loop.tasks:  # only after a failure: their coroutines would complain
            task.coroutine.close()
    assert run.loop.tasks == []
    assert run.waits_begun == run.waits_ended
    assert [signal for signal in run.signals if signal._waits] == [], "a wait that ended still hangs on its signal"
    assert run.bodies_begun == run.bodies_ended == len(run.spawned)
    for task in run.spawned:
        assert task.is_done
        assert task.error is None or isinstance(task.error, Cancelled)
        assert task in run.cancelled or isinstance(task.result, int)
    for (first_ns, _, first_end), (second_ns, second_begin, _) in zip(run.expiries, run.expiries[1:], strict=False):
        if second_begin < first_end:
            assert first_ns <= second_ns, "timers fired out of order"
    return run
