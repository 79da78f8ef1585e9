"""What a tracer's end-invocation call says about its invocation.

Source: specification of invocation processing, "Error headers", "Status code of the response" and "Sampling priority".
"""

from __future__ import annotations

from typing import Final

_REQUEST_ID: Final = "lambda-runtime-aws-request-id"
_PRIORITY: Final = "x-datadog-sampling-priority"
_FLAG: Final = "x-datadog-invocation-error"
_DETAILS: Final = (
    "x-datadog-invocation-error-msg",
    "x-datadog-invocation-error-type",
    "x-datadog-invocation-error-stack",
)
_STATUS_CODE: Final = b"statusCode"


class EndCall:
    """One call.

    Attributes:
        request_id: Empty if the tracer does not name its invocation.
        has_error: The headers tell of an error.
        has_server_error: The function's response has a status code of 500 to 599.
        is_trace_kept: The tracer decided to keep the trace; False also if it does not say.
    """

    def __init__(self, request_id: str, has_error: bool, has_server_error: bool, is_trace_kept: bool) -> None:
        self.request_id = request_id
        self.has_error = has_error
        self.has_server_error = has_server_error
        self.is_trace_kept = is_trace_kept

    @property
    def is_failed(self) -> bool:
        """Whether the invocation counts as one that failed."""
        return self.has_error or self.has_server_error


def read_end_call(headers: list[tuple[str, str]], body: bytes) -> EndCall:
    """Read a call of any content.

    Args:
        headers: Names in lower case, in order; of a repeated one the last counts, of the request id the first.
        body: The function's response.
    """
    request_id = ""
    has_error = False
    flag = ""
    priority = ""
    for name, value in headers:
        if name in _DETAILS:
            has_error = True
        elif name == _FLAG:
            flag = value
        elif name == _PRIORITY:
            priority = value
        elif name == _REQUEST_ID and not request_id:
            request_id = value
    return EndCall(request_id, has_error or flag.lower() == "true", _has_server_error(body), _is_kept(priority))


def _is_kept(priority: str) -> bool:
    try:
        return float(priority) >= 1.0
    except ValueError:
        return False


def _has_server_error(body: bytes) -> bool:
    if _STATUS_CODE not in body:
        return False
    import orjson

    try:
        response = orjson.loads(body)
    except ValueError:
        return False
    if not isinstance(response, dict):
        return False
    code = response.get("statusCode")
    return isinstance(code, int) and not isinstance(code, bool) and 500 <= code <= 599
