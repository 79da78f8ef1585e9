"""Inspection of log lines: tags and status inside a JSON object, signs of an exhausted memory, durable executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    JsonObject = dict[str, object]

STATUSES: Final = {
    "FATAL": "critical",
    "CRITICAL": "critical",
    "ERROR": "error",
    "ERR": "error",
    "WARN": "warn",
    "WARNING": "warn",
    "INFO": "info",
    "INFORMATION": "info",
    "DEBUG": "debug",
    "TRACE": "trace",
}

OUT_OF_MEMORY_SIGNS: Final = (
    "MemoryError",  # Python; also inside Java's and Ruby's texts
    "OutOfMemoryException",  # .NET
    "java.lang.OutOfMemoryError",
    "JavaScript heap out of memory",  # Node.js
    "Runtime exited with error: signal: killed",  # Node.js, killed by the kernel
    "fatal error: runtime: out of memory",  # Go
)
"""A line that contains one of these tells that the runtime ran out of memory. Case matters.

Each contains `emory` or `signal: killed`, which is what the scan of a body looks for first.
"""

_DURABLE_MARK: Final = "/durable-execution/"


class Inspected:
    """What inspection found. `text` replaces the line; `extra_tags` is appended after a comma unless None."""

    def __init__(self, text: str, status: str, extra_tags: str | None) -> None:
        self.text = text
        self.status = status
        self.extra_tags = extra_tags


def looks_like_object(text: str) -> bool:
    """Whether a text could be a JSON object, judging by its beginning."""
    if text[:1] in (" ", "\t", "\r", "\n"):
        text = text.lstrip(" \t\r\n")
    return text[:1] == "{"


def parse_object(text: str) -> JsonObject | None:
    """Read a text that is exactly one JSON object, white space around it allowed."""
    try:
        value: object = orjson.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def compact_json(fields: JsonObject) -> str | None:
    """Write an object without white space, or answer None if it is nested too deeply (254 levels)."""
    try:
        return orjson.dumps(fields).decode()
    except TypeError:
        return None


def inspect_object(fields: JsonObject, text: str, default_status: str) -> Inspected:
    """Take tags and status out of a JSON object.

    `ddtags` is looked for at the top, else inside `message`; when it is found there, the inner object replaces the
    line. The status always comes from the top: from `level` if that key exists, else from `status`.

    Args:
        fields: The object that `text` is; changed by the call.
        text: The line as received, kept byte for byte unless a `ddtags` is removed.
        default_status: The status if the object names none that is known.
    """
    status = default_status
    level = fields["level"] if "level" in fields else fields.get("status")
    if isinstance(level, str):
        status = STATUSES.get(level.upper(), default_status)
    tags = fields.get("ddtags")
    if isinstance(tags, str):
        del fields["ddtags"]
        return Inspected(compact_json(fields) or text, status, tags)
    message = fields.get("message")
    if isinstance(message, dict):
        tags = message.get("ddtags")
        if isinstance(tags, str):
            del message["ddtags"]
            return Inspected(compact_json(message) or text, status, tags)
    return Inspected(text, status, None)


def tells_out_of_memory(text: str) -> bool:
    """Whether a line tells that the runtime ran out of memory."""
    if "emory" not in text and "signal: killed" not in text:
        return False
    for sign in OUT_OF_MEMORY_SIGNS:  # noqa: SIM110 - a generator would cost more than the search
        if sign in text:
            return True
    return False


def tells_failed_invocation(fields: JsonObject | None, text: str) -> bool:
    r"""Whether a line is the runtime's own report of an exception that the handler did not catch.

    The platform calls such an invocation a success: the runtime lives on. Python's runtime writes `[ERROR]` and a
    space where its loggers write a tab; in JSON the error's type and stack trace are keys of the line or its message.

    Source: runtime interface clients of AWS Lambda for Python, Node.js and Ruby.
    """
    if fields is not None:
        if _is_error_report(fields):
            return True
        message = fields.get("message")
        return isinstance(message, dict) and _is_error_report(message)
    if text.startswith("[ERROR] "):
        return "\nTraceback (most recent call last)" in text
    if "\tERROR\t" in text:
        return "\tERROR\tInvoke Error" in text or "\tERROR\tUncaught Exception" in text
    return text.startswith("Error raised from handler method")


def _is_error_report(fields: JsonObject) -> bool:
    return isinstance(fields.get("errorType"), str) and isinstance(fields.get("stackTrace"), list)


def payload_request_id(fields: JsonObject) -> str | None:
    """The request id that a JSON log record names, even an empty one. A key that is no text hides the next one."""
    value = fields["requestId"] if "requestId" in fields else fields.get("AWSRequestId")
    return value if isinstance(value, str) else None


def durable_execution(fields: JsonObject) -> tuple[str, str] | None:
    """Name and id of the durable execution that a JSON log record belongs to."""
    arn = fields.get("executionArn")
    if not isinstance(arn, str):
        return None
    parts = arn.split(_DURABLE_MARK)
    if len(parts) < 2:
        return None
    name, _, execution_id = parts[1].partition("/")
    return (name, execution_id) if name and execution_id else None
