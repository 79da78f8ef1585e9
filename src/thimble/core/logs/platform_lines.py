"""The log lines that CloudWatch shows for platform events, and that the Telemetry API leaves out.

Each function answers the text; `is_failed` says whether the line has status `error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.codec.telemetry_events import STATUS_ERROR, STATUS_TIMEOUT

if TYPE_CHECKING:
    from thimble.core.codec.telemetry_events import TelemetryEvent

_SHORT_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def init_start_line(event: TelemetryEvent) -> str:
    """Text for `platform.initStart`; a missing version shows as `?`, an empty one as it is."""
    version = "?" if event.runtime_version is None else event.runtime_version
    version_arn = "?" if event.runtime_version_arn is None else event.runtime_version_arn
    return f"INIT_START Runtime Version: {version} Runtime Version ARN: {version_arn}"


def start_line(event: TelemetryEvent) -> str:
    """Text for `platform.start`."""
    version = "$LATEST" if event.version is None else event.version
    return f"START RequestId: {event.request_id} Version: {version}"


def end_line(event: TelemetryEvent) -> str:
    """Text for `platform.runtimeDone`. The error type stands in quotes here, and only here."""
    base = f"END RequestId: {event.request_id}"
    if event.has_metrics and event.status == STATUS_TIMEOUT:
        return f"{base} Task timed out after {event.duration_ms / 1000.0:.2f} seconds"
    if event.has_metrics and event.status == STATUS_ERROR:
        return f"{base} Task failed: {quoted(event.error_type or '')}"
    return base


def report_line(event: TelemetryEvent, runtime_ms: float) -> str:
    """Text for a `platform.report` with billing figures.

    Args:
        event: The report.
        runtime_ms: What the runtime took for the same invocation, 0 when unknown.
    """
    post_runtime_ms = event.duration_ms - runtime_ms if runtime_ms > 0.0 else 0.0
    text = (
        f"REPORT RequestId: {event.request_id} Duration: {event.duration_ms:.2f} ms"
        f" Runtime Duration: {runtime_ms:.2f} ms Post Runtime Duration: {post_runtime_ms:.2f} ms"
        f" Billed Duration: {event.billed_duration_ms} ms Memory Size: {event.memory_size_mb} MB"
        f" Max Memory Used: {event.max_memory_used_mb} MB"
    )
    init_duration_ms = event.init_duration_ms
    if init_duration_ms is not None:
        text += f" Init Duration: {init_duration_ms:.2f} ms"
    return text


def managed_report_line(event: TelemetryEvent) -> str:
    """Text for a `platform.report` of a managed instance, which is also the end of the invocation."""
    base = f"REPORT RequestId: {event.request_id} Runtime Duration: {event.duration_ms:.2f} ms"
    if event.status == STATUS_TIMEOUT:
        return f"{base} Task timed out after {event.duration_ms / 1000.0:.2f} seconds"
    if event.status == STATUS_ERROR:
        error_type = event.error_type
        if error_type is None:
            return f"{base} Task failed with an unknown error"
        return f"{base} Task failed: {error_type}"
    return base


def is_failed(event: TelemetryEvent) -> bool:
    """Whether the END line, or a managed instance's REPORT line, has status `error`."""
    return event.has_metrics and event.status in (STATUS_TIMEOUT, STATUS_ERROR)


def quoted(text: str) -> str:
    r"""Put a text in double quotes; what does not print becomes `\u{hex}`."""
    pieces = ['"']
    for character in text:
        if character in _SHORT_ESCAPES:
            pieces.append(_SHORT_ESCAPES[character])
        elif character.isprintable():
            pieces.append(character)
        else:
            pieces.append(f"\\u{{{ord(character):x}}}")
    pieces.append('"')
    return "".join(pieces)
