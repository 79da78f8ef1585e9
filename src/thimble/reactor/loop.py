"""The event loop: tasks on epoll, nothing more.

A task is a coroutine. Where it must wait it awaits a `Wait`, which yields itself to the loop; the loop resumes the task
when the descriptor is ready, the signal is set, or the deadline has passed, whichever comes first. So there is one way
to wait, and every wait can have a deadline.

Descriptors are registered once, edge-triggered, for reading and writing. A caller tries its system call first and waits
only after EAGAIN; an edge that comes while nobody waits is remembered in `_Watch`. That costs one `epoll_ctl` per
connection instead of two per wait.

Time is monotonic nanoseconds as the loop has lived them. Lambda freezes the process between invocations, and a stopped
process finds on its return that hours have passed. So the time between two looks at the clock, less what a poll was
asked to take, counts as frozen when it is longer than any work explains, and is taken off the clock (`frozen_ns`).
Deadlines hence measure time in which the process could have done something. When in a poll the freeze began cannot be
known, so the whole poll is taken off, and while a timer runs no poll lasts longer than `SLICE_SECONDS`: a freeze makes
a deadline late by that much at most, and never early. Ready descriptors always win against a deadline that is due too.

Structured by convention: whoever spawns a task joins or cancels it; `Loop.run` ends with its main task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import Cancelled, DeadlinePassed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from select import epoll
    from typing import Any


NO_DEADLINE: Final = 0
READ: Final = 1
WRITE: Final = 2

EPOLLIN: Final = 0x001
EPOLLOUT: Final = 0x004
EPOLLERR: Final = 0x008
EPOLLHUP: Final = 0x010
EPOLLRDHUP: Final = 0x2000
EPOLLET: Final = 1 << 31
_WATCHED: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_READABLE: Final = EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP
_WRITABLE: Final = EPOLLOUT | EPOLLERR | EPOLLHUP

EVENTS_PER_POLL: Final = 64
FREEZE_NS: Final = 1_500_000_000
"""A delay that no scheduler explains: from here on it counts as a freeze."""
SLICE_SECONDS: Final = 1.0
"""The longest poll while a timer runs."""
POLL_SECONDS_MAX: Final = 86400.0
"""The longest poll while none does."""


class Signal:
    """A flag that tasks wait for: set once, it lets every waiter go, and stays set until `clear`."""

    def __init__(self) -> None:
        self.is_set = False
        self._waits: list[Wait] = []


class Wait:
    """One thing that one task waits for. `await` gives True when it happened, False when the deadline came first."""

    def __init__(self, fd: int, direction: int, signal: Signal | None, deadline_ns: int) -> None:
        self.fd = fd
        self.direction = direction
        self.signal = signal
        self.deadline_ns = deadline_ns
        self.happened = False
        self.timer_index = -1
        self.task: Task | None = None

    def __await__(self) -> Generator[Wait, None, bool]:
        yield self
        return self.happened


class Task:
    """A running coroutine, as its owner sees it."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], name: str) -> None:
        self.name = name
        self.coroutine = coroutine
        self.done = Signal()
        self.result: object = None
        self.error: BaseException | None = None
        self.wait: Wait | None = None
        self.is_begun = False
        self.is_cancelled = False

    @property
    def is_done(self) -> bool:
        return self.done.is_set


class _Watch:
    """A registered descriptor: who waits for it, and the edges that came while nobody did."""

    def __init__(self) -> None:
        self.reader: Wait | None = None
        self.writer: Wait | None = None
        self.is_readable = False
        self.is_writable = False


