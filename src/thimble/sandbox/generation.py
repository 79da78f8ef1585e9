"""One generation of an execution environment: the processes between two resets, and all that they told the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from thimble.sandbox.clock import Clock
from thimble.sandbox.extension_side import ExtensionRegistry
from thimble.sandbox.faults import Faults
from thimble.sandbox.managed_workers import ManagedRuntime
from thimble.sandbox.processes import Process, ProcessTable
from thimble.sandbox.recorder import Recorder
from thimble.sandbox.runtime_side import Answer, RuntimeSide
from thimble.sandbox.spec import FunctionSpec, PlatformOptions
from thimble.sandbox.telemetry_hub import TelemetryHub

INIT = "init"
IDLE = "idle"
INVOKE = "invoke"
SHUTDOWN = "shutdown"
GONE = "gone"


@dataclass
class Fatal:
    """The first thing that makes a generation unusable."""

    error_type: str
    message: str
    """How the process ended, for the caller's document: `exit status 3`, `signal: killed`."""
    answer: Answer | None = None
    """An error document that the runtime posted itself."""


class GenerationFailed(Exception):
    """A process ended or reported an error while the platform needed it. Attribute `fatal` says which."""

    def __init__(self, fatal: Fatal) -> None:
        super().__init__(f"{fatal.error_type}: {fatal.message}")
        self.fatal = fatal


class PhaseTimeout(Exception):
    """The deadline of the phase passed."""


class Generation:
    """State of one generation; the phases (`init_phase`, `invoke_phase`, `shutdown`) move it."""

    def __init__(
        self,
        number: int,
        function: FunctionSpec,
        options: PlatformOptions,
        faults: Faults,
        recorder: Recorder,
        clock: Clock,
        processes: ProcessTable,
        log_stream: str,
        extra_runtime_env: dict[str, str],
    ) -> None:
        self.number = number
        self.function = function
        self.options = options
        self.faults = faults
        self.recorder = recorder
        self.clock = clock
        self.processes = processes
        self.log_stream = log_stream
        self.extra_runtime_env = extra_runtime_env
        self.phase = INIT
        self.registry = ExtensionRegistry(is_managed=function.is_managed)
        self.runtime = RuntimeSide()
        self.managed = ManagedRuntime() if function.is_managed else None
        self.runtime_process: Process | None = None
        self.fatal: Fatal | None = None
        self.is_frozen = False
        self._changed = asyncio.Event()
        self.hub = TelemetryHub(number, function, options, faults, recorder, clock)

    def fail(self, fatal: Fatal) -> None:
        """Note a fatal error; the first one wins, and none counts once the generation shuts down."""
        if self.fatal is None and self.phase not in (SHUTDOWN, GONE):
            self.fatal = fatal
            self.recorder.note("fatal", fatal.error_type, self.number, message=fatal.message)
        self.changed()

    def changed(self) -> None:
        """Something that a phase may wait for has happened."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool], deadline_ns: int | None) -> None:
        """Wait until `condition` holds.

        Raises:
            GenerationFailed: A fatal error came first.
            PhaseTimeout: The deadline came first.
        """
        while True:
            if self.fatal is not None:
                raise GenerationFailed(self.fatal)
            if condition():
                return
            self._changed.clear()
            left_s = None if deadline_ns is None else (deadline_ns - self.clock.now_ns()) / 1e9
            if left_s is not None and left_s <= 0:
                raise PhaseTimeout
            try:
                await asyncio.wait_for(self._changed.wait(), left_s)
            except TimeoutError:
                raise PhaseTimeout from None

    async def pause(self, delay_ms: float) -> None:
        """A deliberate wait of the platform itself (options only)."""
        if delay_ms > 0:
            await asyncio.sleep(delay_ms / 1000)
