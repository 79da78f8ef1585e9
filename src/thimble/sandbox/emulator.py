"""The local Lambda: give it a function and extensions, invoke it, look at everything that happened.

    async with Emulator(python_function("app.handler", root), ExtensionSpec(path=layer / "extensions/datadog-agent")) as emu:
        result = await emu.invoke(b'{"n": 1}')
        await emu.spindown()
        print(result.payload, result.metrics, emu.exit_codes)
"""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from thimble.sandbox.faults import Faults
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
        self.extensions: list[ExtensionSpec] = []
        self.options = options or PlatformOptions()
        self.faults = faults or Faults()

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
        raise NotImplementedError

    def invoke_async(self, payload: bytes = b"{}", **arguments: Any) -> asyncio.Task[InvokeResult]:
        """Start `invoke` as a task, for invocations that overlap with what the test does."""
        raise NotImplementedError

    async def warm(self) -> bool:
        """Run INIT now, without an invocation, and freeze (proactive init, provisioned concurrency).

        Returns:
            Whether INIT succeeded. After a failure the next invoke runs INIT again, inside the invocation.
        """
        raise NotImplementedError

    async def spindown(self) -> None:
        """Shut every environment down as Lambda does after a long idle time; returns when all processes are gone."""
        raise NotImplementedError

    async def kill(self) -> None:
        """Kill every process at once, without SHUTDOWN, as when a host fails."""

    async def frozen_for(self, seconds: float) -> None:
        """Let real time pass while the environments stay frozen."""
        raise NotImplementedError

    def inject(self, event: dict[str, object]) -> None:
        """Send `event` to the subscribers of every environment, as it is."""
        raise NotImplementedError

    # What happened. All of these grow while the emulator lives, across generations and environments.

    @property
    def events(self) -> list[dict[str, object]]:
        """Every telemetry event generated, `{"time", "type", "record"}`, in order of generation."""
        raise NotImplementedError

    @property
    def telemetry_sent(self) -> list[Any]:
        """`recorder.Delivery` per telemetry POST that was tried: events, attempts, status, times."""
        raise NotImplementedError

    @property
    def api_calls(self) -> list[Any]:
        """`recorder.ApiCall` per request to the Runtime, Extensions and Telemetry APIs, in order of arrival."""
        raise NotImplementedError

    @property
    def timeline(self) -> list[Any]:
        """`recorder.Moment` per thing that happened (process start and exit, freeze, thaw, phase ends), in order."""
        raise NotImplementedError

    @property
    def exit_codes(self) -> dict[str, int | None]:
        """Last exit code per process: extension name or `runtime`; negative is a signal, None while it runs."""
        raise NotImplementedError

    @property
    def transcript(self) -> list[str]:
        """The console of the function as CloudWatch would show it: START, log lines, END, REPORT."""
        raise NotImplementedError
