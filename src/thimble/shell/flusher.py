"""Moves what the sinks hold to the intakes.

Deliveries wait in one queue, and up to `SENDERS_MAX` sender tasks empty it. A background flush starts them and goes on;
a blocking flush waits for them, but never beyond its deadline: then the senders are ended, and what is unsent goes
into the retry queue, which the next flush sends first. So no request is in flight when a blocking flush returns.

A background flush may be frozen half-way, with `/next` pending. An attempt that fails after the process was frozen says
nothing about the peer and is repeated without being counted.

Every destination has a circuit breaker. While it is open nothing goes there and nothing is waited for; when it may be
probed, one delivery goes out beside the flush, which nobody waits for either. The same way go the deliveries to a
destination that is known to take longer for an answer than the flush may wait: ending each request half-way would send
it again and again. The final flush asks no breaker, and waits for those beside it too.

While the API key is being resolved for the first time nothing is taken from the sinks: a flush is held for the key, and
an interrupted one has lost nothing. When a secret source fails, what needs the key waits in the retry queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.limits import BACKOFF_MS, BESIDE_TIMEOUT_MS, SENDERS_MAX, STALE_BESIDE_MS
from thimble.http.client import Client, OutgoingRequest
from thimble.reactor.errors import ReactorError
from thimble.reactor.loop import Loop, Signal, Task
from thimble.shell.advice import advice_for, advice_for_wait, sentence
from thimble.shell.api_key import ApiKeySource
from thimble.shell.breaker import CLOSED, OPEN, PROBING, Breaker
from thimble.shell.log import Log
from thimble.shell.retry import RetryQueue
from thimble.sinks.sink import REFUSED, RETRY, Delivery, Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from thimble.core.drops import Drops


ENDLESS_MS: Final = 1 << 40
RELEASE_AFTER_BYTES: Final = 8 * 1024 * 1024
"""Uncompressed bytes in one flush that have left holes in the heap worth a millisecond."""
TOO_LARGE: Final = "Fewer or smaller lines per invocation, or less in one metric or span, would fit."


class Beside:
    """Deliveries to one destination that nobody waits for.

    Args:
        key: The destination's `Target.key`.
        began_ns: When the task was started.
    """

    def __init__(self, key: str, deliveries: list[Delivery], began_ns: int) -> None:
        self.key = key
        self.deliveries = deliveries
        self.began_ns = began_ns
        self.task: Task | None = None


class Flusher:
    """Sends for all sinks.

    Args:
        sinks: In order of importance: when time is short, the first ones are sent.
        api_key: The current key, and whether one may still come.
        request_timeout_ms: For one attempt.
        release_memory: Gives free memory back to the system; called after a flush of much data.
    """

    def __init__(
        self,
        loop: Loop,
        client: Client,
        sinks: list[Sink],
        api_key: ApiKeySource,
        request_timeout_ms: int,
        drops: Drops,
        log: Log,
        release_memory: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._release_memory = release_memory
        self._sent_bytes = 0
        self._client = client
        self._sinks = sinks
        self._api_key = api_key
        self._request_timeout_ms = request_timeout_ms
        self._drops = drops
        self._log = log
        self._retry = RetryQueue(drops)
        self._queue: list[Delivery] = []
        self._senders: list[Task] = []
        self._holder: Task | None = None
        self._active = 0
        self._taken = 0
        self._besides: list[Beside] = []
        self._patience_ms = ENDLESS_MS
        self._is_final = False
        self._breakers: dict[str, Breaker] = {}
        self._is_idle = Signal()
        loop.set_signal(self._is_idle)

    @property
    def is_running(self) -> bool:
        """Whether a flush is under way."""
        return not self._is_idle.is_set

    def on_invoke(self) -> None:
        """An invocation has begun: what its flush will need is fetched beside it."""
        self._api_key.on_invoke()

    def start(self, is_final: bool = False) -> None:
        """Begin to send everything that is ready, and return at once."""
        self._start(ENDLESS_MS, is_final)

    def _start(self, patience_ms: int, is_final: bool) -> None:
        self._is_final = self._is_final or is_final
        self._patience_ms = patience_ms
        self._api_key.refresh()
        if self._api_key.is_resolving and (self._holder is None or self._holder.is_done):
            self._holder = self._spawn_sender(self._hold_for_key())
        if self._api_key.value or not self._api_key.is_resolving:
            self._begin()

    async def flush(self, deadline_ns: int, is_final: bool = False) -> None:
        """Send everything that is ready, and return when it is sent or the deadline has come."""
        if is_final:
            self._is_final = True
            await self._end_besides(STALE_BESIDE_MS)  # their answers are not to be expected any more
        self._start(max(deadline_ns - self._loop.now_ns(), 0) // 1_000_000, is_final)
        if not await self._loop.wait_signal(self._is_idle, deadline_ns):
            await self.interrupt()
        if is_final:
            for beside in self._besides[:]:
                assert beside.task is not None
                await self._loop.join(beside.task, deadline_ns)
            await self._end_besides(0)

    def drop_all(self) -> None:
        """Count what is left as lost; for the very end."""
        self._take()
        for delivery in [*self._queue, *self._retry.take_all()]:
            has_key = self._has_key(delivery)
            reason = "unsent_at_shutdown" if has_key else "no_api_key"
            self._drops.add(delivery.sink.kind, reason, delivery.payload.item_count)
        self._queue.clear()

    def _begin(self) -> None:
        """Take what is ready, and set senders to work on it."""
        self._take()
        if self._queue and not self._api_key.value:
            self._set_aside_without_key()
        self._senders = [sender for sender in self._senders if not sender.is_done]
        for _ in range(min(len(self._queue), SENDERS_MAX - self._active - len(self._besides))):
            self._spawn_sender(self._send_queue())

    def _take(self) -> None:
        """Fill the queue with what may go out, and send beside it what nobody is to wait for."""
        for sink in self._sinks:
            if self._may_take(sink.target_key):
                self._take_from(sink)
        waiting = self._retry.take_all()
        waiting.extend(self._queue)
        self._queue = []
        slow: dict[str, list[Delivery]] = {}
        for delivery in waiting:
            delivery.failure = ""
            key = delivery.target.key
            breaker = self._breaker(delivery)
            has_key = self._has_key(delivery)
            if self._is_final or (breaker.state == CLOSED and breaker.answer_ms <= self._patience_ms):
                self._queue.append(delivery)
            elif breaker.state == CLOSED and has_key and not self._is_beside(key):
                slow.setdefault(key, []).append(delivery)
            elif has_key and breaker.may_probe(self._now_ms()) and self._room_beside():
                breaker.begin_probe()
                self._send_beside(key, [delivery])
            else:
                self._retry.put(delivery, False)
        for key, deliveries in slow.items():
            lanes = min(len(deliveries), self._room_beside())
            for lane in range(lanes):
                self._send_beside(key, deliveries[lane::lanes])
            if not lanes:
                for delivery in deliveries:
                    self._retry.put(delivery, False)

    def _may_take(self, key: str) -> bool:
        """Whether a sink's data can go to its destination now; else it stays where it is small."""
        breaker = self._breakers.get(key)
        if breaker is None or self._is_final:
            return True
        if breaker.state == CLOSED:
            return breaker.answer_ms <= self._patience_ms or not self._is_beside(key)
        return breaker.may_probe(self._now_ms())

    def _take_from(self, sink: Sink) -> None:
        try:
            for delivery in sink.take(self._is_final):
                self._taken += 1
                delivery.number = self._taken
                self._queue.append(delivery)
        except Exception as error:  # a defect of one sink must not keep the others from sending
            text = f"{sink.kind.upper()} | Nothing can be sent: {type(error).__name__}: {error}"
            self._log.error_once(f"{sink.kind} defect", text)

    def _now_ms(self) -> int:
        return self._loop.now_ns() // 1_000_000

    def _breaker(self, delivery: Delivery) -> Breaker:
        key = delivery.target.key
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = self._breakers[key] = Breaker()
        return breaker

    def _room_beside(self) -> int:
        """How many more tasks may go beside: half of all senders, so that the flush itself always gets on."""
        return max(min(SENDERS_MAX // 2, SENDERS_MAX - self._active) - len(self._besides), 0)

    def _is_beside(self, key: str) -> bool:
        return key in [beside.key for beside in self._besides]

    def _send_beside(self, key: str, deliveries: list[Delivery]) -> None:
        beside = Beside(key, deliveries, self._loop.now_ns())
        self._besides.append(beside)
        beside.task = self._loop.spawn(self._run_beside(beside), "sender beside")

    async def _run_beside(self, beside: Beside) -> None:
        """Deliver one after the other, as long as the destination is not given up."""
        try:
            while beside.deliveries and self._breakers[beside.key].state != OPEN:
                await self._deliver_or_keep(beside.deliveries.pop(0), True)
        finally:
            for delivery in beside.deliveries:
                self._retry.put(delivery, False)
            self._besides.remove(beside)
            if self._active == 0:
                self._client.close()

    async def _end_besides(self, age_ms: int) -> None:
        """End those that were started `age_ms` ago or earlier; what they hold waits for the next flush."""
        for beside in self._besides[:]:
            assert beside.task is not None
            if self._loop.now_ns() - beside.began_ns >= age_ms * 1_000_000:
                self._loop.cancel(beside.task)
                await self._loop.join(beside.task)

    def _set_aside_without_key(self) -> None:
        """Keep what needs the missing key while it may come, or else drop it."""
        for delivery in [delivery for delivery in self._queue if delivery.api_key is None]:
            self._queue.remove(delivery)
            if self._api_key.may_come:
                self._retry.put(delivery, False)
            else:
                self._drops.add(delivery.sink.kind, "no_api_key", delivery.payload.item_count)
            name = delivery.sink.kind.upper()
            self._log.error_once("no key", f"{name} | Skipping flushing: Failed to resolve API key")

    async def _hold_for_key(self) -> None:
        """Keep the flush from ending while the key is on its way, and begin when what is ready waits for it."""
        is_missing = not self._api_key.value
        await self._api_key.wait()
        if is_missing:
            self._begin()

    async def interrupt(self) -> None:
        """End the senders where they stand; what they and the queue hold waits for the next flush."""
        for sender in self._senders:
            self._loop.cancel(sender)
        for sender in self._senders:
            await self._loop.join(sender)
        for delivery in self._queue:
            self._retry.put(delivery, False)
        self._queue.clear()

    async def _send_queue(self) -> None:
        """One sender: takes deliveries until the queue is empty."""
        while self._queue:
            delivery = self._queue.pop(0)
            if self._is_final or self._breaker(delivery).state == CLOSED:
                await self._deliver_or_keep(delivery, False)
            else:
                self._retry.put(delivery, False)

    async def _deliver_or_keep(self, delivery: Delivery, is_beside: bool) -> None:
        """Deliver; when this task is ended on the way, keep the delivery and tell the breaker what it has cost."""
        is_settled = False
        began_ns = self._loop.now_ns()
        try:
            await self._deliver(delivery, is_beside)
            is_settled = True
        finally:
            if not is_settled:
                self._retry.put(delivery, False)
                lost_ms = (self._loop.now_ns() - began_ns) // 1_000_000
                if self._breaker(delivery).on_lost_time(lost_ms, self._now_ms()) and not self._is_final:
                    step = delivery.progress.waits_for
                    waited = sentence(f"waited {lost_ms} ms for {step}", advice_for_wait(step))
                    self._tell_opened(delivery, delivery.failure or waited)

    def _spawn_sender(self, coroutine: Coroutine[Any, Any, None]) -> Task:
        self._active += 1
        self._loop.clear_signal(self._is_idle)
        sender = self._loop.spawn(self._counted(coroutine), "sender")
        self._senders.append(sender)
        return sender

    async def _counted(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run one sender, and tell the flush when the last one has ended, in whatever way."""
        try:
            await coroutine
        finally:
            self._active -= 1
            if self._active == 0:
                self._loop.set_signal(self._is_idle)  # before anything that could fail: an invocation waits for it
                self._client.close()
                if self._sent_bytes >= RELEASE_AFTER_BYTES:
                    self._release_memory()
                self._sent_bytes = 0

    async def _deliver(self, delivery: Delivery, is_beside: bool) -> None:
        """Try until the answer is final, the attempts are used up, or the owner ends the task.

        Beside a flush there is one attempt, and less time for it: the next flush begins it anew.
        """
        sink = delivery.sink
        breaker = self._breaker(delivery)
        is_probe = is_beside and breaker.state == PROBING
        attempts_max = 1 if is_beside else sink.attempts_per_flush
        timeout_ms = min(self._request_timeout_ms, BESIDE_TIMEOUT_MS) if is_beside else self._request_timeout_ms
        attempt = 0
        while True:
            freezes = self._loop.freezes
            began_ns = self._loop.now_ns()
            attempt += 1
            verdict = RETRY
            is_answered = False
            request = self._request(delivery)
            delivery.progress = request.progress
            try:
                response = await self._client.request(request, self._loop.deadline_in_ms(timeout_ms))
            except ReactorError as error:
                delivery.failure = sentence(str(error), advice_for(error, request.progress.waits_for))
            else:
                is_answered = True
                verdict = sink.judge(response.status)
                delivery.failure = f"status {response.status}"
            has_frozen = self._loop.freezes != freezes
            if verdict != RETRY:
                if breaker.state != CLOSED:
                    self._log.info(f"{sink.kind.upper()} | {delivery.target.host} answers again.")
                breaker.on_success(0 if has_frozen else (self._loop.now_ns() - began_ns) // 1_000_000)
                self._sent_bytes += delivery.payload.raw_bytes
                if verdict == REFUSED:
                    self._refused(delivery, response.status)
                return
            if has_frozen:
                attempt -= 1
            elif attempt >= attempts_max:
                self._failed(delivery, attempt, is_probe, is_answered)
                return
            else:
                await self._loop.sleep_ms(BACKOFF_MS * attempt)

    def _failed(self, delivery: Delivery, attempts: int, is_probe: bool, is_answered: bool) -> None:
        """The attempts are used up: keep the delivery, and say why.

        A probe is silent, since the opening of the breaker has told. When it meets a peer that is not there, that says
        nothing about the payload, and does not count against it.
        """
        kind, host, failure = delivery.sink.kind, delivery.target.host, delivery.failure
        if not is_probe:
            text = f"{kind.upper()} | Failed to send to {host} after {attempts} attempts: {failure}"
            self._log.error_once(f"{kind} {failure}", text)
        self._retry.put(delivery, is_answered or not is_probe)
        if self._breaker(delivery).on_failure(self._now_ms()):
            self._tell_opened(delivery, failure)

    def _tell_opened(self, delivery: Delivery, failure: str) -> None:
        pause_s = self._breaker(delivery).pause_s
        text = f"{delivery.target.host} fails; data is kept, the next try comes in {pause_s} s: {failure}"
        self._log.error_once(f"{delivery.target.key} down", f"{delivery.sink.kind.upper()} | {text}")

    def _has_key(self, delivery: Delivery) -> bool:
        return delivery.api_key is not None or bool(self._api_key.value)

    def _request(self, delivery: Delivery) -> OutgoingRequest:
        own_key = delivery.api_key
        headers = [("DD-API-KEY", self._api_key.value if own_key is None else own_key)]
        headers.extend(delivery.headers)
        return OutgoingRequest("POST", delivery.target, headers, delivery.payload.body)

    def _refused(self, delivery: Delivery, status: int) -> None:
        kind = delivery.sink.kind
        self._drops.add(kind, "refused", delivery.payload.item_count)
        if status == 403:
            text = "Request was denied by Datadog: Access denied. Please verify that your API key is valid."
        else:
            text = f"The intake {delivery.target.host} refused a payload: status {status}. It is not sent again."
            if status == 413:
                text = f"{text} {TOO_LARGE}"
        self._log.error_once(f"{kind} refused {status}", f"{kind.upper()} | {text}")
