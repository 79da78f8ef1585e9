"""Results of local runs, made by hand, for the tests of what is shown."""

from __future__ import annotations

from thimble.sandbox.run_report import Invocation, LogLine, Request, RunReport, Shutdown
from thimble.sandbox.spec import InvokeResult

REQUEST_ID = "8f0e7c3a-5a51-4f0c-9b3e-0d9a8a2f6c11"
START_MS = 1772446531000


def line(after_ms: int, text: str, status: str = "info") -> LogLine:
    is_platform = text.startswith(("INIT_START", "START ", "END ", "REPORT "))
    return LogLine(text, status, START_MS + after_ms, REQUEST_ID, is_platform)


def request(answer: int | str = 202, problem: str = "") -> Request:
    return Request("logs", answer, answer == 202, 400, 2000, 7, 1.0, problem)


def invocation(number: int = 1, **changes: object) -> Invocation:
    values: dict[str, object] = {
        "number": number,
        "label": "cold start",
        "result": InvokeResult(request_id=REQUEST_ID, payload=b'{"total": 7.5}', cold=True),
        "started_ms": START_MS,
        "init_ms": 182.4,
        "handler_ms": 23.1,
        "after_ms": 3.9,
        "duration_ms": 27.0,
        "billed_ms": 210,
        "memory_mb": 512,
        "memory_used_mb": 61,
        "outcome": "ok",
        "logs": [
            line(184, f"START RequestId: {REQUEST_ID} Version: $LATEST"),
            line(0, "INIT_START Runtime Version: python3.11.local Runtime Version ARN: ?"),
            line(190, "order received\n"),
            line(208, f"REPORT RequestId: {REQUEST_ID} Duration: 27.00 ms"),
        ],
        "requests": [request()],
    }
    return Invocation(**{**values, **changes})


def failed(**changes: object) -> Invocation:
    document = b'{"errorMessage": "\'scissors\'", "errorType": "KeyError", "stackTrace": ["a long one"]}'
    result = InvokeResult(request_id=REQUEST_ID, payload=document, function_error="Unhandled")
    return invocation(2, **{"label": "warm", "result": result, "outcome": "Unhandled", "init_ms": 0.0, **changes})


def report(invocations: list[Invocation], **changes: object) -> RunReport:
    values: dict[str, object] = {
        "function": "app.handler",
        "extension": "the frozen extension",
        "invocations": invocations,
        "shutdown": Shutdown(42.0, {"datadog-agent": 0, "runtime": -15}, []),
        "totals": {
            "logs": {"requests": 3, "accepted": 2, "wire_bytes": 1200, "raw_bytes": 6000, "item_count": 14},
        },
        "unattributed": [],
        "lines_expected": 14,
        "lines_arrived": 14,
        "lost": [],
        "undelivered": [],
        "own_lines": [],
        "start_up": {"datadog-agent.register": 7.1, "datadog-agent.next": 8.8, "init": 182.0},
        "violations": [],
    }
    return RunReport(**{**values, **changes})
