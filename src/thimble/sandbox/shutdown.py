"""SHUTDOWN: the runtime first, then extensions by an event, and SIGKILL for what is left at the deadline.

Theory: the budget runs from the start of the shutdown, not from the moment the event arrives. A runtime that is slow to
die eats into the time of extensions. No extension ever gets SIGTERM.

Source: AWS Lambda Developer Guide, "Shutdown phase"; shares as in AWS's runtime interface emulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal

from thimble.sandbox import states
from thimble.sandbox.generation import SHUTDOWN, Generation
from thimble.sandbox.processes import RUNTIME, Process

BUDGET_EXTERNAL_MS = 2000.0
BUDGET_INTERNAL_MS = 500.0
TELEMETRY_FLUSH_S = 1.0
TELEMETRY_GRACE_S = 0.1
"""How long SHUTDOWN waits for pending telemetry when it should go before it."""

_RIE_WORDS = {"spindown": "SandboxTerminated", "timeout": "Timeout", "failure": "ReleaseFail"}


def reason_word(reason: str, words: str) -> str:
    """`spindown`, `timeout` or `failure` in the spelling asked for."""
    if words == "upper":
        return reason.upper()
    return _RIE_WORDS[reason] if words == "rie" else reason


async def shut_down(generation: Generation, reason: str) -> None:
    """End all processes of a generation, which must be thawed.

    Args:
        generation: Its phase becomes `shutdown`.
        reason: `spindown`, `timeout` or `failure`.
    """
    generation.phase = SHUTDOWN
    clock, options = generation.clock, generation.options
    start_ns = clock.now_ns()
    generation.recorder.note("shutdown_start", reason, generation.number, at_ns=start_ns)
    registered = generation.registry.registered()
    externals = {p.name: p for p in generation.processes.running if p.name != RUNTIME}
    if not registered:
        generation.processes.kill_all()
        await _finish(generation)
        return
    has_external = any(extension.is_external for extension in registered)
    budget_ms = BUDGET_EXTERNAL_MS if has_external else BUDGET_INTERNAL_MS
    if generation.faults.shutdown_budget_ms is not None:
        budget_ms = generation.faults.shutdown_budget_ms
    deadline_ns = start_ns + int(budget_ms * 1e6)
    flush = _start_flush(generation)
    await _end_runtime(generation, min(options.runtime_shutdown_ms, budget_ms) if has_external else BUDGET_INTERNAL_MS)
    if options.telemetry_at_shutdown == "before" and flush is not None:
        await asyncio.wait([flush], timeout=TELEMETRY_GRACE_S)
    told = _tell_extensions(generation, externals, reason, deadline_ns)
    if options.telemetry_at_shutdown == "after":
        await asyncio.sleep(0.005)
        flush = asyncio.ensure_future(generation.hub.flush(TELEMETRY_FLUSH_S))
    await _await_exits(generation, told, deadline_ns)
    if flush is not None:
        flush.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flush
    await _finish(generation)


def _start_flush(generation: Generation) -> asyncio.Future[bool] | None:
    if generation.options.telemetry_at_shutdown == "after":
        return None
    return asyncio.ensure_future(generation.hub.flush(TELEMETRY_FLUSH_S))


async def _end_runtime(generation: Generation, share_ms: float) -> None:
    process = generation.runtime_process
    if process is None or not process.is_running:
        return
    process.signal_group(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.gone.wait(), share_ms / 1000)
    except TimeoutError:
        process.kill()
        await process.gone.wait()


def _tell_extensions(
    generation: Generation, processes: dict[str, Process], reason: str, deadline_ns: int
) -> list[Process]:
    """Release SHUTDOWN to those who asked for it, kill the others; returns the processes told."""
    event = {
        "eventType": "SHUTDOWN",
        "deadlineMs": generation.clock.wall_ms(deadline_ns),
        "shutdownReason": reason_word(reason, generation.options.reason_words),
    }
    wanted = {extension.name: extension for extension in generation.registry.subscribed("SHUTDOWN")}
    told: list[Process] = []
    for name, process in processes.items():
        if not process.is_running:
            continue
        extension = wanted.get(name)
        if extension is None or extension.state in (states.INIT_ERROR, states.EXIT_ERROR):
            process.kill()
            continue
        extension.is_told_to_shut_down = True
        generation.recorder.shutdown_deadlines_ns[(generation.number, name)] = deadline_ns
        generation.recorder.note("shutdown_event", name, generation.number, reason=reason)
        extension.release(dict(event))
        told.append(process)
    return told


async def _await_exits(generation: Generation, told: list[Process], deadline_ns: int) -> None:
    for process in told:
        left_s = (deadline_ns - generation.clock.now_ns()) / 1e9
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.gone.wait(), max(left_s, 0.0))
    for process in told:
        extension = generation.registry.by_name[process.name]
        if process.is_running:
            process.kill()
        extension.state = states.EXITED if process.exit_code == 0 else states.SHUTDOWN_FAILED


async def _finish(generation: Generation) -> None:
    generation.processes.kill_all()
    await generation.processes.wait_all_gone()
    await generation.hub.close()
    generation.recorder.note("shutdown_end", "", generation.number)
