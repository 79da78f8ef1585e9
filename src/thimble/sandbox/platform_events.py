"""Records of the platform's telemetry events, as AWS's schema 2022-12-13 shapes them.

Pure: figures in, records out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from thimble.sandbox.spec import FunctionSpec

Record = dict[str, object]


def trace_context(function: FunctionSpec, trace: str | None, request_id: str, *, has_span: bool) -> Record | None:
    """`tracing` of an event: only for a sampled trace, on managed instances whenever there is a header."""
    if not trace:
        return None
    if function.is_managed:
        return {"type": "X-Amzn-Trace-Id", "value": trace}
    if "Sampled=1" not in trace.split(";"):
        return None
    record: Record = {"type": "X-Amzn-Trace-Id", "value": trace}
    if has_span:
        record = {"spanId": hashlib.sha256(request_id.encode()).hexdigest()[:16]} | record
    return record


def init_start(function: FunctionSpec, phase: str, instance: str) -> Record:
    version = function.runtime_version or f"{function.runtime}.local"
    digest = hashlib.sha256(version.encode()).hexdigest()
    return {
        "initializationType": function.init_type,
        "phase": phase,
        "runtimeVersion": version,
        "runtimeVersionArn": function.runtime_version_arn or f"arn:aws:lambda:{function.region}::runtime:{digest}",
        "functionName": function.name,
        "functionVersion": function.version,
        "instanceId": instance,
        "instanceMaxMemory": function.memory_mb * 1024 * 1024,
    }


def restore_start(function: FunctionSpec, instance: str) -> Record:
    record = init_start(function, "", instance)
    del record["initializationType"], record["phase"]
    return record


def init_runtime_done(function: FunctionSpec, phase: str, status: str, error_type: str | None) -> Record:
    record: Record = {"initializationType": function.init_type, "phase": phase, "status": status}
    if error_type:
        record["errorType"] = error_type
    return record


def init_report(function: FunctionSpec, phase: str, status: str, error_type: str | None, duration_ms: float) -> Record:
    record = init_runtime_done(function, phase, status, error_type)
    record["metrics"] = {"durationMs": duration_ms}
    return record


def extension(name: str, state: str, events: Sequence[str], error_type: str | None) -> Record:
    record: Record = {"name": name, "state": state, "events": list(events)}
    if error_type:
        record["errorType"] = error_type
    return record


def start(function: FunctionSpec, request_id: str, trace: str | None, tenant_id: str | None) -> Record:
    record: Record = {"requestId": request_id, "version": function.version}
    if function.is_managed:
        record["functionArn"] = function.arn
    return _with_shared(record, function, request_id, trace, tenant_id)


def runtime_done(
    function: FunctionSpec,
    request_id: str,
    status: str,
    error_type: str | None,
    metrics: Record | None,
    spans: list[Record],
    trace: str | None,
    tenant_id: str | None,
) -> Record:
    record: Record = {"requestId": request_id, "status": status}
    if error_type:
        record["errorType"] = error_type
    if spans:
        record["spans"] = spans
    if metrics is not None:
        record["metrics"] = metrics
    return _with_shared(record, function, request_id, trace, tenant_id)


def report(
    function: FunctionSpec,
    request_id: str,
    status: str,
    error_type: str | None,
    metrics: Record,
    spans: list[Record],
    trace: str | None,
    tenant_id: str | None,
) -> Record:
    record: Record = {"requestId": request_id, "status": status}
    if error_type:
        record["errorType"] = error_type
    record["metrics"] = metrics
    if spans:
        record["spans"] = spans
    return _with_shared(record, function, request_id, trace, tenant_id)


def _with_shared(
    record: Record, function: FunctionSpec, request_id: str, trace: str | None, tenant_id: str | None
) -> Record:
    tracing = trace_context(function, trace, request_id, has_span=True)
    if tracing is not None:
        record["tracing"] = tracing
    if tenant_id and function.is_tenant_isolated:
        record["tenantId"] = tenant_id
    return record


def span(name: str, start_text: str, duration_ms: float) -> Record:
    return {"name": name, "start": start_text, "durationMs": duration_ms}


def report_line(record: Record) -> str:
    """The REPORT line of the console, from a report record."""
    metrics = record["metrics"]
    assert isinstance(metrics, dict)
    parts = [
        f"REPORT RequestId: {record['requestId']}",
        f"Duration: {metrics['durationMs']:.2f} ms",
    ]
    if "billedDurationMs" in metrics:
        parts += [
            f"Billed Duration: {metrics['billedDurationMs']} ms",
            f"Memory Size: {metrics['memorySizeMB']} MB",
            f"Max Memory Used: {metrics['maxMemoryUsedMB']} MB",
        ]
    if "initDurationMs" in metrics:
        parts.append(f"Init Duration: {metrics['initDurationMs']:.2f} ms")
    if "restoreDurationMs" in metrics:
        parts.append(f"Restore Duration: {metrics['restoreDurationMs']:.2f} ms")
    if record["status"] != "success":
        parts.append(f"Status: {record['status']}")
        if record.get("errorType"):
            parts.append(f"Error Type: {record['errorType']}")
    return "\t".join(parts) + "\t"
