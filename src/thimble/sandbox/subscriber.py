"""One telemetry subscriber: its queue, its batches, its deliveries and their retries.

One POST is under way at a time, in order. Timers stand still while the environment is frozen. The retry schedule is our
own: Lambda documents that it retries, not when.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
from collections import deque
from collections.abc import Callable

import aiohttp

from thimble.sandbox.faults import Faults
from thimble.sandbox.recorder import Delivery, Event, Recorder
from thimble.sandbox.spec import PlatformOptions
from thimble.sandbox.subscription import Subscription
from thimble.sandbox.thaw_gate import ThawGate

ATTEMPTS_MAX = 10
RETRY_DELAY_FIRST_S = 0.05
RETRY_DELAY_MAX_S = 5.0
QUEUE_FACTOR = 4
"""The queue holds so many times `maxItems` or `maxBytes`; then its oldest batch is dropped."""

TOO_SLOW = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

DropReport = Callable[[str, int, int], None]


def sequence_id(body: bytes) -> str:
    """Value of the `Sequence-Id` header: base64 of the body's SHA-256."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class Subscriber:
    """Owns one delivery task from construction to `close`."""

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        generation: int,
        session: aiohttp.ClientSession,
        gate: ThawGate,
        options: PlatformOptions,
        faults: Faults,
        recorder: Recorder,
        report_dropped: DropReport,
    ) -> None:
        self.name = name
        self.subscription = subscription
        self._generation = generation
        self._session = session
        self._gate = gate
        self._options = options
        self._faults = faults
        self._recorder = recorder
        self._report_dropped = report_dropped
        self._queue: deque[tuple[Event, bytes]] = deque()
        self._queued_bytes = 0
        self._batch_due_s = 0.0
        self._is_flushing = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"telemetry to {name}")

    def offer(self, event: Event, data: bytes) -> None:
        """Queue one event; when the queue is full, the oldest batch makes room and is counted."""
        if not self._queue:
            self._batch_due_s = self._gate.now_s() + self.subscription.timeout_ms / 1000
        self._queue.append((event, data))
        self._queued_bytes += len(data)
        self._idle.clear()
        is_first = len(self._queue) == 1
        if is_first or self._is_full():
            self._wake.set()
        items_max = QUEUE_FACTOR * self.subscription.items_max
        bytes_max = QUEUE_FACTOR * self.subscription.bytes_max
        if len(self._queue) > items_max or self._queued_bytes > bytes_max:
            batch = self._take()
            self._report_dropped(TOO_SLOW, len(batch), sum(len(data) for _, data in batch))

    def _is_full(self) -> bool:
        return len(self._queue) >= self.subscription.items_max or self._queued_bytes >= self.subscription.bytes_max

    def _take(self) -> list[tuple[Event, bytes]]:
        """Cut one batch off the front: full as soon as a limit is reached, checked after adding."""
        batch: list[tuple[Event, bytes]] = []
        size = 0
        while self._queue and len(batch) < self.subscription.items_max and size < self.subscription.bytes_max:
            entry = self._queue.popleft()
            size += len(entry[1])
            batch.append(entry)
        self._queued_bytes -= size
        if self._queue:
            self._batch_due_s = self._gate.now_s() + self.subscription.timeout_ms / 1000
        return batch

    async def _run(self) -> None:
        while True:
            await self._gate.wait_open()
            now_s = self._gate.now_s()
            if self._queue and (self._is_full() or self._is_flushing or now_s >= self._batch_due_s):
                await self._deliver(self._take())
                continue
            if not self._queue:
                self._is_flushing = False
                self._idle.set()
            self._wake.clear()
            await self._gate.wait_event(self._wake, self._batch_due_s if self._queue else None)

    async def _deliver(self, batch: list[tuple[Event, bytes]]) -> None:
        if self._faults.telemetry_delay_ms > 0:
            await self._gate.sleep(self._faults.telemetry_delay_ms / 1000)
        events = [event for event, _ in batch]
        if self.subscription.protocol == "TCP":
            await self._send_stream(b"".join(data + b"\n" for _, data in batch), events)
            return
        body = b"[" + b",".join(data for _, data in batch) + b"]"
        size = sum(len(data) for _, data in batch)
        if self._faults.telemetry_rewrite is not None:
            body = self._faults.telemetry_rewrite(body)
        for _ in range(2 if self._faults.is_telemetry_duplicated else 1):
            delivery = self._begin(body, events)
            delay_s = RETRY_DELAY_FIRST_S
            problem = ""
            while delivery.attempts < ATTEMPTS_MAX:
                if delivery.attempts:
                    await self._gate.sleep(delay_s)
                    delay_s = min(delay_s * 2, RETRY_DELAY_MAX_S)
                delivery.attempts += 1
                self._recorder.changed()
                problem = await self._post(delivery)
                if not problem:
                    break
            delivery.finished_ns = self._recorder.clock.now_ns()
            delivery.is_delivered = not problem
            self._recorder.changed()
            if problem:
                self._report_dropped(f"could not send events: {problem}", len(events), size)

    def _begin(self, body: bytes, events: list[Event]) -> Delivery:
        delivery = Delivery(self.name, self._generation, body, events, self._recorder.clock.now_ns())
        self._recorder.add_delivery(delivery)
        return delivery

    async def _post(self, delivery: Delivery) -> str:
        """One attempt; empty when the subscriber answered 2xx, else what went wrong."""
        delivery.status = None
        task = asyncio.get_running_loop().create_task(self._request(delivery.body))
        try:
            if not await self._gate.finishes(task, self._options.telemetry_post_timeout_s):
                return f"no answer within {self._options.telemetry_post_timeout_s} s"
            delivery.status = task.result()
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            task.cancel()
        if 200 <= delivery.status < 300:
            return ""
        return f"http request failed with status {delivery.status}"

    async def _request(self, body: bytes) -> int:
        subscription = self.subscription
        headers = {
            "Host": f"{subscription.host}:{subscription.port}",
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip",
        }
        if self._options.has_sequence_id:
            headers["Sequence-Id"] = sequence_id(body)
        url = f"http://127.0.0.1:{subscription.port}{subscription.path}"
        # A stream, because aiohttp warns about large bodies of bytes.
        async with self._session.post(url, data=io.BytesIO(body), headers=headers, allow_redirects=False) as response:
            await response.read()
            return response.status

    async def _send_stream(self, data: bytes, events: list[Event]) -> None:
        """TCP knows no acknowledgement: what cannot be written now is lost."""
        delivery = self._begin(data, events)
        delivery.attempts = 1
        try:
            if self._writer is None or self._writer.is_closing():
                _, self._writer = await asyncio.open_connection("127.0.0.1", self.subscription.port)
            self._writer.write(data)
            await self._writer.drain()
            delivery.status = 0
            delivery.is_delivered = True
        except OSError as error:
            self._writer = None
            self._report_dropped(f"could not send events: {error}", len(events), len(data))
        delivery.finished_ns = self._recorder.clock.now_ns()

    async def flush(self, limit_s: float) -> bool:
        """Deliver everything queued without waiting for batches to fill; False when the limit came first."""
        self._is_flushing = True
        self._wake.set()
        try:
            await asyncio.wait_for(self._idle.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
