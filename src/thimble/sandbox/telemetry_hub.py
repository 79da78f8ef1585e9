"""The telemetry of one generation: the event log, and which subscriber gets which event."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

import aiohttp

from thimble.sandbox.clock import Clock, time_text
from thimble.sandbox.faults import Faults
from thimble.sandbox.recorder import Recorder
from thimble.sandbox.spec import FunctionSpec, PlatformOptions
from thimble.sandbox.subscriber import Subscriber
from thimble.sandbox.subscription import Subscription
from thimble.sandbox.thaw_gate import ThawGate

Event = dict[str, object]


_MANAGED_DURATION = re.compile(rb'"metrics":{"durationMs":([0-9.]+)}')


def with_three_decimals(report: bytes) -> bytes:
    """The encoded report of a managed instance, whose duration always shows three decimals."""
    return _MANAGED_DURATION.sub(lambda m: b'"metrics":{"durationMs":%.3f}' % float(m.group(1)), report)


def encode_event(event: Event) -> bytes:
    """Compact JSON. Text goes as UTF-8; lone surrogates, which UTF-8 cannot hold, stay escaped."""
    try:
        return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(event, separators=(",", ":")).encode()


class TelemetryHub:
    """Generates events and queues them for subscribers.

    Until the subscription window closes, a late subscriber first gets what was generated before, filtered by its types.
    """

    def __init__(
        self,
        generation: int,
        function: FunctionSpec,
        options: PlatformOptions,
        faults: Faults,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._generation = generation
        self._function = function
        self._options = options
        self._faults = faults
        self._recorder = recorder
        self._clock = clock
        self._backlog: list[tuple[Event, str | None]] = []
        self._held: list[tuple[Event, str | None]] = []
        self._session: aiohttp.ClientSession | None = None
        self.subscribers: dict[str, Subscriber] = {}
        self.gate = ThawGate()
        self.is_open = True
        self.is_holding_function_logs = False
        self.on_log: Callable[[Event], None] | None = None

    def emit(self, kind: str, record: Event, at_ns: int | None = None) -> Event:
        """Generate one platform event, now or as of a monotonic time."""
        now_ns = self._clock.now_ns() if at_ns is None else at_ns
        event: Event = {"time": self._clock.text(now_ns, self._faults.clock_text), "type": kind, "record": record}
        self._publish(event, None, now_ns)
        if self._held and kind in ("platform.runtimeDone", "platform.report"):
            self.is_holding_function_logs = False
            held, self._held = self._held, []
            for late, text in held:
                self._publish(late, text, now_ns)
        return event

    def emit_log(self, kind: str, text: str, time_us: int | None) -> None:
        """Generate one log event of type `function` or `extension`; `time_us` is a frame's own time."""
        now_ns = self._clock.now_ns()
        wall_ns = self._clock.wall_ns(now_ns) if time_us is None else time_us * 1000
        event: Event = {"time": time_text(wall_ns, self._faults.clock_text), "type": kind, "record": text}
        original: str | None = None
        if (self._function.log_format == "JSON" or self._function.is_managed) and text.lstrip()[:1] == "{":
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = None
            if isinstance(parsed, dict):
                event["record"] = parsed
                original = text
        self._recorder.transcript.append(text.rstrip("\n"))
        if self.on_log is not None:
            self.on_log(event)
        if kind == "function" and self._faults.is_function_log_late and self.is_holding_function_logs:
            self._held.append((event, original))
            return
        self._publish(event, original, now_ns)

    def inject(self, event: Event) -> None:
        """Queue an event as it is, for every subscriber."""
        self._publish(event, None, self._clock.now_ns())

    def _publish(self, event: Event, original: str | None, at_ns: int) -> None:
        self._recorder.add_event(event, at_ns)
        if self.is_open:
            self._backlog.append((event, original))
        if self.subscribers and self._passes(event):
            data = encode_event(event)
            if self._function.is_managed and event["type"] == "platform.report":
                data = with_three_decimals(data)
            for subscriber in self.subscribers.values():
                self._offer(subscriber, event, original, data)

    def _passes(self, event: Event) -> bool:
        return self._faults.telemetry_filter is None or self._faults.telemetry_filter(event)

    @staticmethod
    def _offer(subscriber: Subscriber, event: Event, original: str | None, data: bytes) -> None:
        kind = str(event["type"]).partition(".")[0]
        if kind not in subscriber.subscription.types and kind in ("platform", "function", "extension"):
            return
        if original is not None and not subscriber.subscription.has_object_records:
            event = event | {"record": original}
            data = encode_event(event)
        subscriber.offer(event, data)

    async def subscribe(self, name: str, subscription: Subscription) -> None:
        """Add a subscriber (or replace its earlier subscription), give it the backlog, announce it."""
        if name in self.subscribers:
            await self.subscribers.pop(name).close()
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3600)
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
            )
        subscriber = Subscriber(
            name,
            subscription,
            self._generation,
            self._session,
            self.gate,
            self._options,
            self._faults,
            self._recorder,
            self._report_dropped,
        )
        self.subscribers[name] = subscriber
        for event, original in self._backlog:
            if self._passes(event):
                self._offer(subscriber, event, original, encode_event(event))
        self.emit(
            "platform.telemetrySubscription",
            {"name": name, "state": "Subscribed", "types": list(subscription.types)},
        )

    def _report_dropped(self, reason: str, records: int, size: int) -> None:
        self.emit("platform.logsDropped", {"reason": reason, "droppedRecords": records, "droppedBytes": size})

    def close_subscriptions(self) -> None:
        """INIT is over: nobody may subscribe any more, and the backlog goes."""
        self.is_open = False
        self._backlog.clear()

    def freeze(self) -> None:
        """Stop deliveries and their timers."""
        self.gate.close()

    def thaw(self) -> None:
        self.gate.open()

    async def flush(self, limit_s: float) -> bool:
        """Deliver what is pending now; False when that took longer than `limit_s`."""
        loop_limit = self.gate.now_s() + limit_s
        done = True
        for subscriber in list(self.subscribers.values()):
            done &= await subscriber.flush(max(loop_limit - self.gate.now_s(), 0.0))
        return done

    async def close(self) -> None:
        """Stop every subscriber; what is still queued is lost with the generation."""
        for subscriber in self.subscribers.values():
            await subscriber.close()
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # transports close at the loop's next turn
