"""INVOKE: release extensions and runtime, wait for both to come back, report.

The outcome of an invocation is what the events say; a failed one raises so that the environment is reset.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from thimble.sandbox import platform_events, states
from thimble.sandbox.billing import billed_ms, span_ms
from thimble.sandbox.generation import Fatal, Generation, GenerationFailed, PhaseTimeout
from thimble.sandbox.memory import MemoryMeter
from thimble.sandbox.runtime_side import Answer, Invocation
from thimble.sandbox.spec import INIT_ON_DEMAND
from thimble.sandbox.states import invocation_error_document


class InvokeFailed(Exception):
    """The environment must be reset. Attribute `reason` is the shutdown reason: `timeout` or `failure`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def begin(generation: Generation, invocation: Invocation) -> None:
    """`platform.start`, and the lines of the console that go with it."""
    invocation.generation = generation.number
    generation.hub.is_holding_function_logs = True
    generation.hub.emit(
        "platform.start",
        platform_events.start(generation.function, invocation.request_id, invocation.trace, invocation.tenant_id),
    )
    generation.recorder.transcript.append(
        f"START RequestId: {invocation.request_id} Version: {generation.function.version}"
    )
    generation.recorder.note("invoke_start", invocation.request_id, generation.number)


async def run_invocation(generation: Generation, invocation: Invocation, memory: MemoryMeter) -> None:
    """Dispatch one invocation and wait until runtime and extensions are back in `next`.

    Raises:
        InvokeFailed: Timeout or crash; every event but the SHUTDOWN has been emitted and the caller has an answer.
    """
    try:
        await _dispatch(generation, invocation)
        await generation.until(lambda: _is_runtime_done(generation, invocation), invocation.deadline_ns)
        assert invocation.runtime_done_ns is not None
        generation.processes.drain_logs()
        status = "error" if invocation.error_type else "success"
        _emit_runtime_done(generation, invocation, status, invocation.error_type)
        waited = generation.registry.subscribed("INVOKE")
        await generation.until(lambda: all(extension.is_waiting for extension in waited), invocation.deadline_ns)
        done_ns = max([invocation.runtime_done_ns] + [extension.ready_ns or 0 for extension in waited])
        invocation.post_runtime_ms = span_ms(invocation.runtime_done_ns, done_ns)
        await generation.pause(generation.options.freeze_delay_ms)
    except PhaseTimeout:
        time_out(generation, invocation, memory)
        raise InvokeFailed("timeout") from None
    except GenerationFailed as error:
        crash(generation, invocation, error.fatal, memory)
        raise InvokeFailed("failure") from None
    memory.sample(done_ns)
    generation.processes.drain_logs()
    if generation.options.freeze_method != "none":
        generation.hub.freeze()
    spans: list[dict[str, object]] = []
    if waited:
        start_text = generation.clock.text(invocation.runtime_done_ns)
        spans.append(platform_events.span("extensionOverhead", start_text, invocation.post_runtime_ms))
    duration_ms = span_ms(invocation.start_ns, done_ns)
    _emit_report(generation, invocation, status, invocation.error_type, duration_ms, spans, memory.peak_mb)


def _is_runtime_done(generation: Generation, invocation: Invocation) -> bool:
    return invocation.runtime_done_ns is not None and generation.runtime.state == states.READY


async def _dispatch(generation: Generation, invocation: Invocation) -> None:
    """Release both sides, in the order that the options ask for."""
    for extension in generation.registry.registered():
        extension.ready_ns = None
    order: list[Callable[[], None]] = [
        lambda: _release_extensions(generation, invocation),
        lambda: _release_runtime(generation, invocation),
    ]
    wanted = generation.options.release_order
    if wanted == "runtime_first" or (wanted == "random" and random.random() < 0.5):
        order.reverse()
    order[0]()
    await generation.pause(generation.options.release_gap_ms)
    order[1]()


def _release_runtime(generation: Generation, invocation: Invocation) -> None:
    invocation.run_ns = generation.clock.now_ns()
    generation.runtime.release(invocation)


def _release_extensions(generation: Generation, invocation: Invocation) -> None:
    event: dict[str, object] = {
        "eventType": "INVOKE",
        "deadlineMs": invocation.deadline_wall_ms,
        "requestId": invocation.request_id,
        "invokedFunctionArn": generation.function.arn,
    }
    if invocation.trace:
        event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace}
    for extension in generation.registry.subscribed("INVOKE"):
        extension.release(dict(event))


