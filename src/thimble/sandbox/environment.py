"""One execution environment: it goes through generations, each from INIT to a shutdown or a reset."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from thimble.sandbox import freezer, invoke_phase, platform_events
from thimble.sandbox import generation as phases
from thimble.sandbox.api_server import ApiServer
from thimble.sandbox.billing import span_ms
from thimble.sandbox.cgroups import Cgroup, make_cgroup
from thimble.sandbox.clock import Clock
from thimble.sandbox.faults import Faults
from thimble.sandbox.generation import Fatal, Generation, GenerationFailed, PhaseTimeout
from thimble.sandbox.init_phase import InitFailed, init_limit_s, run_init
from thimble.sandbox.invoke_phase import InvokeFailed
from thimble.sandbox.memory import MemoryMeter
from thimble.sandbox.processes import RUNTIME, Process, ProcessTable
from thimble.sandbox.recorder import Event, Recorder
from thimble.sandbox.runtime_side import Invocation
from thimble.sandbox.shutdown import shut_down
from thimble.sandbox.spec import INIT_PROVISIONED, INIT_SNAP_START, ExtensionSpec, FunctionSpec, PlatformOptions
from thimble.sandbox.variables import log_stream_name

RESTORE_LIMIT_S = 10.0


class Environment:
    """Serves one invocation at a time. Made by `open`; `spindown` or `kill` ends it."""

    def __init__(
        self,
        function: FunctionSpec,
        extensions: Sequence[ExtensionSpec],
        options: PlatformOptions,
        faults: Faults,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._function = function
        self._extensions = list(extensions)
        self._options = options
        self._faults = faults
        self._recorder = recorder
        self._clock = clock
        self._server = ApiServer(self, recorder, faults, options, is_managed=function.is_managed)
        self._log_stream = log_stream_name(function.version, clock.wall_ms(clock.now_ns()))
        self._number = 0
        self._init_ms: float | None = None
        self._is_init_unreported = False
        self._has_initialised = False
        self._invocation: Invocation | None = None
        self._sampler: asyncio.Task[None] | None = None
        self._cpu_group: Cgroup | None = None
        self._freezer_group: Cgroup | None = None
        self.lock = asyncio.Lock()
        self.generation: Generation | None = None
        self.runtime_api = ""
        self.extra_runtime_env: dict[str, str] = {}

    async def open(self) -> None:
        """Start the API server; processes start with the first invocation or `warm`."""
        port = await self._server.start()
        self.runtime_api = f"127.0.0.1:{port}"
        self._processes = ProcessTable(self._clock, self.runtime_api, self._on_exit)
        self._memory = MemoryMeter(self._processes, self._function.memory_mb)
        if self._options.cpu_share is not None:
            self._cpu_group = make_cgroup("cpu", port)
            self._cpu_group.limit_cpu(self._options.cpu_share)
            self._processes.cgroup_files.append(self._cpu_group.processes_file)
        if self._options.freeze_method == "cgroup":
            self._freezer_group = make_cgroup("freezer", port)
            self._processes.cgroup_files.append(self._freezer_group.processes_file)

    @property
    def is_busy(self) -> bool:
        return self.lock.locked()

    def pids(self) -> list[int]:
        """Living processes of this environment."""
        return self._processes.pids()

    # Phases.

    async def warm(self) -> bool:
        """Run INIT now and freeze; False when it failed (the environment is reset then)."""
        async with self.lock:
            if self.generation is None:
                try:
                    await self._initialise("init", self._init_deadline_ns())
                except InitFailed as failure:
                    await self._reset_after_init(failure)
                    return False
                await self._freeze()
            return True

    async def invoke(self, invocation: Invocation) -> None:
        """Run one invocation to the end of its phase; its caller is answered on the way."""
        async with self.lock:
            if self.generation is None and not self._has_initialised:
                invocation.is_cold = True
                try:
                    await self._initialise("init", self._init_deadline_ns())
                except InitFailed as failure:
                    await self._reset_after_init(failure)
            self._set_deadline(invocation)
            self._invocation = invocation
            try:
                await self._serve(invocation)
            finally:
                self._invocation = None

    async def _serve(self, invocation: Invocation) -> None:
        if self.generation is not None and self.generation.fatal is not None:
            # A process ended between two invocations, which only an unfrozen environment allows.
            await self._reset("failure")
        if self.generation is None:
            invocation.is_cold = True
            try:
                await self._initialise("invoke", invocation.deadline_ns)
            except InitFailed as failure:
                await self._fail_suppressed(invocation, failure)
                return
            # A suppressed INIT is part of the invocation: no init duration of its own.
            self._is_init_unreported = False
        else:
            self._thaw()
        generation = self._present()
        generation.phase = phases.INVOKE
        if self._is_init_unreported:
            self._is_init_unreported = False
            if self._function.init_type != INIT_PROVISIONED:
                invocation.init_duration_ms = self._init_ms
        try:
            await self._restore(generation, invocation)
            invoke_phase.begin(generation, invocation)
            await invoke_phase.run_invocation(generation, invocation, self._memory)
        except InvokeFailed as failure:
            await self._reset(failure.reason)
            return
        except (PhaseTimeout, GenerationFailed) as error:
            fatal = error.fatal if isinstance(error, GenerationFailed) else None
            await self._fail_restore(generation, invocation, fatal)
            return
        generation.phase = phases.IDLE
        await self._freeze()

    def _present(self) -> Generation:
        """The generation, where there must be one."""
        assert self.generation is not None
        return self.generation

    def _set_deadline(self, invocation: Invocation) -> None:
        invocation.start_ns = self._clock.now_ns()
        invocation.deadline_ns = invocation.start_ns + int(self._function.timeout_s * 1e9)
        invocation.deadline_wall_ms = self._clock.wall_ms(invocation.deadline_ns)

    def _init_deadline_ns(self) -> int:
        return self._clock.now_ns() + int(init_limit_s(self._function, self._options.init_timeout_s) * 1e9)

    async def _initialise(self, phase: str, deadline_ns: int) -> None:
        self._number += 1
        self._has_initialised = True
        self._memory.reset()
        self.generation = Generation(
            self._number,
            self._function,
            self._options,
            self._faults,
            self._recorder,
            self._clock,
            self._processes,
            self._log_stream,
            self.extra_runtime_env,
        )
        self.generation.hub.on_log = self._on_log
        self._start_sampling()
        duration_ms = await run_init(self.generation, self._extensions, self.runtime_api, phase, deadline_ns)
        self._memory.sample(self._clock.now_ns())
        self._init_ms = round(duration_ms + self._options.init_duration_extra_ms, 3)
        self._is_init_unreported = self._function.init_type != INIT_SNAP_START
        self.generation.phase = phases.IDLE

    async def _reset_after_init(self, failure: InitFailed) -> None:
        """After a failed INIT: a timeout kills at once, an error shuts down with `failure`."""
        assert self.generation is not None
        if failure.fatal is None and not self._options.has_shutdown_after_init_timeout:
            await self._end_generation(None)
        else:
            await self._end_generation("timeout" if failure.fatal is None else "failure")

    async def _fail_suppressed(self, invocation: Invocation, failure: InitFailed) -> None:
        """INIT failed inside the invocation: the caller gets that error."""
        assert self.generation is not None
        invoke_phase.begin(self.generation, invocation)
        if failure.fatal is None:
            invoke_phase.time_out(self.generation, invocation, self._memory)
            await self._reset("timeout")
        else:
            invoke_phase.crash(self.generation, invocation, failure.fatal, self._memory)
            await self._reset("failure")

    async def _restore(self, generation: Generation, invocation: Invocation) -> None:
        """SnapStart: resume the runtime's hooks before the first invocation."""
        runtime = generation.runtime
        if runtime.restore_ready_ns is None or runtime.first_next_ns is not None:
            return
        clock, hub = self._clock, generation.hub
        start_ns = clock.now_ns()
        hub.emit("platform.restoreStart", platform_events.restore_start(self._function, self._log_stream))
        runtime.release_restore()
        deadline_ns = start_ns + int(RESTORE_LIMIT_S * 1e9)
        await generation.until(lambda: runtime.first_next_ns is not None, deadline_ns)
        hub.emit("platform.restoreRuntimeDone", {"status": "success"})
        invocation.restore_ms = span_ms(start_ns, clock.now_ns())
        hub.emit("platform.restoreReport", {"status": "success", "metrics": {"durationMs": invocation.restore_ms}})
        self._set_deadline(invocation)

    async def _fail_restore(self, generation: Generation, invocation: Invocation, fatal: Fatal | None) -> None:
        cause = fatal or Fatal("Runtime.RestoreHookUserTimeout", "restore hooks took too long")
        record: Event = {"status": "error", "errorType": cause.error_type}
        generation.hub.emit("platform.restoreRuntimeDone", dict(record))
        generation.hub.emit("platform.restoreReport", dict(record))
        invoke_phase.begin(generation, invocation)
        invoke_phase.crash(generation, invocation, cause, self._memory)
        await self._reset("failure")

    # Freeze, thaw, end.

    async def _freeze(self) -> None:
        generation = self.generation
        assert generation is not None
        if self._options.freeze_method == "none" or self._function.is_managed:
            return
        generation.hub.freeze()
        try:
            await freezer.freeze(self._processes, self._freezer_group)
        except freezer.FreezeError as error:
            self._recorder.violate(str(error), generation=generation.number)
        generation.is_frozen = True
        self._recorder.note("freeze", "", generation.number)

    def _thaw(self) -> None:
        generation = self.generation
        if generation is not None and generation.is_frozen:
            freezer.thaw(self._processes, self._freezer_group)
            generation.is_frozen = False
            generation.hub.thaw()
            self._recorder.note("thaw", "", generation.number)
        elif generation is not None:
            generation.hub.thaw()

    async def _reset(self, reason: str) -> None:
        """End the generation, keep the environment: the next invocation runs INIT again."""
        await self._end_generation(reason)

    async def _end_generation(self, reason: str | None) -> None:
        """Shut down with `reason`, or kill at once when it is None."""
        generation = self.generation
        if generation is None:
            return
        self._thaw()
        if self._sampler is not None:
            self._sampler.cancel()
            self._sampler = None
        if reason is None:
            generation.phase = phases.SHUTDOWN
            self._processes.kill_all()
            await self._processes.wait_all_gone()
            await generation.hub.close()
        else:
            await shut_down(generation, reason)
        generation.phase = phases.GONE
        self.generation = None

    async def spindown(self) -> None:
        """A proper shutdown; waits for a running invocation first."""
        async with self.lock:
            await self._end_generation("spindown")
        await self._close()

    async def kill(self) -> None:
        """End everything at once."""
        await self._end_generation(None)
        await self._close()

    async def _close(self) -> None:
        await self._server.stop()
        for group in (self._cpu_group, self._freezer_group):
            if group is not None:
                group.remove()

    # What happens by itself.

    def _on_exit(self, process: Process) -> None:
        generation = self.generation
        self._recorder.exit_codes[process.name] = process.exit_code
        self._recorder.note(
            "exit",
            process.name,
            generation.number if generation else self._number,
            code=process.exit_code,
            killed=process.is_killed,
        )
        if generation is None:
            return
        ending = process.ending()
        if process.name == RUNTIME:
            text = f"with error: {ending}" if ending else "without providing a reason"
            is_memory = self._options.is_memory_enforced and self._memory.is_over_limit and process.is_killed
            error_type = self._options.oom_error_type if is_memory else "Runtime.ExitError"
            answer = generation.runtime.init_error
            generation.fail(Fatal(error_type, f"Runtime exited {text}", answer))
        else:
            generation.fail(Fatal("Extension.Crash", ending or "exit code 0"))

    def _on_log(self, event: Event) -> None:
        if self._invocation is not None:
            self._invocation.logs.append(event)

    def _start_sampling(self) -> None:
        if self._options.memory_sample_ms > 0 and self._sampler is None:
            self._sampler = asyncio.get_running_loop().create_task(self._sample_memory(), name="memory meter")

    async def _sample_memory(self) -> None:
        while True:
            await asyncio.sleep(self._options.memory_sample_ms / 1000)
            generation = self.generation
            if generation is None or generation.is_frozen:
                continue
            self._memory.sample(self._clock.now_ns())
            self._recorder.peak_memory_mb = max(self._recorder.peak_memory_mb, self._memory.peak_mb)
            if self._options.is_memory_enforced and self._memory.is_over_limit and generation.runtime_process:
                generation.runtime_process.kill()

    def inject(self, event: Event) -> None:
        """Give an event to the present generation's subscribers."""
        if self.generation is not None:
            self.generation.hub.inject(event)


__all__ = ["Environment"]
