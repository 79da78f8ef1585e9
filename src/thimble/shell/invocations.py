"""The main loop of an on-demand function: one lifecycle event after the other, and a flush where the strategy says so.

Theory of operation. Asking for `/next` tells the platform that we are done; until then the invocation lasts and is
billed. With an END decision we wait for the platform's word that the runtime is done, flush, and only then ask. With
any other decision we ask at once and flush beside the function.

Nothing here waits without a bound. The word that the runtime is done may never come: the subscription was refused, a
batch was lost, the platform's emulator knows no telemetry. So the wait ends before the function's deadline, or soon
after the tracer's own end-invocation call; and when an invocation passed without any telemetry, the following ones do
not wait for it (`is_telemetry_alive`) until some is seen again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.lambda_events import INVOKE, SHUTDOWN, BadLifecycleEvent, LifecycleEvent
from thimble.core.codec.telemetry_events import REPORT, RUNTIME_DONE, TelemetryEvent
from thimble.core.errors import PeerError
from thimble.core.lifecycle.flush_control import CONTINUOUS, END, PERIODIC, FlushControl
from thimble.core.limits import (
    DEADLINE_MARGIN_MS,
    DONE_AFTER_END_CALL_MS,
    DONE_WAIT_MARGIN_MS,
    NO_TELEMETRY_FLUSH_MS,
    SHUTDOWN_BUDGET_MS,
)
from thimble.reactor.loop import Loop, Signal, Task
from thimble.shell.flusher import Flusher
from thimble.shell.log import Log
from thimble.shell.sandbox_metrics import SandboxMetrics
from thimble.sources.extensions_api import ExtensionsApi

if TYPE_CHECKING:
    from collections.abc import Callable

    from thimble.core.lifecycle.end_call import EndCall

RUNAWAY_MS: Final = 900_000
"""The longest that Lambda lets a function run: a deadline further away than this is not one."""


ODD_EVENTS_MAX: Final = 10
ODD_EVENT_PAUSE_MS: Final = 100
"""So many lifecycle events in a row may be unreadable or unknown before `/next` counts as failed."""


class OddEvents(PeerError):
    """The Extensions API only says what we do not understand."""


class End:
    """Why the main loop ended, and how long the shutdown may take."""

    def __init__(self, reason: str, budget_ms: int) -> None:
        self.reason = reason
        self.budget_ms = budget_ms


class InvocationLoop:
    """Answers lifecycle events until SHUTDOWN.

    Args:
        wall_ms: Unix milliseconds.
        is_subscribed: Whether telemetry will come.
        flush_timeout_ms: The most that a flush may take.
        billed_ms_max: The most that a flush may add to an invocation after the runtime is done.
        on_deadline: Told the request id when the function's deadline is near and the invocation still runs.
        on_end_call: Told which invocation a tracer's call ended, and the call; empty if none is known.
    """

    def __init__(
        self,
        loop: Loop,
        api: ExtensionsApi,
        control: FlushControl,
        flusher: Flusher,
        metrics: SandboxMetrics,
        log: Log,
        wall_ms: Callable[[], int],
        is_subscribed: bool,
        flush_timeout_ms: int,
        billed_ms_max: int,
        on_deadline: Callable[[str], None],
        on_end_call: Callable[[str, EndCall], None],
    ) -> None:
        self._loop = loop
        self._on_deadline = on_deadline
        self._on_end_call = on_end_call
        self._early_end_call: EndCall | None = None
        self._api = api
        self._control = control
        self._flusher = flusher
        self._metrics = metrics
        self._log = log
        self._wall_ms = wall_ms
        self._is_subscribed = is_subscribed
        self._flush_timeout_ms = flush_timeout_ms
        self._billed_ms_max = billed_ms_max
        self.is_telemetry_alive = is_subscribed
        self._saw_telemetry = False
        self._runtime_done = Signal()
        self._end_called = Signal()
        self._request_id = ""
        self._last_request_id = ""
        self._done_request_id = ""
        self._odd_events = 0
        self._deadline_ms = 0
        self._reports_missing: list[str] = []
        self._timer_due_ns = 0

    # --- what the sources tell -----------------------------------------------------------------------------------

    def on_events(self, events: list[TelemetryEvent]) -> None:
        """Take platform events in; their log lines are queued already."""
        self._metrics.on_events(events)  # before a flush can begin that they allow
        for event in events:
            self._saw_telemetry = True
            self.is_telemetry_alive = True
            if event.kind == RUNTIME_DONE:
                # Kept as well: telemetry may overtake the INVOKE event, or both may wait for us after a freeze.
                self._done_request_id = event.request_id
                # A late word about the invocation before must not end this one.
                if event.request_id == self._request_id or event.request_id != self._last_request_id:
                    self._loop.set_signal(self._runtime_done)
            elif event.kind == REPORT and event.request_id in self._reports_missing:
                self._reports_missing.remove(event.request_id)

    def on_end_call(self, call: EndCall) -> None:
        """The tracer says that the invocation is over.

        A call without a name, while no invocation runs, has overtaken the INVOKE event: it waits for that.
        """
        if not call.request_id and self._request_id == self._done_request_id:
            self._early_end_call = call
        else:
            self._take_end_call(call)

    def _take_end_call(self, call: EndCall) -> None:
        self._on_end_call(call.request_id or self._request_id, call)
        if call.is_failed:
            self._metrics.on_failed_end_call(call.request_id)
        self._loop.set_signal(self._end_called)

    @property
    def request_id(self) -> str:
        """The invocation that runs, or the last one; empty before the first."""
        return self._request_id

    @property
    def is_report_missing(self) -> bool:
        """Whether a `platform.report` is still to come."""
        return self._is_subscribed and len(self._reports_missing) > 0

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self) -> End:
        """Serve invocations until the platform ends the sandbox, or `/next` fails."""
        timer = self._loop.spawn(self._tick(), "flush timer")
        try:
            event = await self._next(0)
            while event.kind != SHUTDOWN:
                if event.kind == INVOKE:
                    self._odd_events = 0
                    self._begin(event)
                    self._flusher.on_invoke()
                    event = await self._serve()
                else:
                    await self._ignore(f"Unknown lifecycle event {event.type_name[:100]!r}")
                    event = await self._next(0)
        except PeerError as error:
            self._log.plain_error(f"Error: {error}")
            self._log.plain("Exiting")
            return End("panic", SHUTDOWN_BUDGET_MS - DEADLINE_MARGIN_MS)
        finally:
            self._loop.cancel(timer)
        self._log.plain(f"Exiting: {event.reason}, deadline: {event.deadline_ms}")
        budget_ms = SHUTDOWN_BUDGET_MS
        if event.deadline_ms:
            budget_ms = min(event.deadline_ms - self._wall_ms(), SHUTDOWN_BUDGET_MS)
        return End(event.reason, max(budget_ms - DEADLINE_MARGIN_MS, 0))

    def _begin(self, event: LifecycleEvent) -> None:
        self._last_request_id = self._request_id
        self._request_id = event.request_id
        self._metrics.on_invoke(event.request_id)
        self._deadline_ms = event.deadline_ms
        if event.request_id != self._done_request_id:
            self._loop.clear_signal(self._runtime_done)
        self._loop.clear_signal(self._end_called)
        early_call = self._early_end_call
        if early_call is not None:
            self._early_end_call = None
            self._take_end_call(early_call)
        if len(self._reports_missing) >= 8:
            del self._reports_missing[0]
        self._reports_missing.append(event.request_id)

    async def _serve(self) -> LifecycleEvent:
        """See one invocation through, and return the event that follows it."""
        decision = self._control.decide(self._wall_ms() // 1000)
        if not self.is_telemetry_alive:
            self._metrics.before_flush()
            self._flusher.start()
            self._reset_timer()
            return await self._next(NO_TELEMETRY_FLUSH_MS)
        if decision == END:
            await self._wait_until_done()
            self._metrics.before_flush()
            await self._flusher.flush(self._loop.deadline_in_ms(self._budget_ms(self._billed_ms_max)))
            self._reset_timer()
        elif not self._last_request_id:
            pass  # the first one: nobody has said anything yet, and loading TLS would slow the cold start for nothing
        elif decision == PERIODIC:
            await self._flush_beside()
            self._reset_timer()
        elif decision == CONTINUOUS and not self._flusher.is_running:
            self._flusher.start()
            self._reset_timer()
        return await self._next(0)

    async def _next(self, flush_after_ms: int) -> LifecycleEvent:
        """Ask for the next event. With `flush_after_ms`, a flush begins when it has not come by then."""
        self._saw_telemetry = False
        while True:
            task: Task = self._loop.spawn(self._api.next_event(), "next")
            if flush_after_ms and not await self._loop.join(task, self._loop.deadline_in_ms(flush_after_ms)):
                self._flusher.start()
            await self._loop.join(task)
            if task.error is None:
                event = task.result
                assert isinstance(event, LifecycleEvent)
                return event
            if not isinstance(task.error, BadLifecycleEvent):
                raise task.error
            await self._ignore(f"Unreadable lifecycle event ({task.error})")

    async def _ignore(self, what: str) -> None:
        """An event that makes no sense: say so, and go on after a pause, since more of them may come.

        Raises:
            OddEvents: Nothing else has come for a while.
        """
        self._odd_events += 1
        if self._odd_events > ODD_EVENTS_MAX:
            raise OddEvents(f"{self._odd_events} lifecycle events in a row make no sense, the last one: {what}")
        self._log.warn(f"EXTENSION | {what} ignored.")
        await self._loop.sleep_ms(ODD_EVENT_PAUSE_MS)

    async def _flush_beside(self) -> None:
        """A blocking flush beside the function: free while the function runs, on the budget once it is done."""
        limiter = self._loop.spawn(self._limit_when_done(), "flush limit")
        await self._flusher.flush(self._loop.deadline_in_ms(self._budget_ms(self._flush_timeout_ms)))
        self._loop.cancel(limiter)
        await self._loop.join(limiter)

    async def _limit_when_done(self) -> None:
        await self._loop.wait_signal(self._runtime_done)
        await self._loop.sleep_ms(self._budget_ms(self._billed_ms_max))
        await self._flusher.interrupt()

    # --- waiting -------------------------------------------------------------------------------------------------

    async def _wait_until_done(self) -> None:
        """Wait for the platform's word that the runtime is done, within bounds."""
        deadline_ns = self._loop.deadline_in_ms(max(self._remaining_ms() - DONE_WAIT_MARGIN_MS, 0))
        watcher = self._loop.spawn(self._shorten_after_end_call(), "end call")
        done = await self._loop.wait_signal(self._runtime_done, deadline_ns)
        self._loop.cancel(watcher)
        if done:
            return
        self._on_deadline(self._request_id)
        if not self._saw_telemetry:
            self.is_telemetry_alive = False
            self._log.warn("TELEMETRY API | No telemetry during a whole invocation; not waiting for it any more.")

    async def _shorten_after_end_call(self) -> None:
        """The tracer's end call means that the platform's word is near: stop waiting soon after it."""
        await self._loop.wait_signal(self._end_called)
        await self._loop.sleep_ms(DONE_AFTER_END_CALL_MS)
        self._loop.set_signal(self._runtime_done)

    def _remaining_ms(self) -> int:
        """Milliseconds until the function times out, as far as that is known."""
        if not self._deadline_ms:
            return RUNAWAY_MS
        return min(max(self._deadline_ms - self._wall_ms(), 0), RUNAWAY_MS)

    def _budget_ms(self, limit_ms: int) -> int:
        return max(min(limit_ms, self._flush_timeout_ms, self._remaining_ms() - DEADLINE_MARGIN_MS), 0)

    # --- the flush timer -----------------------------------------------------------------------------------------

    def _reset_timer(self) -> None:
        self._timer_due_ns = self._loop.deadline_in_ms(self._control.timer_period_ms)

    async def _tick(self) -> None:
        """Flush beside an invocation that lasts longer than the timer's period."""
        self._reset_timer()
        while True:
            await self._loop.sleep_until(self._timer_due_ns)
            if self._loop.now_ns() >= self._timer_due_ns:
                if self._control.flushes_at_end:
                    self._flusher.start()
                self._reset_timer()
