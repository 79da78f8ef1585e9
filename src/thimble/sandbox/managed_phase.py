"""INVOKE on Lambda Managed Instances: several at a time, no freeze, no `runtimeDone`, a short report."""

from __future__ import annotations

from thimble.sandbox import platform_events
from thimble.sandbox.billing import span_ms
from thimble.sandbox.generation import Fatal, Generation, GenerationFailed, PhaseTimeout
from thimble.sandbox.invoke_phase import begin
from thimble.sandbox.runtime_side import Answer, Invocation
from thimble.sandbox.states import invocation_error_document

TIMED_OUT = "Sandbox.Timedout"
UNAVAILABLE = "Runtime.Unavailable"


async def run_invocation(generation: Generation, invocation: Invocation) -> bool:
    """Run one of several invocations until its worker has answered.

    Returns:
        False when the generation failed and must be ended.
    """
    assert generation.managed is not None
    if not generation.managed.idle_count:
        _answer_in_its_place(generation, invocation, UNAVAILABLE, "No idle worker is available", status_code=400)
        return True
    invocation.run_ns = generation.clock.now_ns()
    begin(generation, invocation)
    generation.managed.release(invocation)
    try:
        await generation.until(invocation.answered.done, invocation.deadline_ns)
    except PhaseTimeout:
        generation.managed.time_out(invocation.request_id)
        text = f"Task timed out after {generation.function.timeout_s:.2f} seconds"
        _answer_in_its_place(generation, invocation, TIMED_OUT, text)
        _report(generation, invocation, "timeout", TIMED_OUT)
        return True
    except GenerationFailed as error:
        fail(generation, invocation, error.fatal)
        return False
    generation.processes.drain_logs()
    error_type = invocation.error_type or invocation.posted_error_type
    _report(generation, invocation, "error" if error_type else "success", error_type)
    return True


def fail(generation: Generation, invocation: Invocation, fatal: Fatal) -> None:
    """Answer and report an invocation whose environment failed."""
    text = f"RequestId: {invocation.request_id} Error: {fatal.message}"
    _answer_in_its_place(generation, invocation, fatal.error_type, text)
    _report(generation, invocation, "error", fatal.error_type)


def _answer_in_its_place(
    generation: Generation, invocation: Invocation, error_type: str, text: str, status_code: int = 200
) -> None:
    document = invocation_error_document(error_type, text)
    answer = Answer(document, "Unhandled", error_type, status_code)
    invocation.answer(answer, generation.clock.now_ns())


def _report(generation: Generation, invocation: Invocation, status: str, error_type: str | None) -> None:
    clock = generation.clock
    run_ns = invocation.run_ns or invocation.start_ns
    first_ns, last_ns = invocation.response_first_ns, invocation.response_last_ns
    spans: list[dict[str, object]] = []
    if first_ns is not None and last_ns is not None:
        spans = [
            platform_events.span("responseLatency", clock.text(run_ns), span_ms(run_ns, first_ns)),
            platform_events.span("responseDuration", clock.text(first_ns), span_ms(first_ns, last_ns)),
        ]
    record = platform_events.report(
        generation.function,
        invocation.request_id,
        status,
        error_type,
        {"durationMs": span_ms(run_ns, last_ns or clock.now_ns())},
        spans,
        invocation.trace,
        invocation.tenant_id,
    )
    invocation.report = record
    invocation.error = error_type
    transcript = generation.recorder.transcript
    transcript.append(f"END RequestId: {invocation.request_id}")
    transcript.append(platform_events.report_line(record))
    generation.recorder.post_runtime[invocation.request_id] = 0.0
    generation.recorder.note("invoke_end", invocation.request_id, generation.number, status=status)
    generation.hub.emit("platform.report", record)
