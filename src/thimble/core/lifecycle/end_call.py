"""Whether a tracer's end-invocation call says that the invocation failed.

Source: specification of invocation processing, "Error headers" and "Status code of the response".
"""

from __future__ import annotations

from typing import Final

REQUEST_ID_HEADER: Final = "lambda-runtime-aws-request-id"

_FLAG: Final = "x-datadog-invocation-error"
_DETAILS: Final = (
    "x-datadog-invocation-error-msg",
    "x-datadog-invocation-error-type",
    "x-datadog-invocation-error-stack",
)
_STATUS_CODE: Final = b"statusCode"


def is_failed_end_call(headers: list[tuple[str, str]], body: bytes) -> bool:
    """Whether the headers (names in lower case) tell of an error, or the response has a status code of 500 to 599."""
    flag = ""
    for name, value in headers:
        if name in _DETAILS:
            return True
        if name == _FLAG:
            flag = value
    return flag.lower() == "true" or _has_server_error(body)


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
