"""The local Lambda: give it a function and extensions, invoke it, look at everything that happened.

Example::

    extension = ExtensionSpec(path=layer / "extensions/datadog-agent")
    async with Emulator(python_function("app.handler", root), extension) as emu:
        result = await emu.invoke(b'{"n": 1}')
        await emu.spindown()
        print(result.payload, result.metrics, emu.exit_codes)
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from thimble.sandbox.billing import span_ms
from thimble.sandbox.clock import Clock
from thimble.sandbox.environment import Environment
from thimble.sandbox.faults import Faults
from thimble.sandbox.managed_environment import ManagedEnvironment
from thimble.sandbox.recorder import ApiCall, Delivery, Event, Moment, Recorder
from thimble.sandbox.runtime_side import Invocation
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, InvokeResult, PlatformOptions, ReturnWhen


class EnvironmentBusy(RuntimeError):
    """Every environment serves an invocation, and `PlatformOptions.when_busy` is `error`."""


class Emulator:
    """Creates execution environments on demand and passes invocations to them.

    Leaving the `async with` block kills what was not spun down; call `spindown` to see a proper shutdown.
    Extensions' ports are fixed, so run two emulators with the same extension in two network namespaces
    (`thimble.sandbox.isolation`).
    """

    def __init__(
        self,
        function: FunctionSpec,
        extensions: ExtensionSpec | Sequence[ExtensionSpec] = (),
        *,
        options: PlatformOptions | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.function = function
        self.extensions = [extensions] if isinstance(extensions, ExtensionSpec) else list(extensions)
        self.options = options or PlatformOptions()
        self.faults = faults or Faults()
        self.clock = Clock()
        self.recorder = Recorder(self.clock)
        self._environments: list[Environment] = []
        self._phases: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Emulator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def invoke(
        self,
        payload: bytes = b"{}",
        *,
        trace: str | None = None,
        client_context: str | None = None,
        cognito_identity: str | None = None,
        request_id: str | None = None,
        tenant_id: str | None = None,
        return_when: ReturnWhen = "done",
    ) -> InvokeResult:
        """Run one invocation, INIT first when there is no environment.

        Args:
            payload: The event, JSON text.
            trace: X-Ray header value for the runtime and extensions; None sends none.
            client_context: JSON text of the client context.
            cognito_identity: JSON text of the Cognito identity.
            request_id: UUID to use; None makes one.
            tenant_id: For tenant-isolated functions.
            return_when: `done` waits for the end of the invocation phase (extensions included, environment frozen),
                `responded` returns as soon as the caller would have its answer.

        Returns:
            The answer and the platform's figures. A failed function is no exception here: see `function_error`.

        Raises:
            EnvironmentBusy: See `PlatformOptions.when_busy`.
        """
        called_ns = self.clock.now_ns()
        invocation = Invocation(
            request_id or str(uuid.uuid4()), payload, called_ns, trace, client_context, cognito_identity, tenant_id
        )
        environment = await self._pick()
        phase = asyncio.get_running_loop().create_task(environment.invoke(invocation), name="invocation phase")
        self._phases.add(phase)
        phase.add_done_callback(self._phases.discard)
        if return_when == "done":
            await asyncio.shield(phase)
        else:
            waits: list[asyncio.Future[Any]] = [phase, invocation.answered]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if phase.done():
                phase.result()
        return self._result(invocation, is_over=phase.done())

    def invoke_async(self, payload: bytes = b"{}", **arguments: Any) -> asyncio.Task[InvokeResult]:
        """Start `invoke` as a task, for invocations that overlap with what the test does."""
        return asyncio.get_running_loop().create_task(self.invoke(payload, **arguments))

    def _result(self, invocation: Invocation, *, is_over: bool) -> InvokeResult:
        answer = invocation.answered.result()
        now_ns = self.clock.now_ns()
        answered_ns = invocation.answered_ns or now_ns
        return InvokeResult(
            request_id=invocation.request_id,
            payload=answer.payload,
            function_error=answer.function_error,
            status_code=answer.status_code,
            cold=invocation.is_cold,
            wall_ms=span_ms(invocation.called_ns, answered_ns),
            total_ms=span_ms(invocation.called_ns, now_ns if is_over else answered_ns),
            report=invocation.report,
            runtime_done=invocation.runtime_done,
            logs=list(invocation.logs),
            post_runtime_ms=invocation.post_runtime_ms,
            error_type=invocation.error or answer.error_type,
            generation=invocation.generation,
        )

    async def _pick(self) -> Environment:
        """An idle environment, a new one when there is none, or what `when_busy` says."""
        for environment in self._environments:
            if not environment.is_busy:
                return environment
        if self._environments and self.options.when_busy == "error":
            raise EnvironmentBusy("the environment serves another invocation; see PlatformOptions.when_busy")
        if self._environments and self.options.when_busy == "wait":
            return self._environments[0]
        async with self._opening:
            return await self._open()

    async def _first(self) -> Environment:
        async with self._opening:
            return self._environments[0] if self._environments else await self._open()

    async def _open(self) -> Environment:
        kind = ManagedEnvironment if self.function.is_managed else Environment
        environment = kind(self.function, self.extensions, self.options, self.faults, self.recorder, self.clock)
        await environment.open()
        self._environments.append(environment)
        return environment

    async def address(self) -> str:
        """`host:port` of the first environment's APIs; opens an environment when there is none."""
        return (await self._first()).runtime_api

    async def warm(self) -> bool:
        """Run INIT now, without an invocation, and freeze (proactive init, provisioned concurrency).

        Returns:
            Whether INIT succeeded. After a failure the next invoke runs INIT again, inside the invocation.
        """
        return await (await self._first()).warm()

    async def spindown(self) -> None:
        """Shut every environment down as Lambda does after a long idle time; returns when all processes are gone."""
        environments, self._environments = self._environments, []
        await asyncio.gather(*(environment.spindown() for environment in environments))

    async def kill(self) -> None:
        """Kill every process at once, without SHUTDOWN, as when a host fails. Running invocations are abandoned."""
        environments, self._environments = self._environments, []
        for phase in list(self._phases):
            phase.cancel()
        await asyncio.gather(*self._phases, return_exceptions=True)
        for environment in environments:
            await environment.kill()

    async def frozen_for(self, seconds: float) -> None:
        """Let real time pass while the environments stay frozen."""
        await asyncio.sleep(seconds)

    def inject(self, event: Event) -> None:
        """Send `event` to the subscribers of every environment, as it is."""
        for environment in self._environments:
            environment.inject(event)

    def pids(self) -> list[int]:
        """Living processes of all environments: runtimes, extensions, and their descendants."""
        return [pid for environment in self._environments for pid in environment.pids()]

    # What happened. All of these grow while the emulator lives, across generations and environments.

    @property
    def events(self) -> list[Event]:
        """Every telemetry event generated, `{"time", "type", "record"}`, in order of generation."""
        return self.recorder.events

    @property
    def telemetry_sent(self) -> list[Delivery]:
        """One entry per telemetry POST that was tried: events, attempts, status, times."""
        return self.recorder.deliveries

    @property
    def api_calls(self) -> list[ApiCall]:
        """One entry per request to the Runtime, Extensions and Telemetry APIs, in order of arrival."""
        return self.recorder.api_calls

    @property
    def timeline(self) -> list[Moment]:
        """One entry per thing that happened (process start and exit, freeze, thaw, phase ends), in order."""
        return self.recorder.timeline

    @property
    def exit_codes(self) -> dict[str, int | None]:
        """Last exit code per process: extension name or `runtime`; negative is a signal, None while it runs."""
        return self.recorder.exit_codes

    @property
    def transcript(self) -> list[str]:
        """The console of the function as CloudWatch would show it: START, log lines, END, REPORT."""
        return self.recorder.transcript