def _emit_runtime_done(generation: Generation, invocation: Invocation, status: str, error_type: str | None) -> None:
    if invocation.is_runtime_done_sent:
        return
    invocation.is_runtime_done_sent = True
    clock, faults = generation.clock, generation.faults
    run_ns = invocation.run_ns or invocation.start_ns
    end_ns = invocation.runtime_done_ns or clock.now_ns()
    metrics: dict[str, object] | None = {
        "durationMs": span_ms(run_ns, end_ns),
        "producedBytes": invocation.produced_bytes,
    }
    if not faults.has_runtime_done_metrics:
        metrics = None
    first_ns, last_ns = invocation.response_first_ns, invocation.response_last_ns
    spans: list[dict[str, object]] = []
    if invocation.is_response and first_ns is not None and last_ns is not None:
        spans = [
            platform_events.span("responseLatency", clock.text(run_ns), span_ms(run_ns, first_ns)),
            platform_events.span("responseDuration", clock.text(first_ns), span_ms(first_ns, last_ns)),
            platform_events.span("runtimeOverhead", clock.text(last_ns), span_ms(last_ns, end_ns)),
        ]
    record = platform_events.runtime_done(
        generation.function,
        invocation.request_id,
        status,
        error_type,
        metrics,
        spans,
        invocation.trace,
        invocation.tenant_id,
    )
    generation.recorder.note("runtime_done", invocation.request_id, generation.number, at_ns=end_ns, status=status)
    if faults.has_runtime_done:
        invocation.runtime_done = record
        generation.hub.emit("platform.runtimeDone", record)


def _emit_report(
    generation: Generation,
    invocation: Invocation,
    status: str,
    error_type: str | None,
    duration_ms: float,
    spans: list[dict[str, object]],
    memory_mb: int,
) -> None:
    function = generation.function
    init_ms = invocation.init_duration_ms if function.init_type == INIT_ON_DEMAND else None
    metrics: dict[str, object] = {
        "durationMs": duration_ms,
        "billedDurationMs": billed_ms(
            duration_ms, init_ms, restore_ms=invocation.restore_ms, billing=generation.options.billing
        ),
        "memorySizeMB": function.memory_mb,
        "maxMemoryUsedMB": memory_mb,
    }
    if init_ms is not None:
        metrics["initDurationMs"] = init_ms
    if invocation.restore_ms is not None:
        metrics["restoreDurationMs"] = invocation.restore_ms
    record = platform_events.report(
        function, invocation.request_id, status, error_type, metrics, spans, invocation.trace, invocation.tenant_id
    )
    invocation.report = record
    invocation.error = error_type
    transcript = generation.recorder.transcript
    transcript.append(f"END RequestId: {invocation.request_id}")
    transcript.append(platform_events.report_line(record))
    generation.recorder.post_runtime[invocation.request_id] = invocation.post_runtime_ms
    generation.recorder.note("invoke_end", invocation.request_id, generation.number, status=status)
    if not (status != "success" and generation.options.has_lost_last_report):
        generation.hub.emit("platform.report", record)


def time_out(generation: Generation, invocation: Invocation, memory: MemoryMeter) -> None:
    """Answer and report an invocation that ran out of time."""
    now_ns = generation.clock.now_ns()
    timeout_s = generation.function.timeout_s
    text = f"RequestId: {invocation.request_id} Error: Task timed out after {timeout_s:.2f} seconds"
    document = invocation_error_document("Sandbox.Timedout", text)
    invocation.answer(Answer(document, "Unhandled", "Sandbox.Timedout"), now_ns)
    _finish_failed(generation, invocation, "timeout", None, timeout_s * 1000.0, memory.sample_peak_mb(now_ns))
    invocation.error = "Sandbox.Timedout"


def crash(generation: Generation, invocation: Invocation, fatal: Fatal, memory: MemoryMeter) -> None:
    """Answer and report an invocation whose environment failed."""
    now_ns = generation.clock.now_ns()
    if fatal.answer is not None:
        invocation.answer(fatal.answer, now_ns)
    else:
        text = f"RequestId: {invocation.request_id} Error: {fatal.message}"
        document = invocation_error_document(fatal.error_type, text)
        invocation.answer(Answer(document, "Unhandled", fatal.error_type), now_ns)
    is_memory = fatal.error_type == generation.options.oom_error_type and memory.is_over_limit
    memory_mb = generation.function.memory_mb if is_memory else memory.sample_peak_mb(now_ns)
    duration_ms = span_ms(invocation.start_ns, now_ns)
    # A response that the platform refused is the cause, the exit of the runtime its consequence.
    error_type = invocation.error_type or fatal.error_type
    _finish_failed(generation, invocation, "error", error_type, duration_ms, memory_mb)


def _finish_failed(
    generation: Generation,
    invocation: Invocation,
    status: str,
    error_type: str | None,
    duration_ms: float,
    memory_mb: int,
) -> None:
    generation.processes.drain_logs()
    if invocation.runtime_done_ns is not None:
        invocation.post_runtime_ms = span_ms(invocation.runtime_done_ns, generation.clock.now_ns())
    _emit_runtime_done(generation, invocation, status, error_type)
    _emit_report(generation, invocation, status, error_type, duration_ms, [], memory_mb)
