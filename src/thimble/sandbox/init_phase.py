"""INIT: start extensions, then the runtime, and wait until everybody waits."""

from __future__ import annotations

from collections.abc import Sequence

from thimble.sandbox import platform_events, states
from thimble.sandbox.billing import span_ms
from thimble.sandbox.extension_side import EXTENSIONS_MAX
from thimble.sandbox.generation import Fatal, Generation, GenerationFailed, PhaseTimeout
from thimble.sandbox.log_capture import LineSink
from thimble.sandbox.processes import RUNTIME, LaunchError
from thimble.sandbox.spec import INIT_MANAGED, INIT_ON_DEMAND, INIT_SNAP_START, ExtensionSpec, FunctionSpec
from thimble.sandbox.variables import extension_variables, runtime_variables

INIT_LIMIT_S = 10.0
INIT_LIMIT_LONG_S = 130.0
WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"


class InitFailed(Exception):
    """INIT did not succeed. Attribute `fatal` is None when time ran out."""

    def __init__(self, fatal: Fatal | None) -> None:
        super().__init__("INIT timed out" if fatal is None else f"INIT failed: {fatal.error_type} {fatal.message}")
        self.fatal = fatal


def init_limit_s(function: FunctionSpec, configured_s: float | None) -> float:
    """Time limit of a regular INIT in seconds."""
    if configured_s is not None:
        return configured_s
    if function.init_type == INIT_ON_DEMAND:
        return INIT_LIMIT_S
    return max(INIT_LIMIT_LONG_S, function.timeout_s)


async def run_init(
    generation: Generation, extensions: Sequence[ExtensionSpec], runtime_api: str, phase: str, deadline_ns: int
) -> float:
    """Run INIT of one generation.

    Args:
        generation: A fresh generation.
        extensions: External extensions, in any order.
        runtime_api: Address for `AWS_LAMBDA_RUNTIME_API`.
        phase: `init`, or `invoke` inside an invocation (suppressed INIT).
        deadline_ns: Monotonic time at which it has failed.

    Returns:
        Duration in ms, as in `platform.initReport`.

    Raises:
        InitFailed: The events of the failure have been emitted; processes still run.
    """
    clock, hub, function = generation.clock, generation.hub, generation.function
    start_ns = clock.now_ns()
    generation.recorder.note("init_start", phase, generation.number, at_ns=start_ns)
    hub.emit("platform.initStart", platform_events.init_start(function, phase, generation.log_stream), start_ns)
    failure: InitFailed | None = None
    is_runtime_reported = False
    try:
        _start_extensions(generation, extensions, runtime_api)
        await generation.until(
            lambda: generation.registry.all_match(lambda extension: extension.is_registered), deadline_ns
        )
        _start_runtime(generation, runtime_api)
        await generation.until(lambda: _is_runtime_ready(generation), deadline_ns)
        generation.processes.drain_logs()
        hub.emit("platform.initRuntimeDone", platform_events.init_runtime_done(function, phase, "success", None))
        is_runtime_reported = True
        generation.registry.is_open = False
        await generation.until(
            lambda: all(extension.is_waiting for extension in generation.registry.registered()), deadline_ns
        )
    except GenerationFailed as error:
        failure = InitFailed(error.fatal)
    except PhaseTimeout:
        failure = InitFailed(None)
    status, error_type = "success", None
    if failure is not None:
        status = "timeout" if failure.fatal is None else "error"
        error_type = None if failure.fatal is None else failure.fatal.error_type
        if generation.runtime_process is not None and not is_runtime_reported:
            hub.emit("platform.initRuntimeDone", platform_events.init_runtime_done(function, phase, status, error_type))
    end_ns = clock.now_ns()
    hub.close_subscriptions()
    for extension in generation.registry.by_name.values():
        hub.emit(
            "platform.extension",
            platform_events.extension(extension.name, extension.state, extension.events, extension.error_type),
        )
    duration_ms = span_ms(start_ns, end_ns)
    hub.emit(
        "platform.initReport", platform_events.init_report(function, phase, status, error_type, duration_ms), end_ns
    )
    generation.recorder.note("init_end", phase, generation.number, at_ns=end_ns, status=status)
    if failure is not None:
        raise failure
    return duration_ms


def _is_runtime_ready(generation: Generation) -> bool:
    runtime = generation.runtime
    if generation.function.init_type == INIT_SNAP_START and runtime.restore_ready_ns is not None:
        return True
    return runtime.first_next_ns is not None


def _start_extensions(generation: Generation, extensions: Sequence[ExtensionSpec], runtime_api: str) -> None:
    """Launch in name order; the first that cannot be launched makes INIT fail."""
    runtime_env = runtime_variables(generation.function, generation.options, runtime_api, generation.log_stream)
    for index, spec in enumerate(sorted(extensions, key=lambda extension: extension.name)):
        extension = generation.registry.launch(spec.name)
        try:
            if index >= EXTENSIONS_MAX:
                raise LaunchError("TooManyExtensions", f"extension limit ({EXTENSIONS_MAX}) reached")
            generation.processes.start(
                spec.name,
                spec.command or [str(spec.path)],
                extension_variables(runtime_env, spec),
                spec.cwd,
                _sink(generation, "extension"),
            )
        except LaunchError as error:
            extension.state = states.LAUNCH_ERROR
            extension.error_type = error.reason
            generation.fail(Fatal("Extension.LaunchError", str(error)))
            return
        generation.recorder.note("start", spec.name, generation.number)
        generation.recorder.exit_codes[spec.name] = None


def _start_runtime(generation: Generation, runtime_api: str) -> None:
    function = generation.function
    env = runtime_variables(function, generation.options, runtime_api, generation.log_stream)
    env.update(generation.extra_runtime_env)
    command = list(function.bootstrap)
    wrapper = env.get(WRAPPER_VARIABLE)
    if wrapper:
        command.insert(0, wrapper)
    sink = _sink(generation, "function")
    has_frames = function.has_log_descriptor and function.init_type != INIT_MANAGED
    try:
        generation.runtime_process = generation.processes.start(
            RUNTIME, command, env, str(function.root), sink, sink if has_frames else None
        )
    except LaunchError as error:
        generation.fail(Fatal("Runtime.InvalidEntrypoint", str(error)))
        return
    generation.recorder.note("start", RUNTIME, generation.number)
    generation.recorder.exit_codes[RUNTIME] = None


def _sink(generation: Generation, kind: str) -> LineSink:
    def take(text: str, time_us: int | None) -> None:
        generation.hub.emit_log(kind, text, time_us)

    return take
