"""One extension process between a scripted Lambda and a local intake, and the invocations that pass through it."""

from __future__ import annotations

import asyncio
import ssl
import time
from types import TracebackType
from typing import Any

from thimble.sandbox.intake import Intake
from thimble.sandbox.received import Received

from . import events, local_http
from .extension import Process, Program, intake_variables, start_extension
from .scripted_lambda import NEXT, ScriptedLambda

API_KEY = "0123456789abcdef0123456789abcdef"
FUNCTION_MS = 20
"""How long the pretended handler works."""


class World:
    """Opens everything on entry; kills what is left on exit.

    Args:
        has_telemetry: Whether invocations send telemetry, as they do unless the subscription is to be refused.
        tls: Server side of the intake's TLS; None is plain HTTP.
        host: Name of the intake in its URL.
        variables: Environment of the extension beyond what Lambda sets; an empty value unsets.
    """

    def __init__(
        self,
        program: Program,
        *,
        has_telemetry: bool = True,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        **variables: str | bytes,
    ) -> None:
        self.program = program
        self.has_telemetry = has_telemetry
        self.variables = variables
        self.api = ScriptedLambda()
        self.intake = Intake(tls)
        self._host = host
        self.timeout_ms = 3000
        """The function's time-out, from which the deadlines of invocations follow."""
        self.telemetry_port = local_http.TELEMETRY
        self.is_function_done = asyncio.Event()
        """Set when the pretended handler of the invocation has worked."""
        self._extension: Process | None = None
        self._reports: list[events.Event] = []

    @property
    def extension(self) -> Process:
        assert self._extension is not None
        return self._extension

    async def __aenter__(self) -> World:
        await self.api.open()
        await self.intake.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._extension is not None:
            await self._extension.kill()
            if error is not None:
                error.add_note(f"its output: {self.extension.out}\nits errors: {self.extension.err}")
        await self.intake.close()
        await self.api.close()

    async def start(self, wait: bool = True) -> Process:
        """Start the extension, and wait for its first `/next`."""
        variables: dict[str, str | bytes] = {
            "DD_API_KEY": API_KEY,
            **intake_variables(self.intake.url.replace("127.0.0.1", self._host)),
            **self.variables,
        }
        self._extension = await start_extension(self.program, f"127.0.0.1:{self.api.port}", variables)
        if wait:
            await self.api.wait_for_next(1)
        return self._extension

    async def invocation(
        self, *lines: object, function_ms: int = FUNCTION_MS, has_done: bool = True, done: events.Event | None = None
    ) -> float:
        """Pass one invocation through, telemetry included, until the extension asks for the next one.

        Args:
            lines: Records of `function` events.
            has_done: Whether `platform.runtimeDone` is sent.
            done: In its place.

        Returns:
            Milliseconds from the end of the function's work until `/next`, 0 when it came before.
        """
        request_id = events.new_request_id()
        asked = len(self.api.of(NEXT))
        self.is_function_done.clear()
        self.api.send(events.invoke(request_id, self.timeout_ms))
        if self.has_telemetry:
            batch = [*self._reports, events.start(request_id), *map(events.function_line, lines)]
            self._reports = [events.report(request_id)]
            assert (await self._post(batch)).status == 200
        await asyncio.sleep(function_ms / 1000)  # the handler works
        done_s = time.monotonic()
        self.is_function_done.set()
        if self.has_telemetry and has_done:
            answer = await self._post([done or events.runtime_done(request_id)])
            assert answer.status == 200
        next_call = await self.api.wait_for_next(asked + 1, self.timeout_ms / 1000 + 2)
        return max((next_call.at_s - done_s) * 1000, 0.0)

    async def shutdown(self, reason: str = "spindown", has_report: bool = True) -> int:
        """Deliver the last report and SHUTDOWN, and return the exit code."""
        if self.has_telemetry and has_report and self._reports:
            assert (await self._post(self._reports)).status == 200
            self._reports = []
        self.api.send(events.shutdown(reason))
        return await self.extension.exit(4.0)

    async def _post(self, batch: list[events.Event]) -> local_http.Answer:
        return await local_http.post_events(batch, self.timeout_ms / 1000, self.telemetry_port)

    def messages(self) -> list[Any]:
        """The text of every log entry that the intake accepted, in order."""
        return [entry["message"]["message"] for entry in self.intake.logs()]

    def log_requests(self) -> list[Received]:
        """Requests to the logs intake, whatever their answer."""
        return [received for received in self.intake.received if received.product.name == "logs"]

    def own_lines(self) -> list[str]:
        """What the extension printed, but for the line that announces the shutdown."""
        lines = self.extension.out + self.extension.err
        return [line for line in lines if not line.startswith("Exiting: ")]
