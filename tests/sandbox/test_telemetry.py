"""Batches, deliveries, retries and losses, against a listener that behaves as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.sandbox.support import Client, Probe, error_of, function, kinds, run
from thimble.sandbox import subscriber as delivery
from thimble.sandbox.clock import Clock
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.faults import Faults
from thimble.sandbox.recorder import Recorder
from thimble.sandbox.spec import FunctionSpec, PlatformOptions
from thimble.sandbox.subscription import parse_subscription
from thimble.sandbox.telemetry_hub import TelemetryHub


class Listener:
    """A subscriber's HTTP server; `answer` may hold back, refuse, or look at the number of the POST."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = asyncio.Condition()
        self.answer: Callable[[int], Any] | None = None
        self.under_way = 0
        self.under_way_max = 0

    async def __aenter__(self) -> Listener:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        body = await request.read()
        self.headers.append(dict(request.headers))
        self.bodies.append(body)
        async with self.arrived:
            self.arrived.notify_all()
        status = 200
        if self.answer is not None:
            status = await self.answer(len(self.bodies))
        self.under_way -= 1
        return web.Response(status=status)

    async def wait_for(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.bodies) >= count)

    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in json.loads(body)]


class Hub:
    """A telemetry hub of its own, with one subscriber."""

    def __init__(self, options: PlatformOptions | None = None, faults: Faults | None = None, **fields: Any) -> None:
        self.options = options or PlatformOptions()
        self.faults = faults or Faults()
        clock = Clock()
        self.recorder = Recorder(clock)
        spec = FunctionSpec(bootstrap=["true"], root=Path("/"), **fields)
        self.hub = TelemetryHub(1, spec, self.options, self.faults, self.recorder, clock)

    async def subscribe(self, port: int, types: tuple[str, ...] = ("platform", "function"), **changes: Any) -> None:
        request = {
            "schemaVersion": "2022-12-13",
            "destination": {"protocol": "HTTP", "URI": f"http://sandbox:{port}/t"},
            "types": list(types),
            "buffering": {"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 25},
        }
        await self.hub.subscribe("probe", parse_subscription(request | changes))

    async def __aenter__(self) -> Hub:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.close()


def test_a_late_subscriber_gets_what_it_missed_and_only_its_types() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub() as hub:
            hub.hub.emit("platform.initStart", {"phase": "init"})
            hub.hub.emit_log("function", "early", None)
            hub.hub.emit_log("extension", "not wanted", None)
            await hub.subscribe(listener.port)
            await listener.wait_for(1)
            assert kinds(listener.events()) == ["platform.initStart", "function", "platform.telemetrySubscription"]
            assert listener.headers[0]["Host"] == f"sandbox:{listener.port}"
            assert listener.headers[0]["Content-Type"] == "application/json"
            assert "Sequence-Id" not in listener.headers[0]

    run(body())


def test_a_batch_leaves_when_a_limit_is_reached_or_time_is_up() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub() as hub:
            await hub.subscribe(
                listener.port, ("function",), buffering={"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 300}
            )
            for number in range(2500):
                hub.hub.emit_log("function", str(number), None)
            await listener.wait_for(2)
            assert [len(json.loads(data)) for data in listener.bodies] == [1000, 1000], "the rest waits for its time"
            await listener.wait_for(3)
            assert [event["record"] for event in listener.events()] == [str(number) for number in range(2500)]
            for _ in range(4):
                hub.hub.emit_log("function", "y" * 100_000, None)
            await listener.wait_for(4)
            assert len(json.loads(listener.bodies[3])) == 3, "full once the sum passed maxBytes"

    run(body())


def test_one_post_is_under_way_at_a_time_in_order() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub() as hub:

            async def slow(_: int) -> int:
                await asyncio.sleep(0.03)
                return 200

            listener.answer = slow
            await hub.subscribe(listener.port, ("function",))
            for number in range(3200):
                hub.hub.emit_log("function", str(number), None)
            assert await hub.hub.flush(5)
            assert listener.under_way_max == 1
            assert [event["record"] for event in listener.events()] == [str(number) for number in range(3200)]

    run(body())


def test_a_refused_batch_is_tried_again_with_the_same_body() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub() as hub:

            async def refuse_three(number: int) -> int:
                return 500 if number <= 3 else 200

            listener.answer = refuse_three
            hub.hub.emit_log("function", "again", None)
            await hub.subscribe(listener.port, ("function",))
            await listener.wait_for(4)
            assert len(set(listener.bodies)) == 1
            await hub.recorder.until(lambda: hub.recorder.deliveries[0].is_delivered)
            assert hub.recorder.deliveries[0].attempts == 4
            spent_ms = (hub.recorder.deliveries[0].finished_ns or 0) - hub.recorder.deliveries[0].started_ns
            assert spent_ms / 1e6 >= 50 + 100 + 200

    run(body())


def test_a_batch_is_given_up_after_its_last_attempt_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_DELAY_MAX_S", 0.01)
    monkeypatch.setattr(delivery, "RETRY_DELAY_FIRST_S", 0.001)

    async def body() -> None:
        async with Listener() as listener, Hub() as hub:

            async def refuse_ten(number: int) -> int:
                return 503 if number <= delivery.ATTEMPTS_MAX else 200

            listener.answer = refuse_ten
            hub.hub.emit_log("function", "lost", None)
            await hub.subscribe(listener.port)
            await listener.wait_for(delivery.ATTEMPTS_MAX + 1)
            dropped = json.loads(listener.bodies[-1])[0]
            assert dropped["type"] == "platform.logsDropped"
            assert dropped["record"]["droppedRecords"] == 2
            assert "503" in dropped["record"]["reason"]
            assert dropped["record"]["droppedBytes"] == len(listener.bodies[0]) - len("[,]")

    run(body())


def test_a_listener_that_is_not_there_yet_is_tried_again() -> None:
    async def body() -> None:
        async with Listener() as place:
            port = place.port
        async with Hub() as hub:
            hub.hub.emit_log("function", "early bird", None)
            await hub.subscribe(port, ("function",))
            await hub.recorder.until(lambda: hub.recorder.deliveries and hub.recorder.deliveries[0].attempts >= 2)
            bodies: list[bytes] = []

            async def serve(request: web.Request) -> web.Response:
                bodies.append(await request.read())
                return web.Response()

            app = web.Application()
            app.router.add_post("/t", serve)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await hub.recorder.until(lambda: hub.recorder.deliveries[0].is_delivered)
            await runner.cleanup()
            assert json.loads(bodies[0])[0]["record"] == "early bird"

    run(body())


def test_a_post_without_an_answer_counts_as_failed() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub(PlatformOptions(telemetry_post_timeout_s=0.1)) as hub:

            async def hang_once(number: int) -> int:
                await asyncio.sleep(5 if number == 1 else 0)
                return 200

            listener.answer = hang_once
            hub.hub.emit_log("function", "patience", None)
            await hub.subscribe(listener.port, ("function",))
            await listener.wait_for(2)
            assert listener.bodies[0] == listener.bodies[1]

    run(body())


def test_a_slow_consumer_loses_the_oldest_batches_and_hears_of_it() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub() as hub:
            gate = asyncio.Event()

            async def hold(_: int) -> int:
                await gate.wait()
                return 200

            listener.answer = hold
            await hub.subscribe(listener.port, ("function", "platform"))
            await listener.wait_for(1)
            for number in range(5000):
                hub.hub.emit_log("function", str(number), None)
            gate.set()
            assert await hub.hub.flush(5)
            events = listener.events()
            dropped = [event["record"] for event in events if event["type"] == "platform.logsDropped"]
            assert {record["reason"] for record in dropped} == {delivery.TOO_SLOW}
            numbers = [int(event["record"]) for event in events if event["type"] == "function"]
            assert numbers == list(range(5000 - len(numbers), 5000)), "the newest survive, in order"
            assert len(numbers) + sum(record["droppedRecords"] for record in dropped) >= 5000
            assert len(numbers) >= 3000

    run(body())


def test_json_lines_become_objects_where_format_and_schema_allow() -> None:
    async def body() -> None:
        cases = [("JSON", "2022-12-13", True), ("JSON", "2022-07-01", False), ("Text", "2022-12-13", False)]
        for log_format, schema, is_object in cases:
            async with Listener() as listener, Hub(log_format=log_format) as hub:
                await hub.subscribe(listener.port, ("function",), schemaVersion=schema)
                lines = ['{"level":"INFO","message":"paid"}', "plain", "[1]", "{broken"]
                for line in lines:
                    hub.hub.emit_log("function", line, None)
                await listener.wait_for(1)
                found = [event["record"] for event in listener.events()]
                assert found[0] == (json.loads(lines[0]) if is_object else lines[0])
                assert found[1:] == lines[1:]

    run(body())


def test_text_that_is_hard_to_encode_arrives_whole() -> None:
    async def body() -> None:
        async with Listener() as listener, Hub(log_format="JSON") as hub:
            await hub.subscribe(listener.port, ("function",))
            hub.hub.emit_log("function", 'quote " slash \\ \u2028 \U0001f9f5 \x07', None)
            hub.hub.emit_log("function", '{"lone":"\\ud800"}', None)
            await listener.wait_for(1)
            assert [event["record"] for event in listener.events()] == [
                'quote " slash \\ \u2028 \U0001f9f5 \x07',
                {"lone": "\ud800"},
            ]

    run(body())


def test_tcp_subscribers_get_lines() -> None:
    async def body() -> None:
        lines: list[bytes] = []
        done = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                lines.append(line)
                if len(lines) == 3:
                    done.set()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Hub() as hub:
            await hub.subscribe(0, ("function",), destination={"protocol": "TCP", "port": port})
            for text in ("a", "b", "c"):
                hub.hub.emit_log("function", text, None)
            await done.wait()
        server.close()
        assert [json.loads(line)["record"] for line in lines] == ["a", "b", "c"]

    run(body())


def test_faults_of_delivery_do_what_they_say() -> None:
    async def body() -> None:
        faults = Faults(
            is_telemetry_duplicated=True,
            telemetry_filter=lambda event: event["record"] != "secret",
            telemetry_rewrite=lambda data: data + b" ",
            clock_text="microseconds",
        )
        async with Listener() as listener, Hub(PlatformOptions(has_sequence_id=True), faults) as hub:
            await hub.subscribe(listener.port, ("function",))
            hub.hub.emit_log("function", "secret", None)
            hub.hub.emit_log("function", "open", None)
            hub.hub.inject({"time": "soon", "type": "platform.unheardOf", "record": {}})
            await listener.wait_for(2)
            assert listener.bodies[0] == listener.bodies[1]
            assert listener.bodies[0].endswith(b"] ")
            assert [event["record"] for event in json.loads(listener.bodies[0])] == ["open"]
            assert len(json.loads(listener.bodies[0])[0]["time"]) == len("2026-03-02T10:15:31.402123Z")
            assert listener.headers[0]["Sequence-Id"] == delivery.sequence_id(listener.bodies[0])

    run(body())


def test_function_logs_can_come_after_runtime_done(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True, after_invocation_s=0.1)
        async with Emulator(function(), probe.spec, faults=Faults(is_function_log_late=True)) as emulator:
            await emulator.invoke(b'{"print": "late"}')
            types = probe.telemetry_types()
            assert types.index("function") > types.index("platform.runtimeDone")

    run(body())


def test_runtime_done_can_be_missing_or_without_metrics(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        faults = Faults(has_runtime_done=False)
        async with Emulator(function(), probe.spec, faults=faults) as emulator:
            result = await emulator.invoke()
            assert result.runtime_done is None
            assert "platform.runtimeDone" not in kinds(emulator.events)
            faults.has_runtime_done, faults.has_runtime_done_metrics = True, False
            result = await emulator.invoke()
            assert result.runtime_done is not None
            assert "metrics" not in result.runtime_done

    run(body())


def test_the_stub_of_awss_emulator_answers_202_and_delivers_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec, faults=Faults(is_telemetry_stub=True)) as emulator:
            await emulator.invoke()
            status, answer = probe.entries("subscribed")[0]["value"]
            assert (status, json.loads(answer)["errorType"]) == (202, "Telemetry.NotSupported")
            assert emulator.telemetry_sent == []

    run(body())


def test_subscribing_after_init_is_refused(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec) as emulator:
            await emulator.invoke()
            identifier = probe.entries("registered")[0]["value"]["id"]
            async with Client(await emulator.address()) as client:
                status, _, data = await client.call(
                    "PUT", "/2022-07-01/telemetry", b"{}", Lambda_Extension_Identifier=identifier
                )
                assert (status, *error_of(data)) == (
                    403,
                    "Telemetry.SubscriptionClosed",
                    "Telemetry API subscription is closed",
                )

    run(body())