class Loop:
    """Runs tasks until the main one is done."""

    def __init__(self, poller: epoll, clock: Callable[[], int], on_task_error: Callable[[Task], None]) -> None:
        """Make a loop without tasks.

        Args:
            poller: A `select.epoll`, or something with its methods.
            clock: Monotonic nanoseconds.
            on_task_error: Called for a task that ended with an exception other than `Cancelled` and that nobody joins.
        """
        self._poller = poller
        self._clock = clock
        self._on_task_error = on_task_error
        self._watches: dict[int, _Watch] = {}
        self._timed: list[Wait] = []
        self._ready: list[Task] = []
        self._main: Task | None = None
        self.tasks: list[Task] = []
        self.frozen_ns = 0
        self._freezes = 0
        self._seen_ns = clock()

    # --- time ---------------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Monotonic time without the time that the process was frozen."""
        return self._look(0)

    @property
    def freezes(self) -> int:
        """Freezes until now. Looks at the clock: one may have come while a task ran, since the last poll."""
        self._look(0)
        return self._freezes

    def _look(self, asked_ns: int) -> int:
        """Look at the clock, `asked_ns` after the last look if nothing stopped us."""
        clock_ns = self._clock()
        took_ns = clock_ns - self._seen_ns
        self._seen_ns = clock_ns
        if took_ns - asked_ns >= FREEZE_NS:
            self.frozen_ns += took_ns
            self._freezes += 1
        return clock_ns - self.frozen_ns

    def deadline_in_ms(self, ms: int) -> int:
        """The deadline that lies `ms` ahead; at least 1, so that it never means `NO_DEADLINE`."""
        return max(self.now_ns() + ms * 1_000_000, 1)

    # --- tasks --------------------------------------------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, object], name: str) -> Task:
        task = Task(coroutine, name)
        self.tasks.append(task)
        self._ready.append(task)
        return task

    def cancel(self, task: Task) -> None:
        """End a task at the wait where it stands, or at its first one. Join it to know that it is over."""
        if task.is_done:
            return
        task.is_cancelled = True
        wait = task.wait
        if wait is not None:
            self._resume(wait, False)

    async def join(self, task: Task, deadline_ns: int = NO_DEADLINE) -> bool:
        """Wait for the end of a task: False when the deadline came first."""
        return await self.wait_signal(task.done, deadline_ns)

    def run(self, main: Coroutine[Any, Any, object]) -> object:
        """Run until `main` returns, and return its result or raise its error."""
        task = self.spawn(main, "main")
        self._main = task
        while not task.is_done:
            self.turn()
        if task.error is not None:
            raise task.error
        return task.result

    # --- waiting ------------------------------------------------------------------------------------------------

    async def wait_fd(self, fd: int, direction: int, deadline_ns: int = NO_DEADLINE) -> None:
        """Wait until a descriptor may be read (`READ`) or written (`WRITE`).

        Raises:
            DeadlinePassed: It was not ready in time.
        """
        if not await Wait(fd, direction, None, deadline_ns):
            raise DeadlinePassed("timed out")

    async def wait_signal(self, signal: Signal, deadline_ns: int = NO_DEADLINE) -> bool:
        """Wait until a signal is set: False when the deadline came first."""
        if signal.is_set:
            return True
        return await Wait(-1, 0, signal, deadline_ns)

    async def sleep_until(self, deadline_ns: int) -> None:
        await Wait(-1, 0, None, max(deadline_ns, 1))

    async def sleep_ms(self, ms: int) -> None:
        await Wait(-1, 0, None, self.deadline_in_ms(ms))

    async def pause(self) -> None:
        """Let everybody else have a turn. For whoever would otherwise never wait, its work being always there."""
        await Wait(-1, 0, None, NO_DEADLINE)

    def set_signal(self, signal: Signal) -> None:
        signal.is_set = True
        waits, signal._waits = signal._waits, []
        for wait in waits:
            self._resume(wait, True)

    def clear_signal(self, signal: Signal) -> None:
        signal.is_set = False

    # --- descriptors --------------------------------------------------------------------------------------------

    def watch(self, fd: int) -> None:
        """Register a non-blocking descriptor. `forget` it before it is closed."""
        self._poller.register(fd, _WATCHED)
        self._watches[fd] = _Watch()

    def forget(self, fd: int) -> None:
        """Take a descriptor out. Tasks that wait for it go on, and find it closed."""
        watch = self._watches.pop(fd, None)
        if watch is None:
            return
        self._poller.unregister(fd)
        if watch.reader is not None:
            self._resume(watch.reader, True)
        if watch.writer is not None:
            self._resume(watch.writer, True)

    # --- one turn -----------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Step every ready task once, then poll."""
        ready, self._ready = self._ready, []
        for task in ready:
            self._step(task)
        if self._main is not None and self._main.is_done:
            return
        now_ns = self._look(0)
        timeout = 0.0 if self._ready else self._seconds_to_next_timer(now_ns)
        events = self._poller.poll(timeout, EVENTS_PER_POLL)
        now_ns = self._look(int(timeout * 1e9))
        for fd, mask in events:
            self._wake(fd, mask)
        if self._timed:
            self._expire(now_ns, 0 < len(events) < EVENTS_PER_POLL)

    def _seconds_to_next_timer(self, now_ns: int) -> float:
        """How long to poll when no task is ready."""
        if not self._timed:
            return POLL_SECONDS_MAX
        next_ns = self._timed[0].deadline_ns
        for wait in self._timed:
            if wait.deadline_ns < next_ns:
                next_ns = wait.deadline_ns
        ahead_ns = next_ns - now_ns
        # A poll that ends a little early would spin: epoll counts whole milliseconds.
        return min((ahead_ns // 1_000_000 + 1) / 1000.0, SLICE_SECONDS) if ahead_ns > 0 else 0.0

    def _expire(self, now_ns: int, is_all_seen: bool) -> None:
        """End the waits whose deadline has passed, the earliest first.

        Args:
            is_all_seen: Whether the poll told all there was. One that was interrupted tells nothing and one that was
                filled not everything, so before a deadline wins we look again.
        """
        due = [wait for wait in self._timed if wait.deadline_ns <= now_ns]
        if not due:
            return
        rounds = 0 if is_all_seen else len(self._watches) // EVENTS_PER_POLL + 1
        while rounds > 0:
            events = self._poller.poll(0.0, EVENTS_PER_POLL)
            for fd, mask in events:
                self._wake(fd, mask)
            rounds = rounds - 1 if len(events) == EVENTS_PER_POLL else 0
        due.sort(key=_deadline_of)
        for wait in due:
            self._resume(wait, False)

    def _wake(self, fd: int, mask: int) -> None:
        watch = self._watches.get(fd)
        if watch is None:
            return
        if mask & _READABLE:
            if watch.reader is not None:
                self._resume(watch.reader, True)
            else:
                watch.is_readable = True
        if mask & _WRITABLE:
            if watch.writer is not None:
                self._resume(watch.writer, True)
            else:
                watch.is_writable = True

    def _resume(self, wait: Wait, happened: bool) -> None:
        task = wait.task
        if task is None:
            return
        wait.happened = happened
        self._disarm(wait)
        self._ready.append(task)

    def _disarm(self, wait: Wait) -> None:
        if wait.task is not None:
            wait.task.wait = None
            wait.task = None
        if wait.timer_index >= 0:
            last = self._timed.pop()
            if last is not wait:
                self._timed[wait.timer_index] = last
                last.timer_index = wait.timer_index
            wait.timer_index = -1
        if wait.fd >= 0:
            watch = self._watches.get(wait.fd)
            if watch is not None:
                if watch.reader is wait:
                    watch.reader = None
                if watch.writer is wait:
                    watch.writer = None
        if wait.signal is not None and wait in wait.signal._waits:
            wait.signal._waits.remove(wait)

    def _arm(self, task: Task, wait: Wait) -> None:
        is_pause = wait.fd < 0 and wait.signal is None and wait.deadline_ns == NO_DEADLINE
        if is_pause or task.is_cancelled or (wait.signal is not None and wait.signal.is_set):
            wait.happened = True
            self._ready.append(task)
            return
        if wait.fd >= 0:
            watch = self._watches.get(wait.fd)
            if watch is None or (watch.is_readable if wait.direction == READ else watch.is_writable):
                if watch is not None and wait.direction == READ:
                    watch.is_readable = False
                elif watch is not None:
                    watch.is_writable = False
                wait.happened = True
                self._ready.append(task)
                return
            if wait.direction == READ:
                assert watch.reader is None, "two tasks read one descriptor"
                watch.reader = wait
            else:
                assert watch.writer is None, "two tasks write one descriptor"
                watch.writer = wait
        if wait.signal is not None:
            wait.signal._waits.append(wait)
        wait.task = task
        task.wait = wait
        if wait.deadline_ns > 0:
            wait.timer_index = len(self._timed)
            self._timed.append(wait)

    def _step(self, task: Task) -> None:
        if task.is_done:
            return
        try:
            if task.is_cancelled and task.is_begun:
                waited = task.coroutine.throw(Cancelled())
            else:
                # A task that was never begun is begun all the same: what it was given it has to close.
                task.is_begun = True
                waited = task.coroutine.send(None)
        except StopIteration as stop:
            self._finish(task, stop.value, None)
        except Cancelled:
            self._finish(task, None, None)
        except BaseException as error:
            self._finish(task, None, error)
        else:
            assert isinstance(waited, Wait)
            self._arm(task, waited)

    def _finish(self, task: Task, result: object, error: BaseException | None) -> None:
        task.result = result
        task.error = error
        self.tasks.remove(task)
        is_joined = len(task.done._waits) > 0
        self.set_signal(task.done)
        if error is not None and not is_joined and task is not self._main:
            self._on_task_error(task)


def _deadline_of(wait: Wait) -> int:
    return wait.deadline_ns
